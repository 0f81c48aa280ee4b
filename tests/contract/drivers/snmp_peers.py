"""The peers of the boards that speak SNMP: net-snmp's daemon and our own simulator."""

from __future__ import annotations

from cloudmanager.drivers.snmp import AcpiSettings, DaenetIP2, DaenetIP2_ACPI
from cloudmanager.simulators.relays import HELD_SECONDS
from tests.contract.drivers.contract import Peer
from tests.contract.drivers.simulated import SimulatedPeer
from tests.peers import snmpd
from tests.peers.snmpd import Snmpd
from tests.peers.sockets import free_udp_port

OUTLETS = ("2", "5", "8")


class BoardPeer(Peer):
    outlet = "2"
    outlets = OUTLETS
    tells_of_wrong_login = False
    tells_of_wrong_password = False
    login, password = snmpd.READ, snmpd.WRITE

    def settings(self, **changes):
        if "password" in changes:  # so that it is the one for reading, too
            changes = {"login": "", **changes}
        mine = {"host": "127.0.0.1", "port": self.port, "login": self.login, "password": self.password}
        return AcpiSettings(**{**mine, "short_press": 0.1, "long_press": 0.6, **changes})

    def is_on(self):
        return self.contacts()[self.outlet]

    def set_on(self, on):
        self.set_contacts({self.outlet: on})

    def next_boot(self):
        return "none"

    def sessions(self):
        return None


class SnmpdPeer(BoardPeer):
    def __init__(self, stack):
        self.server = stack.enter_context(Snmpd(free_udp_port(), self.kind))
        self.port = self.server.port
        self.freeze, self.thaw, self.restart = self.server.freeze, self.server.thaw, self.server.restart

    def contacts(self):
        states = self.server.state()[self.truth]
        return {outlet: bool(states[int(outlet) - 1]) for outlet in OUTLETS}

    def set_contacts(self, changes):
        self.server.set_state(self.truth, changes)

    def resets(self):
        return self.server.state()["starts"][int(self.outlet) - 1]

    def requests(self):
        return None


class SimulatedBoard(SimulatedPeer, BoardPeer):
    node = "n2"

    def add_device(self):
        for outlet in OUTLETS:
            self.world.add_node(f"n{outlet}")
        wired = {outlet: f"n{outlet}" for outlet in OUTLETS}
        device = self.centre.add_board("relays", self.kind, wired, login=self.login, password=self.password)
        device.memory[HELD_SECONDS] = 0.4
        return device

    @property
    def port(self):
        return self.device.port

    def contacts(self):
        return {outlet: self.world.is_on(f"n{outlet}") for outlet in OUTLETS}

    def resets(self):
        return self.world.node(self.node).boots

    def requests(self):
        return self.server.counters.packets_in


class Mains:
    driver = DaenetIP2
    says_first = "command"


class MainsSnmpd(Mains, SnmpdPeer):
    kind, truth = "mains", "contacts"


class MainsSimulator(Mains, SimulatedBoard):
    kind = "daenet"

    def set_contacts(self, changes):
        with self.faults(power_on_lag=0.0, power_off_lag=0.0):
            for outlet, on in changes.items():
                self.call(self.server.relays.switch, int(outlet), on)

    def set_on(self, on):
        self.set_contacts({self.outlet: on})


class Buttons:
    driver = DaenetIP2_ACPI
    says_first = "look"


class ButtonsSnmpd(Buttons, SnmpdPeer):
    kind, truth = "buttons", "on"


class ButtonsSimulator(Buttons, SimulatedBoard):
    kind = "daenet-acpi"

    def set_contacts(self, changes):
        for outlet, on in changes.items():
            self.call(self.world.power_on if on else self.world.power_off, f"n{outlet}")

    def pressed(self):
        """The byte of the contacts, which nobody may leave closed."""
        return self.server.relays.byte
