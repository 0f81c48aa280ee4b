"""Messages of SNMP v1 (RFC 1157) in the Basic Encoding Rules (ITU-T X.690)."""

from __future__ import annotations

from typing import NamedTuple

INTEGER, OCTET_STRING, NULL, OBJECT_ID, SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
GET, GET_NEXT, RESPONSE, SET = 0xA0, 0xA1, 0xA2, 0xA3  # RFC 1157 §4.1.2 … §4.1.5
VERSION_1 = 0

Oid = tuple[int, ...]
Value = int | bytes | None


class Unsound(ValueError):
    """Not a message of SNMP v1: RFC 1157 §4.1 has it discarded."""


class Message(NamedTuple):
    """A request or a response; `error_index` counts from 1 and names the binding that `error` is about."""

    community: bytes
    kind: int
    request_id: int
    error: int
    error_index: int
    bindings: list[tuple[Oid, Value]]


def decode(packet: bytes) -> Message:
    """Read a whole packet; `Unsound` if it is anything else than one message of version 1."""
    outer = _Reader(_Reader(packet).only(SEQUENCE))
    if outer.integer() != VERSION_1:
        raise Unsound("another version")
    community = outer.take(OCTET_STRING)
    kind, body = outer.any()
    if kind not in (GET, GET_NEXT, RESPONSE, SET) or outer.left:
        raise Unsound("another kind of PDU")
    pdu = _Reader(body)
    request_id, error, index = pdu.integer(), pdu.integer(), pdu.integer()
    rows = _Reader(pdu.only(SEQUENCE))
    bindings: list[tuple[Oid, Value]] = []
    while rows.left:
        row = _Reader(rows.take(SEQUENCE))
        name = _oid(row.take(OBJECT_ID))
        bindings.append((name, row.value()))
        if row.left:
            raise Unsound("more than a name and a value")
    return Message(community, kind, request_id, error, index, bindings)


def encode(message: Message) -> bytes:
    """Write a message."""
    rows = b"".join(
        _tlv(SEQUENCE, _tlv(OBJECT_ID, _oid_content(name)) + _value(value))
        for name, value in message.bindings
    )
    numbers = _integer(message.request_id) + _integer(message.error) + _integer(message.error_index)
    pdu = _tlv(message.kind, numbers + _tlv(SEQUENCE, rows))
    return _tlv(SEQUENCE, _integer(VERSION_1) + _tlv(OCTET_STRING, message.community) + pdu)


class _Reader:
    """Takes one element after the other from encoded content."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def any(self) -> tuple[int, bytes]:
        tag, size = self._octets(1)[0], self._octets(1)[0]
        if size & 0x80:  # X.690 §8.1.3.5: the long form; §8.1.3.6 the indefinite one is not for SNMP
            if not 1 <= size & 0x7F <= 4:  # noqa: PLR2004 - no packet is longer
                raise Unsound("length")
            size = int.from_bytes(self._octets(size & 0x7F), "big")
        return tag, self._octets(size)

    def take(self, tag: int) -> bytes:
        found, content = self.any()
        if found != tag:
            raise Unsound(f"tag {found:#04x} instead of {tag:#04x}")
        return content

    def only(self, tag: int) -> bytes:
        content = self.take(tag)
        if self.left:
            raise Unsound("something behind the end")
        return content

    def integer(self) -> int:
        return _number(self.take(INTEGER))

    def value(self) -> Value:
        tag, content = self.any()
        if tag == INTEGER:
            return _number(content)
        return content if tag != NULL else None

    def _octets(self, count: int) -> bytes:
        if self.left < count:
            raise Unsound("cut short")
        self._at += count
        return self._data[self._at - count : self._at]


def _number(content: bytes) -> int:
    if not 1 <= len(content) <= 4:  # noqa: PLR2004 - RFC 1155: 32 bits
        raise Unsound("an integer of another size")
    return int.from_bytes(content, "big", signed=True)


def _oid(content: bytes) -> Oid:
    """X.690 §8.19: base 128; the first subidentifier holds the first two arcs."""
    if not content or content[-1] & 0x80:
        raise Unsound("object identifier")
    arcs, arc = [], 0
    for octet in content:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return (first, arcs[0] - 40 * first, *arcs[1:])


def _oid_content(oid: Oid) -> bytes:
    return b"".join(_base_128(arc) for arc in (40 * oid[0] + oid[1], *oid[2:]))


def _base_128(number: int) -> bytes:
    octets = [number & 0x7F]
    while number := number >> 7:
        octets.insert(0, number & 0x7F | 0x80)
    return bytes(octets)


def _value(value: Value) -> bytes:
    if value is None:
        return _tlv(NULL, b"")
    return _integer(value) if isinstance(value, int) else _tlv(OCTET_STRING, value)


def _integer(number: int) -> bytes:
    size = max(number, ~number).bit_length() // 8 + 1
    return _tlv(INTEGER, number.to_bytes(size, "big", signed=True))


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:  # noqa: PLR2004 - X.690 §8.1.3.4: the short form
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content
