"""A site of simulated BMCs that the monitor's own poller watches over real sockets, while time flies."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from cloudmanager.drivers import driver_for
from cloudmanager.drivers.base import PowerState, Settings
from cloudmanager.monitor.poller import Pace, Poller
from cloudmanager.monitor.roll import Plugged, Watched
from cloudmanager.simulators.ipmi import Bmc
from cloudmanager.simulators.world import Account, World
from tests.unit.monitor.fast_forward import LoopTime

HOST, LOGIN, PASSWORD, TIMEOUT = "127.0.0.1", "ADMIN", "secret", 5.0
INTERVAL = 10.0


class Site:
    """So many BMCs; their ids are 0, 1, 2 …, every third machine is off. An asynchronous context manager.

    `looks` has those of each, the oldest first, but not more than `memory` of them.
    """

    def __init__(self, count, *, memory=None):
        self.loop = asyncio.get_running_loop()
        self.world = World(clock=LoopTime())
        self.states = [PowerState.ON if key % 3 else PowerState.OFF for key in range(count)]
        self.bmcs = [self._bmc(str(key), on=state is PowerState.ON) for key, state in enumerate(self.states)]
        self.looks = defaultdict(list)
        self._memory = memory
        pace = Pace(interval=INTERVAL, longest_interval=120.0, misses=3, at_once=1000)
        self.poller = Poller(pace, self._open, self._note, self.loop.time)

    async def __aenter__(self):
        self.ports = [await bmc.start(HOST) for bmc in self.bmcs]
        self.poller.follow([self._watched(key) for key in range(len(self.bmcs))])
        self._polling = self.loop.create_task(self.poller.run())
        return self

    async def __aexit__(self, *problem):
        """Log out of everything that answers; nothing of ours is left on a BMC or on the loop."""
        self._polling.cancel()
        await self.poller.close()
        sessions = self.sessions()
        for bmc in self.bmcs:
            await bmc.stop()
        if not any(problem):
            assert sessions == [0] * len(self.bmcs)
            assert asyncio.all_tasks() == {asyncio.current_task()}

    async def pass_time(self, seconds):
        await asyncio.sleep(seconds)

    def faults(self, key, **changes):
        self.world.set_faults(str(key), **changes)

    def sessions(self):
        """How many each BMC believes open."""
        return [bmc.counters.sessions_open for bmc in self.bmcs]

    def packets_to(self, key):
        return self.bmcs[key].counters.packets_in

    def _bmc(self, name, *, on):
        self.world.add_node(name, on=on)
        self.world.add_device(name, "bmc", accounts={2: Account(LOGIN, PASSWORD)})
        self.world.plug(name, "1", name)
        return Bmc(self.world, name)

    def _watched(self, key):
        plugged = (Plugged("1", key, is_default=True, state=None),)
        port = self.ports[key]
        return Watched(key, f"bmc{key}", "SupermicroRackDevice", HOST, port, LOGIN, None, None, {}, plugged)

    def _open(self, device):
        settings = Settings(
            host=device.host, port=device.port_number, login=LOGIN, password=PASSWORD, timeout=TIMEOUT
        )
        return driver_for(device.control_type)(settings)

    def _note(self, look):
        looks = self.looks[look.device.id]
        looks.append(look)
        if self._memory:
            del looks[: -self._memory]
