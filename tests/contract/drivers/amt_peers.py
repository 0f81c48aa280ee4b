"""The peer of `IntelAMT`: our own simulator. There is no AMT of others that could be run here."""

from __future__ import annotations

from cloudmanager.drivers.amt import IntelAMT
from cloudmanager.drivers.tls import TlsSettings
from cloudmanager.simulators.world import Account
from tests.contract.drivers.simulated import SimulatedPeer


class SimulatorPeer(SimulatedPeer):
    driver = IntelAMT
    tls = False

    def add_device(self):
        self.world.add_node(self.node)
        device = self.world.add_device("amt-n1", "amt", accounts={1: Account("admin", "Secret of n1!")})
        self.world.plug(device.name, "1", self.node)
        device.memory["tls"] = self.tls
        return device

    def settings(self, **changes):
        account = self.device.accounts[1]
        mine = {
            "host": "127.0.0.1",
            "port": self.device.port,
            "login": account.name,
            "password": account.password,
            "tls": "insecure" if self.tls else "off",
        }
        return TlsSettings(**{**mine, **changes})

    def next_boot(self):
        boot = self.device.memory.get("boot", {"source": "", "role": 0})
        return boot["source"] if boot["role"] == 1 else "none"


class TlsSimulatorPeer(SimulatorPeer):
    tls = True
