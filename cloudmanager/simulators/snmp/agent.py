"""Denkovi DAEnetIP2: a relay board that speaks SNMP v1 on a UDP socket."""

from __future__ import annotations

import bisect
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cloudmanager.simulators.datagrams import DatagramSocket
from cloudmanager.simulators.relays import RELAYS, ButtonBoard, RelayBoard
from cloudmanager.simulators.snmp import packets
from cloudmanager.simulators.snmp.packets import Message, Oid, Unsound
from cloudmanager.simulators.world import Refused

if TYPE_CHECKING:
    from cloudmanager.simulators.world import Account, World

LARGEST_PACKET = 2048
NO_SUCH_NAME, BAD_VALUE, READ_ONLY, GENERAL_ERROR = 2, 3, 4, 5  # RFC 1157 §4.1.2
ENTERPRISE: Final[Oid] = (1, 3, 6, 1, 4, 1, 19865)
P3: Final[Oid] = (*ENTERPRISE, 1, 2, 1)  # eight digital lines
P5: Final[Oid] = (*ENTERPRISE, 1, 2, 2)  # the relays
P6: Final[Oid] = (*ENTERPRISE, 1, 2, 3)  # eight analog inputs of ten bits
DESCRIPTION: Final[Oid] = (1, 3, 6, 1, 2, 1, 1, 1, 0)
WHOLE_PORT = 33
VOLTAGE, NO_VOLTAGE = 676, 9  # of 1023: 3.3 V at 5 V full scale, and the noise of an open line
_LINES = "P3 lines"  # key in the device's memory
_TREE: Final[list[Oid]] = sorted(
    [
        DESCRIPTION,
        *((*port, number, 0) for port in (P3, P5) for number in (*range(1, RELAYS + 1), WHOLE_PORT)),
        *((*P6, number, 0) for number in range(1, RELAYS + 1)),
    ]
)


class _Error(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(slots=True)
class Counters:
    """What the board saw; tests read it to know what really went over the wire."""

    packets_in: int = 0
    packets_out: int = 0
    unsound: int = 0
    wrong_communities: int = 0
    errors: int = 0
    kinds: Counter[int] = field(default_factory=Counter)  # by the tag of the PDU


class MainsBoard:
    """One board: decodes packets, asks the world, encodes answers. Its relays carry mains.

    An account of the device is a pair of communities: its name may read, its password may read and write.
    A wrong community gets no answer at all.
    """

    def __init__(self, world: World, device: str) -> None:
        self.counters = Counters()
        self._world = world
        self._device = world.device(device)
        self.relays = self._relays()
        self._socket = DatagramSocket(LARGEST_PACKET, self._receive)

    def _relays(self) -> RelayBoard:
        return RelayBoard(self._world, self._device.name)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen, and answer the real port; `OSError` if the wanted one is taken."""
        return self._socket.open(host, port)

    async def stop(self) -> None:
        """Fall silent."""
        self._socket.close()

    def report(self) -> dict[str, Any]:
        """The counters in values that JSON can hold; PDUs by their tag in hexadecimal."""
        kinds = {f"{kind:02x}": count for kind, count in self.counters.kinds.items()}
        return {**asdict(self.counters), "kinds": kinds}

    def answer(self, packet: bytes) -> bytes | None:
        """Answer one packet; None when the board stays silent."""
        try:
            request = packets.decode(packet)
        except Unsound:
            self.counters.unsound += 1
            return None
        account = self._account(request.community)
        if account is None or request.kind == packets.RESPONSE:
            self.counters.wrong_communities += account is None
            return None
        self.counters.kinds[request.kind] += 1
        if request.kind == packets.SET and request.community != account.password.encode():
            return packets.encode(self._failed(request, NO_SUCH_NAME, 1))
        return packets.encode(self._execute(request))

    def _account(self, community: bytes) -> Account | None:
        if self._device.faults.reject_credentials:
            return None
        for account in self._device.accounts.values():
            if account.enabled and community in (account.name.encode(), account.password.encode()):
                return account
        return None

    def _execute(self, request: Message) -> Message:
        if request.kind == packets.SET and len(request.bindings) != 1:
            return self._failed(request, GENERAL_ERROR, 0)  # the manuals: one object in a message
        bindings = list(request.bindings)
        for place, (name, value) in enumerate(request.bindings):
            try:
                if request.kind == packets.SET:
                    self._write(name, value)
                else:
                    found = self._next(name) if request.kind == packets.GET_NEXT else name
                    bindings[place] = (found, self._read(found))
            except _Error as problem:
                return self._failed(request, problem.status, place + 1)
        return request._replace(kind=packets.RESPONSE, error=0, error_index=0, bindings=bindings)

    def _failed(self, request: Message, status: int, place: int) -> Message:
        self.counters.errors += 1
        return request._replace(kind=packets.RESPONSE, error=status, error_index=place)

    def _next(self, name: Oid) -> Oid:
        """RFC 1157 §4.1.3: the first object that follows in lexicographical order."""
        place = bisect.bisect_right(_TREE, name)
        if place == len(_TREE):
            raise _Error(NO_SUCH_NAME)
        return _TREE[place]

    def _read(self, name: Oid) -> int | bytes:
        if name not in _TREE:
            raise _Error(NO_SUCH_NAME)
        if name == DESCRIPTION:
            return b"DAEnetIP2"
        port, number = name[:-2], name[-2]
        if port == P6:
            return VOLTAGE if self.relays.senses(number) else NO_VOLTAGE
        byte = self.relays.told if port == P5 else self._lines()
        return byte if number == WHOLE_PORT else byte >> number - 1 & 1

    def _write(self, name: Oid, value: int | bytes | None) -> None:
        if name not in _TREE:
            raise _Error(NO_SUCH_NAME)
        port, number = name[:-2], name[-2]
        if port not in (P3, P5):
            raise _Error(READ_ONLY)
        if not isinstance(value, int) or not 0 <= value <= (0xFF if number == WHOLE_PORT else 1):
            raise _Error(BAD_VALUE)
        if port == P3:
            self._write_lines(number, value)
            return
        try:
            if number == WHOLE_PORT:
                self.relays.switch_all(value)
            else:
                self.relays.switch(number, bool(value))
        except Refused as problem:
            raise _Error(problem.code) from None

    def _lines(self) -> int:
        return int(self._device.memory.get(_LINES, 0))

    def _write_lines(self, number: int, value: int) -> None:
        if number != WHOLE_PORT:
            bit = 1 << number - 1
            value = self._lines() & ~bit | bit * value
        self._world.remember(self._device.name, _LINES, value)

    def _receive(self, packet: bytes, peer: Any) -> None:
        self.counters.packets_in += 1
        wire, faults = self._world.wire, self._device.faults
        for _ in range(wire.copies_arriving(faults)):
            answer = self.answer(packet)
            if answer is not None:
                wire.send(faults, answer, lambda final: self._transmit(final, peer))

    def _transmit(self, packet: bytes, peer: Any) -> None:
        if self._socket.send(packet, peer):
            self.counters.packets_out += 1


class AcpiBoard(MainsBoard):
    """The same board with its relays across power buttons: P6 and P3 are the sense lines of the machines."""

    def _relays(self) -> RelayBoard:
        return ButtonBoard(self._world, self._device.name)

    def _lines(self) -> int:
        return sum(self.relays.senses(number) << number - 1 for number in range(1, RELAYS + 1))

    def _write_lines(self, number: int, value: int) -> None:  # noqa: ARG002 - the lines are inputs here
        raise _Error(READ_ONLY)
