"""The octets of RMCP, RMCP+ and IPMI LAN messages: pure encoding and decoding.

Sections and tables are those of the IPMI v2.0 specification, revision 1.1. Every decoder either returns or
raises `BadPacket`; nothing else comes out, whatever the octets are.
"""

from __future__ import annotations

import enum
import functools
import struct
from typing import Final, NamedTuple

RMCP_HEADER: Final = b"\x06\x00\xff\x07"
"""§13.1.3: RMCP version 1.0, no RMCP acknowledge, class IPMI."""

RMCP_PLUS: Final = 0x06
"""Table 13-8: the authentication type that marks the RMCP+ format."""

ENCRYPTED: Final = 0x80
AUTHENTICATED: Final = 0x40
PAYLOAD_TYPE: Final = 0x3F

HEADER_SIZE: Final = 16
SETUP_ANSWER_SIZE: Final = 8
BMC_ADDRESS: Final = 0x20
CONSOLE_ADDRESS: Final = 0x81
MAX_PACKET: Final = 1024

_NO_SESSION: Final = bytes(4)
_OPEN_ANSWER_SIZE: Final = 36
_RAKP2_FIXED_SIZE: Final = 40
_SHORTEST_ANSWER: Final = 8
_REMEMBERED: Final = 1024
_PAD_TO: Final = 4
_NEXT_HEADER: Final = 0x07
_HEADER = struct.Struct("<4sBB4sIH")
_LENGTH = struct.Struct("<H")


class Payload(enum.IntEnum):
    """Payload types of table 13-16."""

    IPMI = 0x00
    OPEN_REQUEST = 0x10
    OPEN_ANSWER = 0x11
    RAKP1 = 0x12
    RAKP2 = 0x13
    RAKP3 = 0x14
    RAKP4 = 0x15


class BadPacket(Exception):
    """A packet that must be ignored; `reason` is one word for the counter."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Answer(NamedTuple):
    """An IPMI answer (§13.8): to which request, the completion code and the data after it."""

    netfn: int
    command: int
    rq_seq: int
    code: int
    data: bytes


class SetupAnswer(NamedTuple):
    """What Open Session Response, RAKP 2 and RAKP 4 have in common: tag, status, our session id, the rest."""

    tag: int
    status: int
    console_id: bytes
    rest: bytes


def checksum(octets: bytes) -> int:
    """Two's complement checksum of §13.8: octets and checksum add up to 0 modulo 256."""
    return -sum(octets) & 0xFF


def encode_request(netfn: int, command: int, rq_seq: int, data: bytes) -> bytes:
    """An IPMI request to the BMC itself (§13.8)."""
    head = bytes((BMC_ADDRESS, netfn << 2))
    body = bytes((CONSOLE_ADDRESS, rq_seq << 2, command)) + data
    return b"%b%c%b%c" % (head, checksum(head), body, checksum(body))


@functools.lru_cache(_REMEMBERED)
def encode_bare_request(netfn: int, command: int, rq_seq: int) -> bytes:
    """A request without data: a fleet is asked the same few again and again."""
    return encode_request(netfn, command, rq_seq, b"")


@functools.lru_cache(_REMEMBERED)
def decode_answer(message: bytes) -> Answer:
    """Take an IPMI answer apart and check both checksums. A fleet gives the same few again and again."""
    if len(message) < _SHORTEST_ANSWER:
        raise BadPacket("truncated")
    if sum(message[:3]) & 0xFF or sum(message[3:]) & 0xFF:
        raise BadPacket("checksum")
    return Answer(message[1] >> 2, message[5], message[4] >> 2, message[6], message[7:-1])


def encode_outside_session(kind: Payload, payload: bytes) -> bytes:
    """An RMCP+ packet of the session setup: neither authenticated nor encrypted (§13.6)."""
    return _HEADER.pack(RMCP_HEADER, RMCP_PLUS, kind, _NO_SESSION, 0, len(payload)) + payload


def encode_in_session(session_id: bytes, sequence: int, ciphertext: bytes) -> bytes:
    """An authenticated, encrypted IPMI packet (§13.6) up to its integrity code, which the caller adds."""
    flags = ENCRYPTED | AUTHENTICATED | Payload.IPMI
    header = _HEADER.pack(RMCP_HEADER, RMCP_PLUS, flags, session_id, sequence, len(ciphertext))
    # What the code covers begins after the RMCP header and is filled up to a multiple of four octets.
    pad = -(len(ciphertext) + HEADER_SIZE - len(RMCP_HEADER) + 2) % _PAD_TO
    return b"%b%b%b%c%c" % (header, ciphertext, b"\xff" * pad, pad, _NEXT_HEADER)


