"""Messages of SNMP v1 (RFC 1157) with one object each, in the Basic Encoding Rules (ITU-T X.690).

Only what a client of integers needs: requests are written, responses are read.
"""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

_INTEGER, _OCTET_STRING, _NULL, _OBJECT_ID, _SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
_RESPONSE = 0xA2  # RFC 1157 §4.1.4
_VERSION_1 = 0  # RFC 1157 §4
_LONG_FORM = 0x80  # X.690 §8.1.3.5
_LARGEST_INTEGER = 4  # octets: RFC 1155 §3.2.3 has INTEGER in 32 bits, as Counter and TimeTicks


class Kind(enum.IntEnum):
    """The requests, by the tags of their PDUs (RFC 1157 §4.1.2, §4.1.5)."""

    GET = 0xA0
    SET = 0xA3


class Unsound(ValueError):
    """Not one whole response of SNMP v1 about one object."""


class Request(NamedTuple):
    """A question about an object, or an order to set it to `value`."""

    kind: Kind
    community: bytes
    request_id: int
    oid: bytes
    """As `object_id` encodes it."""
    value: int | None = None

    def __repr__(self) -> str:
        return f"<{self.kind.name} {self.request_id}>"  # the community is a secret

    def encode(self) -> bytes:
        """The packet to send."""
        value = _tlv(_NULL, b"") if self.value is None else _integer(self.value)
        binding = _tlv(_SEQUENCE, _tlv(_OBJECT_ID, self.oid) + value)
        head = _integer(self.request_id) + _integer(0) + _integer(0)
        pdu = _tlv(self.kind, head + _tlv(_SEQUENCE, binding))
        return _tlv(_SEQUENCE, _integer(_VERSION_1) + _tlv(_OCTET_STRING, self.community) + pdu)


class Response(NamedTuple):
    """What came back; `value` is None unless it is an integer."""

    request_id: int
    error_status: int
    oid: bytes
    value: int | None


def decode(packet: bytes) -> Response:
    """Read a packet; `Unsound` if it is anything but a response about one object."""
    message = _Content(_Content(packet).last(_SEQUENCE))
    if message.integer() != _VERSION_1:
        raise Unsound("another version")
    message.take(_OCTET_STRING)
    pdu = _Content(message.last(_RESPONSE))
    request_id, error_status = pdu.integer(), pdu.integer()
    pdu.integer()  # error-index: there is one object
    binding = _Content(_Content(pdu.last(_SEQUENCE)).last(_SEQUENCE))
    oid = binding.take(_OBJECT_ID)
    tag, content = binding.any()
    binding.end()
    return Response(request_id, error_status, oid, _number(content) if tag == _INTEGER else None)


def object_id(dotted: str) -> bytes:
    """Encode an object identifier: base 128, its first two arcs in one (X.690 §8.19)."""
    first, second, *others = (int(arc) for arc in dotted.split("."))
    return b"".join(_base_128(arc) for arc in (40 * first + second, *others))


class _Content:
    """Takes one element after the other from encoded content."""

    def __init__(self, data: bytes) -> None:
        self._data: Final = data
        self._at = 0

    def any(self) -> tuple[int, bytes]:
        tag, size = self._octets(2)
        if size & _LONG_FORM:
            count = size & ~_LONG_FORM
            if not 1 <= count <= 2:  # noqa: PLR2004 - no datagram is longer; 0 is the indefinite form
                raise Unsound("length")
            size = int.from_bytes(self._octets(count), "big")
        return tag, self._octets(size)

    def take(self, tag: int) -> bytes:
        found, content = self.any()
        if found != tag:
            raise Unsound(f"tag {found:#04x} instead of {tag:#04x}")
        return content

    def last(self, tag: int) -> bytes:
        content = self.take(tag)
        self.end()
        return content

    def end(self) -> None:
        if self._at != len(self._data):
            raise Unsound("something behind the end")

    def integer(self) -> int:
        return _number(self.take(_INTEGER))

    def _octets(self, count: int) -> bytes:
        if len(self._data) - self._at < count:
            raise Unsound("cut short")
        self._at += count
        return self._data[self._at - count : self._at]


def _number(content: bytes) -> int:
    if not 1 <= len(content) <= _LARGEST_INTEGER:
        raise Unsound("an integer of another size")
    return int.from_bytes(content, "big", signed=True)


def _integer(number: int) -> bytes:
    """X.690 §8.3: two's complement in as few octets as hold it."""
    size = max(number, ~number).bit_length() // 8 + 1
    return _tlv(_INTEGER, number.to_bytes(size, "big", signed=True))


def _base_128(number: int) -> bytes:
    octets = [number & 0x7F]
    while number := number >> 7:
        octets.append(number & 0x7F | 0x80)
    return bytes(reversed(octets))


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < _LONG_FORM:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, _LONG_FORM | len(octets)]) + octets + content
