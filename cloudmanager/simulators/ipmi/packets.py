"""RMCP packets and IPMI messages as bytes. Section numbers are those of IPMI v2.0 revision 1.1.

Whatever arrives from the network may be nonsense: decoders answer None for it and never raise.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

RMCP_IPMI = b"\x06\x00\xff\x07"  # §13.1.3: version 1.0, no acknowledge, class IPMI
_RMCP_VERSION = 0x06
_CLASS_ASF = 0x06
_CLASS_IPMI = 0x07

FORMAT_RMCP_PLUS = 0x06  # §13.6: authentication type / format
FORMAT_NO_AUTHENTICATION = 0x00

PAYLOAD_MESSAGE = 0x00  # §13.27.3: payload types
PAYLOAD_OPEN_SESSION = 0x10
PAYLOAD_RAKP_1 = 0x12
PAYLOAD_RAKP_3 = 0x14
PAYLOAD_PROTECTED = 0xC0  # encrypted and authenticated

_BMC_ADDRESS = 0x20  # §5.5: slave address of the BMC
_SMALLEST_MESSAGE = 7
_RESPONSE_BIT = 0x01  # §5.1: odd network functions are responses

_ASF_IANA = b"\x00\x00\x11\xbe"
_ASF_PING = 0x80
_ASF_PING_LENGTH = 12

HEADER = struct.Struct("<4sBBIIH")  # RMCP, format, payload type, session, sequence, payload length
_OLD_HEADER = struct.Struct("<4sBIIB")  # RMCP, authentication type, sequence, session, length


class Payload(NamedTuple):
    """An RMCP+ packet taken apart; `body` may be encrypted."""

    kind: int
    session_id: int
    sequence: int
    body: bytes


class Message(NamedTuple):
    """An IPMI request (§13.8): to which function, which command, and what the answer must repeat."""

    net_fn: int
    command: int
    data: bytes
    responder: int
    requester: int
    sequence: int
    lun: int


def checksum(data: bytes) -> int:
    """Two's complement: data and checksum add up to zero (§13.8)."""
    return -sum(data) & 0xFF


def is_ipmi(packet: bytes) -> bool:
    """Whether the RMCP header announces IPMI."""
    return len(packet) > len(RMCP_IPMI) and packet[0] == _RMCP_VERSION and packet[3] == _CLASS_IPMI


def answer_ping(packet: bytes) -> bytes | None:
    """Answer an ASF presence ping with a pong that names IPMI (§13.2.3, §13.2.4); None if it is no ping."""
    is_ping = (
        len(packet) >= _ASF_PING_LENGTH
        and packet[0] == _RMCP_VERSION
        and packet[3] == _CLASS_ASF
        and packet[4:8] == _ASF_IANA
        and packet[8] == _ASF_PING
    )
    if not is_ping:
        return None
    entities = b"\x81"  # IPMI supported, ASF version 1.0
    data = _ASF_IANA + bytes(4) + entities + bytes(7)
    return b"\x06\x00\xff\x06" + _ASF_IANA + b"\x40" + packet[9:10] + b"\x00" + bytes((len(data),)) + data


def decode_old(packet: bytes) -> bytes | None:
    """Take the message out of an IPMI v1.5 packet outside a session (§13.6); None if it is something else."""
    if len(packet) < _OLD_HEADER.size:
        return None
    _, kind, _, session_id, length = _OLD_HEADER.unpack_from(packet)
    body = packet[_OLD_HEADER.size : _OLD_HEADER.size + length]
    if kind != FORMAT_NO_AUTHENTICATION or session_id != 0 or len(body) != length:
        return None
    return body


def encode_old(body: bytes) -> bytes:
    """Wrap an answer outside a session as IPMI v1.5 does (§13.6)."""
    return _OLD_HEADER.pack(RMCP_IPMI, FORMAT_NO_AUTHENTICATION, 0, 0, len(body)) + body


def decode_plus(packet: bytes) -> Payload | None:
    """Take an RMCP+ packet apart (§13.6); None if it is cut short or something else."""
    if len(packet) < HEADER.size:
        return None
    _, kind, payload_type, session_id, sequence, length = HEADER.unpack_from(packet)
    body = packet[HEADER.size : HEADER.size + length]
    if kind != FORMAT_RMCP_PLUS or len(body) != length:
        return None
    return Payload(payload_type, session_id, sequence, body)


def encode_plus(payload_type: int, body: bytes) -> bytes:
    """Wrap an answer outside a session in RMCP+ (§13.6)."""
    return HEADER.pack(RMCP_IPMI, FORMAT_RMCP_PLUS, payload_type, 0, 0, len(body)) + body


def decode_message(body: bytes) -> Message | None:
    """Read a request to the BMC (§13.8); None for a bad checksum, another address or a response."""
    if len(body) < _SMALLEST_MESSAGE or sum(body[:3]) & 0xFF or sum(body[3:]) & 0xFF:
        return None
    responder, function, _, requester, sequence, command = body[:6]
    if responder != _BMC_ADDRESS or (function >> 2) & _RESPONSE_BIT:
        return None
    return Message(function >> 2, command, body[6:-1], responder, requester, sequence, function & 0x03)


def encode_answer(request: Message, code: int, data: bytes = b"") -> bytes:
    """Write the answer to a request: completion code first, addresses and LUNs swapped (§13.8)."""
    head = bytes((request.requester, (request.net_fn | _RESPONSE_BIT) << 2 | (request.sequence & 0x03)))
    sequence = request.sequence & 0xFC | request.lun
    tail = bytes((request.responder, sequence, request.command, code)) + data
    return head + bytes((checksum(head),)) + tail + bytes((checksum(tail),))