def split_in_session(packet: bytes, code_size: int) -> tuple[int, bytes, bytes, bytes]:
    """Split an authenticated packet: sequence number, what the code covers, the code, the ciphertext."""
    size = len(packet) - code_size
    if size < HEADER_SIZE + 2:
        raise BadPacket("truncated")
    if packet[5] != ENCRYPTED | AUTHENTICATED | Payload.IPMI:
        raise BadPacket("unprotected")
    _, _, _, _, sequence, length = _HEADER.unpack_from(packet)
    if HEADER_SIZE + length + packet[size - 2] + 2 != size:
        raise BadPacket("truncated")
    covered, code = packet[len(RMCP_HEADER) : size], packet[size:]
    return sequence, covered, code, packet[HEADER_SIZE : HEADER_SIZE + length]


def add_confidentiality_pad(message: bytes) -> bytes:
    """Fill a message up to whole AES blocks: 1, 2, 3 … and the number of them (table 13-20)."""
    return message + _PADS[-(len(message) + 1) % 16]


def strip_confidentiality_pad(padded: bytes) -> bytes:
    """Undo `add_confidentiality_pad` and check every octet of the pad."""
    count = padded[-1] if padded else len(_PADS)
    if count >= len(_PADS) or not padded.endswith(_PADS[count]):
        raise BadPacket("padding")
    return padded[: -count - 1]


_PADS: Final = tuple(bytes((*range(1, count + 1), count)) for count in range(16))


def encode_open_request(
    tag: int, privilege: int, console_id: bytes, algorithms: tuple[int, int, int]
) -> bytes:
    """RMCP+ Open Session Request (table 13-9) with one authentication, integrity and encryption algorithm."""
    proposals = b"".join(bytes((kind, 0, 0, 8, number, 0, 0, 0)) for kind, number in enumerate(algorithms))
    return encode_outside_session(
        Payload.OPEN_REQUEST, bytes((tag, privilege, 0, 0)) + console_id + proposals
    )


def encode_rakp1(tag: int, bmc_id: bytes, console_random: bytes, role: int, name: bytes) -> bytes:
    """RAKP Message 1 (table 13-11)."""
    payload = bytes((tag, 0, 0, 0)) + bmc_id + console_random + bytes((role, 0, 0, len(name))) + name
    return encode_outside_session(Payload.RAKP1, payload)


def encode_rakp3(tag: int, status: int, bmc_id: bytes, code: bytes) -> bytes:
    """RAKP Message 3 (table 13-13). A status other than 0 ends the half-open session and has no code."""
    return encode_outside_session(Payload.RAKP3, bytes((tag, status, 0, 0)) + bmc_id + code)


def encode_auth_capabilities_request(privilege: int) -> bytes:
    """Get Channel Authentication Capabilities (§22.13) of "this channel", in the IPMI 1.5 format."""
    message = encode_request(0x06, 0x38, 0, bytes((0x8E, privilege)))
    return RMCP_HEADER + bytes(9) + bytes((len(message),)) + message


def decode_setup_answer(packet: bytes) -> SetupAnswer:
    """The common head of Open Session Response, RAKP 2 and RAKP 4 (tables 13-10, 13-12, 13-14)."""
    if len(packet) < HEADER_SIZE + SETUP_ANSWER_SIZE:
        raise BadPacket("truncated")
    (length,) = _LENGTH.unpack_from(packet, HEADER_SIZE - _LENGTH.size)
    if not SETUP_ANSWER_SIZE <= length <= len(packet) - HEADER_SIZE:
        raise BadPacket("truncated")
    payload = packet[HEADER_SIZE : HEADER_SIZE + length]
    return SetupAnswer(payload[0], payload[1], payload[4:8], payload[8:])


def decode_open_answer(rest: bytes) -> tuple[bytes, tuple[int, int, int]]:
    """The BMC's session id and the three algorithms it chose (table 13-10, from the ninth octet on)."""
    if len(rest) < _OPEN_ANSWER_SIZE - SETUP_ANSWER_SIZE:
        raise BadPacket("truncated")
    return rest[:4], (rest[8] & PAYLOAD_TYPE, rest[16] & PAYLOAD_TYPE, rest[24] & PAYLOAD_TYPE)


def decode_rakp2(rest: bytes) -> tuple[bytes, bytes, bytes]:
    """The BMC's random number, its GUID and its key exchange code (table 13-12, from the ninth octet on)."""
    if len(rest) < _RAKP2_FIXED_SIZE - SETUP_ANSWER_SIZE:
        raise BadPacket("truncated")
    return rest[:16], rest[16:32], rest[32:]
