"""Our own data centre with one device, on an event loop in a thread, so that both sides run freely."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time

from cloudmanager.simulators.datacentre import DataCentre
from tests.contract.drivers.contract import Peer


class SimulatedPeer(Peer):
    """A subclass puts its device into `self.centre` (`add_device`, which returns it) and names its sessions."""

    node = "n1"

    def __init__(self, stack):
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        stack.callback(self._loop.close)
        stack.callback(thread.join)
        stack.callback(self._loop.call_soon_threadsafe, self._loop.stop)
        self.centre = DataCentre()
        self.world = self.centre.world
        self.device = self.add_device()
        self._set_faults(power_on_lag=0.05, power_off_lag=0.05, soft_off_delay=0.1)
        self.run(self.centre.start())
        stack.callback(lambda: self.run(self.centre.stop()))
        self.server = self.centre.servers[self.device.name]

    def add_device(self):
        raise NotImplementedError

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def call(self, function, *arguments, **keywords):
        async def inside():
            return function(*arguments, **keywords)

        return self.run(inside())

    def _set_faults(self, **changes):
        self.call(self.world.set_faults, self.device.name, **changes)

    @contextlib.contextmanager
    def faults(self, **changes):
        before = {name: getattr(self.device.faults, name) for name in changes}
        self._set_faults(**changes)
        try:
            yield
        finally:
            self._set_faults(**before)

    @contextlib.contextmanager
    def memory(self, **changes):
        """Let the device be one of another maker."""
        before = dict(self.device.memory)
        self.device.memory.update(changes)
        try:
            yield
        finally:
            self.device.memory = before

    @contextlib.contextmanager
    def no_answer_once(self, happened):
        """Break the connection in place of the first answer after something has happened."""
        wire, broken = self.world.wire, []
        whole = wire.through_stream

        def through_stream(faults, answer):
            if not broken and happened():
                broken.append(answer)
                return None
            return whole(faults, answer)

        wire.through_stream = through_stream
        try:
            yield
        finally:
            del wire.through_stream

    def is_on(self):
        return self.world.is_on(self.node)

    def set_on(self, on):
        """Switch, once what an earlier command set in motion is over."""
        time.sleep(max(0.0, self.world.node(self.node).settled_at - self.world.clock.now()))
        self.call(self.world.power_on if on else self.world.power_off, self.node)

    def resets(self):
        return self.world.node(self.node).resets

    def freeze(self):
        self._set_faults(dead=True)

    def thaw(self):
        self._set_faults(dead=False)

    def restart(self):
        self.run(self.server.stop())
        self.run(self.server.start("127.0.0.1", self.device.port))

    def sessions(self):
        return None
