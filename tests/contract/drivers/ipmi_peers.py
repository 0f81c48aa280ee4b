"""The peers of `SupermicroRackDevice`: OpenIPMI's simulator, pyghmi's BMC server and our own simulator."""

from __future__ import annotations

import subprocess

from cloudmanager.drivers.ipmi import IpmiSettings, SupermicroRackDevice
from tests.contract.drivers.contract import Peer
from tests.contract.drivers.simulated import SimulatedPeer
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
    password_bytes = 16

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

    def ask_ipmitool(self, *words, password=None):
        """What a client of other people says of it."""
        command = [self.ipmitool, "-I", "lanplus", "-C", "3", "-H", self.bmc.host, "-p", str(self.bmc.port)]
        command += ["-U", self.bmc.login, "-P", password or self.bmc.password, *words]
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


class SimulatorPeer(SimulatedPeer, IpmiPeer):
    def add_device(self):
        return self.centre.add_node(self.node, 1, 1, password="secret of n1")

    @property
    def bmc(self):
        account = self.device.accounts[2]
        return SimulatedBmc("127.0.0.1", self.device.port, account.name, account.password)

    def next_boot(self):
        flags = self.device.memory.get("boot option 5", {}).get("value", "")
        return {"8004": "pxe"}.get(flags[:4], "none")

    def sessions(self):
        return self.call(lambda: self.server.counters.sessions_open)
