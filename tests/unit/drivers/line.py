"""A `Bmc` on a line whose time and packets a test commands; at the far end our simulator, as pure functions."""

from __future__ import annotations

from collections import deque
from math import inf

from cloudmanager.drivers.ipmi.bmc import Bmc
from cloudmanager.drivers.ipmi.ciphers import SUITE_3, SUITE_17
from cloudmanager.drivers.ipmi.logon import Account
from cloudmanager.drivers.ipmi.packets import BadPacket
from cloudmanager.simulators import ipmi as simulated
from cloudmanager.simulators.clock import ManualClock
from cloudmanager.simulators.world import Account as DeviceAccount
from cloudmanager.simulators.world import World

ADDRESS = ("192.0.2.1", 623)
US = ("192.0.2.2", 40000)
TITLE = "ipmi://test"
DELAY = 0.001

SUITES = (SUITE_3, SUITE_17)


def arrives(packet):
    return [packet]


def lost(_packet):
    return []


def doubled(packet):
    return [packet, packet]


def cut(packet):
    return [packet[:-3]]


def flipped(packet):
    """One wrong bit. Not in the log-on: there it means that somebody does not know the password."""
    return [packet[:-1] + bytes([packet[-1] ^ 1])] if packet[5] & 0x40 else [packet]


class Line:
    """It is the `Wire` of one `Bmc`. `fate(number, packet)` tells what becomes of the n-th packet on the line."""

    def __init__(self, *, password=b"secret", suites=SUITES, on=True, privilege=4):
        self.clock = ManualClock(start=1000.0)
        self.world = World(clock=self.clock)
        self.world.add_node("node", on=on)
        accounts = {2: DeviceAccount("ADMIN", "secret", privilege=privilege)}
        self.world.add_device("device", "bmc", accounts=accounts)
        self.world.plug("device", "1", "node")
        self.world.set_faults("device", power_on_lag=0.0, power_off_lag=0.0)
        self.device = simulated.Bmc(self.world, "device")
        self.answer = lambda packet: self.device.answer(packet, US)
        self.fate = lambda number, packet: [packet]
        self.sent = []
        self.ignored = []
        self.ids = {}
        self.wake_time = inf
        self._count = 0
        self._arriving = deque()
        self.bmc = Bmc(self, TITLE, ADDRESS, Account(b"ADMIN", password), suites)

    # What a `Bmc` needs of the outside.

    def now(self):
        return self.clock.now()

    def send(self, bmc, packet):
        assert bmc.address == ADDRESS
        self.sent.append(packet)
        self._put(packet, self._reach_device)

    def wake_at(self, bmc, when):
        self.wake_time = when

    def new_session_id(self, bmc):
        session_id = (len(self.ids) + self._count * 1000 + 1).to_bytes(4, "little")
        assert session_id not in self.ids
        self.ids[session_id] = bmc
        return session_id

    def drop_session_id(self, session_id):
        del self.ids[session_id]

    # The line.

    def _put(self, packet, deliver):
        number, self._count = self._count, self._count + 1
        for each in self.fate(number, packet):
            delay, arriving = each if isinstance(each, tuple) else (DELAY, each)
            self._arriving.append((self.now() + delay, deliver, arriving))

    def _reach_device(self, packet):
        answer = self.answer(packet)
        if answer is not None:
            self._put(answer, self.reach_us)

    def reach_us(self, packet):
        """What `Transport` does with a packet from the right address."""
        if packet[4:5] != b"\x06":
            self.bmc.receive_outside_session()
            return
        setup = len(packet) >= 24 and packet[5] & 0x3F in (0x11, 0x13, 0x15)
        bmc = self.ids.get(packet[20:24] if setup else packet[6:10])
        if bmc is None:
            self.ignored.append("unknown_session")
            return
        try:
            bmc.receive(packet)
        except BadPacket as bad:
            self.ignored.append(bad.reason)

    def run(self, seconds, until=lambda: False):
        """Let time pass; everything happens in the order of its time."""
        end = self.now() + seconds
        while not until():
            next_packet = min(self._arriving, key=lambda each: each[0], default=(inf,))
            due = min(next_packet[0], self.wake_time)
            if due > end:
                self.clock.advance(end - self.now())
                return
            self.clock.advance(max(0.0, due - self.now()))
            if next_packet[0] <= self.wake_time:
                self._arriving.remove(next_packet)
                next_packet[1](next_packet[2])
            else:
                self.wake_time = inf
                self.bmc.wake(self.now())

    # What a user does.

    def ask(self, command, timeout=5.0):
        results = []
        self.bmc.request(command, self.now() + timeout, results.append)
        self.run(timeout + 1.0, until=lambda: results)
        assert len(results) == 1, "no result in time"
        return results[0]

    def close(self):
        closed = []
        self.bmc.close(lambda: closed.append(self.now()))
        started = self.now()
        self.run(5.0, until=lambda: closed)
        assert closed
        assert closed[0] - started <= 1.0
        self.run(0.5)

    # What is left.

    @property
    def at_rest(self):
        """No session, no timer, no request: nothing left."""
        return not self.ids and self.wake_time == inf and not self.bmc._requests

    @property
    def sessions(self):
        return self.device.counters.sessions_open

    @property
    def node(self):
        return self.world.node("node")
