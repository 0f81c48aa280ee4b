"""The peers of `RedfishDevice`: the emulator of sushy-tools and our own simulator."""

from __future__ import annotations

from cloudmanager.drivers.redfish import RedfishDevice
from cloudmanager.drivers.tls import TlsSettings
from cloudmanager.simulators.world import Account
from tests.contract.drivers.contract import Peer
from tests.contract.drivers.simulated import SimulatedPeer
from tests.peers.sushy_emulator import SushyEmulator


class RedfishPeer(Peer):
    driver = RedfishDevice

    def settings(self, **changes):
        return TlsSettings(**{"tls": "off", **self.address(), **changes})


class SushyPeer(RedfishPeer):
    """A service without sessions: Basic authentication."""

    def __init__(self, stack):
        self.emulator = stack.enter_context(SushyEmulator())
        for verb in ("is_on", "set_on", "resets", "next_boot", "freeze", "thaw", "restart"):
            setattr(self, verb, getattr(self.emulator, verb))

    def address(self):
        emulator = self.emulator
        return {
            "host": emulator.host,
            "port": emulator.port,
            "login": emulator.login,
            "password": emulator.password,
        }

    def sessions(self):
        return None


class SimulatorPeer(SimulatedPeer, RedfishPeer):
    tls = False

    def add_device(self):
        self.world.add_node(self.node)
        device = self.world.add_device("redfish-n1", "redfish", accounts={1: Account("root", "secret of n1")})
        self.world.plug(device.name, "1", self.node)
        device.memory["tls"] = self.tls
        return device

    def address(self):
        account = self.device.accounts[1]
        return {
            "host": "127.0.0.1",
            "port": self.device.port,
            "login": account.name,
            "password": account.password,
        }

    def next_boot(self):
        kept = self.device.memory.get("boot 1", {"target": "None", "enabled": "Disabled"})
        return "pxe" if (kept["target"], kept["enabled"]) == ("Pxe", "Once") else "none"

    def sessions(self):
        return self.call(self.server.report)["sessions_open"]


class TlsSimulatorPeer(SimulatorPeer):
    """The same behind TLS, with a certificate that is known."""

    tls = True

    def settings(self, **changes):
        return TlsSettings(**{**self.address(), "tls": "insecure", **changes})
