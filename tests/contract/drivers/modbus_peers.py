"""The peers of `ET7067`: pymodbus's server and our own simulator."""

from __future__ import annotations

import time

from cloudmanager.drivers.modbus import ET7067, ModbusSettings
from tests.contract.drivers.contract import Peer
from tests.contract.drivers.simulated import SimulatedPeer
from tests.peers.pymodbus_server import PymodbusServer
from tests.peers.sockets import free_tcp_port

OUTLETS = ("2", "5", "8")


class Et7067Peer(Peer):
    driver = ET7067
    outlet = "2"
    outlets = OUTLETS
    has_credentials = False
    says_first = "command"

    def settings(self, **changes):
        return ModbusSettings(**{"host": "127.0.0.1", "port": self.port, **changes})

    def is_on(self):
        return self.contacts()[self.outlet]

    def set_on(self, on):
        self.set_contacts({self.outlet: on})

    def next_boot(self):
        return "none"


class PymodbusPeer(Et7067Peer):
    def __init__(self, stack):
        self.server = stack.enter_context(PymodbusServer(free_tcp_port()))
        self.port = self.server.port
        self.freeze, self.thaw, self.restart = self.server.freeze, self.server.thaw, self.server.restart
        self.set_contacts, self.sessions = self.server.set_coils, self.server.connections

    def contacts(self):
        coils = self.server.coils()
        return {outlet: coils[int(outlet) - 1] for outlet in OUTLETS}

    def resets(self):
        return 0  # it has coils and no machines

    def requests(self):
        return None


class Et7067SimulatorPeer(SimulatedPeer, Et7067Peer):
    node = "n2"

    def add_device(self):
        for outlet in OUTLETS:
            self.world.add_node(f"n{outlet}")
        return self.centre.add_board("relays", "et7067", {outlet: f"n{outlet}" for outlet in OUTLETS})

    @property
    def port(self):
        return self.device.port

    def contacts(self):
        """Whether the machines have power, which is more than that the relays are closed."""
        return {outlet: self.world.is_on(f"n{outlet}") for outlet in OUTLETS}

    def set_contacts(self, changes):
        with self.faults(power_on_lag=0.0, power_off_lag=0.0):
            for outlet, on in changes.items():
                self.call(self.server.relays.switch, int(outlet), on)

    def set_on(self, on):
        self.set_contacts({self.outlet: on})

    def resets(self):
        return self.world.node(self.node).boots

    def requests(self):
        return self.server.counters.requests

    def sessions(self):
        """The open connections; one that the driver has just closed may need a moment."""
        end = time.monotonic() + 1.0
        while (count := self._connections()) and not self.device.faults.dead and time.monotonic() < end:
            time.sleep(0.01)
        return count

    def _connections(self):
        return self.call(lambda: self.server.counters.connections_open)
