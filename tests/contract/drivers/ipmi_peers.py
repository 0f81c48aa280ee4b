"""The peers of `SupermicroRackDevice`: OpenIPMI's simulator, pyghmi's BMC server and our own simulator."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import threading

from cloudmanager.drivers.ipmi import IpmiSettings, SupermicroRackDevice
from cloudmanager.simulators.datacentre import DataCentre
from tests.contract.drivers.contract import Peer
from tests.peers.ipmi_sim import IpmiSim, SimulatedBmc
from tests.peers.programs import program
from tests.peers.pyghmi_bmc import PyghmiBmc
from tests.peers.relay import Relay
from tests.peers.sockets import free_udp_port


class IpmiPeer(Peer):
    driver = SupermicroRackDevice

    def settings(self, **changes):
        bmc = self.bmc
        mine = {"host": bmc.host, "port": bmc.port, "login": bmc.login, "password": bmc.password}
        return IpmiSettings(**{**mine, **changes})

    def sessions(self):
        return None


class IpmiSimPeer(IpmiPeer):
    def __init__(self, stack):
        self.sim = stack.enter_context(IpmiSim(program=program("ipmi_sim")))
        self.bmc = self.sim.bmcs[0]
        self.ipmitool = program("ipmitool")

    def is_on(self):
        return self.sim.is_on(0)

    def set_on(self, on):
        self.sim.set_on(0, on)

    def resets(self):
        return self.sim.resets(0)

    def next_boot(self):
        return self.sim.next_boot(0)

    def freeze(self):
        self.sim.freeze(0)

    def thaw(self):
        self.sim.thaw(0)

    def restart(self):
        self.sim.restart(0)

    def ask_ipmitool(self, *words):
        """What a client of other people says of it."""
        command = [self.ipmitool, "-I", "lanplus", "-C", "3", "-H", self.bmc.host, "-p", str(self.bmc.port)]
        command += ["-U", self.bmc.login, "-P", self.bmc.password, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout


class PyghmiPeer(IpmiPeer):
    tells_of_wrong_login = False

    def __init__(self, stack):
        self.server = stack.enter_context(PyghmiBmc(free_udp_port()))
        self.relay = stack.enter_context(Relay(self.server.port))
        self.bmc = SimulatedBmc(self.server.host, self.relay.port, self.server.login, self.server.password)
        self.is_on, self.set_on = self.server.is_on, self.server.set_on
        self.resets, self.next_boot = self.server.resets, self.server.next_boot
        self.restart = self.server.restart

    def freeze(self):
        # Stopped and continued, pyghmi's server would die of the packets that came meanwhile.
        self.relay.cut = True

    def thaw(self):
        self.relay.cut = False


class SimulatorPeer(IpmiPeer):
    """Our own data centre on an event loop in a thread, so that both sides run freely."""

    def __init__(self, stack):
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        stack.callback(self._loop.close)
        stack.callback(thread.join)
        stack.callback(self._loop.call_soon_threadsafe, self._loop.stop)
        self.centre = DataCentre()
        self.device = self.centre.add_node("n1", 1, 1, password="secret of n1")
        self._world = self.centre.world
        self._faults(power_on_lag=0.05, power_off_lag=0.05, soft_off_delay=0.1)
        self.run(self.centre.start())
        stack.callback(lambda: self.run(self.centre.stop()))
        self.server = self.centre.servers[self.device.name]

    @property
    def bmc(self):
        account = self.device.accounts[2]
        return SimulatedBmc("127.0.0.1", self.device.port, account.name, account.password)

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def call(self, function, *arguments, **keywords):
        async def inside():
            return function(*arguments, **keywords)

        return self.run(inside())

    def _faults(self, **changes):
        self.call(self._world.set_faults, self.device.name, **changes)

    @contextlib.contextmanager
    def faults(self, **changes):
        before = {name: getattr(self.device.faults, name) for name in changes}
        self._faults(**changes)
        try:
            yield
        finally:
            self._faults(**before)

    def is_on(self):
        return self._world.is_on("n1")

    def set_on(self, on):
        self.call(self._world.power_on if on else self._world.power_off, "n1")

    def resets(self):
        return self._world.node("n1").resets

    def next_boot(self):
        flags = self.device.memory.get("boot option 5", {}).get("value", "")
        return {"8004": "pxe"}.get(flags[:4], "none")

    def freeze(self):
        self._faults(dead=True)

    def thaw(self):
        self._faults(dead=False)

    def restart(self):
        self.run(self.server.stop())
        self.run(self.server.start("127.0.0.1", self.device.port))

    def sessions(self):
        return self.call(lambda: self.server.counters.sessions_open)
