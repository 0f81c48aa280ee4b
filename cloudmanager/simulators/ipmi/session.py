"""RMCP+ sessions: keys, protection of packets, replay window and the answers kept for retries."""

from __future__ import annotations

import hmac
import os
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from cloudmanager.simulators.ipmi.packets import (
    FORMAT_RMCP_PLUS,
    HEADER,
    PAYLOAD_PROTECTED,
    RMCP_IPMI,
    Payload,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Peer = tuple[str, int]  # address and port of a client

BLOCK = 16
RECENT_ANSWERS = 8
RETRY_INTERVAL = 5.0  # seconds that a request's sequence number stays valid
_NEXT_HEADER = 0x07  # §13.6: the session trailer's fixed value
_WINDOW_AHEAD = 15  # §6.12.13
_WINDOW_BEHIND = 16
_SEQUENCES = 1 << 32


@dataclass(frozen=True, slots=True)
class Suite:
    """A cipher suite (§22.15.2): numbers of its three algorithms, its hash, lengths of its codes."""

    number: int
    authentication: int
    integrity: int
    confidentiality: int
    digest: str
    code_length: int  # of the integrity check value: HMAC-SHA1-96 or HMAC-SHA256-128


SUITES = (
    Suite(3, 0x01, 0x01, 0x01, "sha1", 12),
    Suite(17, 0x03, 0x04, 0x01, "sha256", 16),
)


class Session:
    """One session, from the open request on; it can carry commands once `activate` was called.

    The two identifiers are named as in §13.20: `console_id` is the client's, `bmc_id` is ours.
    """

    __slots__ = (
        "_answers",
        "_decryptor",
        "_encryptor",
        "_highest",
        "_integrity_key",
        "_sent",
        "_window",
        "active",
        "allowed",
        "bmc_id",
        "bmc_random",
        "console_id",
        "console_random",
        "last_used",
        "name",
        "peer",
        "privilege",
        "requested_role",
        "secret",
        "suite",
    )

    def __init__(self, suite: Suite, peer: Peer, console_id: int, bmc_id: int, now: float) -> None:
        self.suite = suite
        self.peer = peer
        self.console_id = console_id
        self.bmc_id = bmc_id
        self.last_used = now
        self.active = False
        self.console_random = b""
        self.bmc_random = os.urandom(16)
        self.requested_role = 0
        self.name = b""
        self.secret = b""  # the account's password, K[UID] in §13.31
        self.allowed = 0  # the highest privilege that this session may ask for
        self.privilege = 0
        self._highest = 0
        self._window = 0
        self._sent = 0
        self._answers: deque[tuple[bytes, bytes, float]] = deque(maxlen=RECENT_ANSWERS)

    def code(self, key: bytes, data: bytes) -> bytes:
        """HMAC with the suite's hash."""
        return hmac.digest(key, data, self.suite.digest)

    @property
    def identity(self) -> bytes:
        """Role, name length and name as RAKP 1 brought them: a part of all four codes (§13.31)."""
        return bytes((self.requested_role, len(self.name))) + self.name

    def session_key(self) -> bytes:
        """SIK (§13.31), with K[G] = K[UID] because no BMC key is set."""
        return self.code(self.secret, self.console_random + self.bmc_random + self.identity)

    def activate(self, privilege: int) -> None:
        """Derive K1 and K2 (§13.32) and accept packets from now on.

        The constants have 20 bytes with SHA-256 too, as ipmitool and FreeIPMI have them.
        """
        key = self.session_key()
        self._integrity_key = self.code(key, b"\x01" * 20)
        cipher = Cipher(algorithms.AES(self.code(key, b"\x02" * 20)[:BLOCK]), modes.CBC(bytes(BLOCK)))
        # Both contexts run on for the whole session, which is a tenth of the cost of new ones. CBC chains
        # from block to block, so an IV is the first block that passes (see `_encrypt` and `_decrypt`).
        self._encryptor = cipher.encryptor()
        self._decryptor = cipher.decryptor()
        self.privilege = privilege
        self.active = True

    # --- packets --------------------------------------------------------------------------------------------

    def open(self, packet: bytes, payload: Payload) -> bytes | None:
        """Take the message out of a protected packet; None if it is not authentic, not new or not sound.

        Checks in the order of §13.28: integrity over all bytes from the format to the next header, then the
        replay window, then decryption.
        """
        length = self.suite.code_length
        signed = packet[len(RMCP_IPMI) : -length]
        if payload.kind != PAYLOAD_PROTECTED or not self._trailer_is_sound(signed, payload):
            return None
        code = self.code(self._integrity_key, signed)[:length]
        if not hmac.compare_digest(code, packet[-length:]) or not self._is_new(payload.sequence):
            return None
        return self._decrypt(payload.body)

    def seal(self, message: bytes) -> bytes:
        """Encrypt and sign a message (§13.6, §13.28, §13.29)."""
        self._sent = self._sent % (_SEQUENCES - 1) + 1  # §6.12.9: zero is for packets outside a session
        body = self._encrypt(message)
        header = HEADER.pack(
            RMCP_IPMI, FORMAT_RMCP_PLUS, PAYLOAD_PROTECTED, self.console_id, self._sent, len(body)
        )
        # The signed part must be a multiple of four bytes; with whole AES blocks that always takes two more.
        packet = header + body + b"\xff\xff\x02\x07"
        code = self.code(self._integrity_key, packet[len(RMCP_IPMI) :])
        return packet + code[: self.suite.code_length]

    def answer_once(self, request: bytes, now: float, execute: Callable[[], bytes | None]) -> bytes | None:
        """Answer a repeated request from memory, so that a retry is not executed twice.

        A retry has the same rqSeq, command and data (§5.1 and IPMB v1.0 §2.11). Only the last few requests
        are kept, because rqSeq starts again after 64.
        """
        for known, kept, at in self._answers:
            if known == request and now - at < RETRY_INTERVAL:
                return kept
        answer = execute()
        if answer is not None:
            self._answers.append((request, answer, now))
        return answer

    @staticmethod
    def _trailer_is_sound(signed: bytes, payload: Payload) -> bool:
        """§13.6: pad bytes up to a multiple of four, their count, the next header."""
        start = HEADER.size - len(RMCP_IPMI) + len(payload.body)
        trailer = signed[start:]
        return (
            len(trailer) >= 2  # noqa: PLR2004 - pad length and next header
            and trailer[-1] == _NEXT_HEADER
            and trailer[-2] == len(trailer) - 2
            and len(signed) % 4 == 0
        )

    def _is_new(self, sequence: int) -> bool:
        """Accept each sequence number once, 15 ahead to 16 behind the highest one (§6.12.13)."""
        if sequence == 0:
            return False
        ahead = (sequence - self._highest) % _SEQUENCES
        if 0 < ahead <= _WINDOW_AHEAD:
            self._window = (self._window << ahead | 1) & ((1 << (_WINDOW_BEHIND + 1)) - 1)
            self._highest = sequence
            return True
        behind = (self._highest - sequence) % _SEQUENCES
        if behind > _WINDOW_BEHIND or self._window >> behind & 1:
            return False
        self._window |= 1 << behind
        return True

    def _encrypt(self, message: bytes) -> bytes:
        """AES-CBC-128 (§13.29): IV, then data padded with 1, 2, 3 … and the pad length.

        The IV is what comes out for a random block, so it is as unpredictable as the standard demands.
        """
        pad = -(len(message) + 1) % BLOCK
        return self._encryptor.update(os.urandom(BLOCK) + message + bytes(range(1, pad + 1)) + bytes((pad,)))

    def _decrypt(self, body: bytes) -> bytes | None:
        """Undo `_encrypt`; None if length or padding is wrong."""
        if len(body) < 2 * BLOCK or len(body) % BLOCK:
            return None
        plain = self._decryptor.update(body)[BLOCK:]
        pad = plain[-1]
        end = len(plain) - 1 - pad
        if pad >= BLOCK or end < 0 or plain[end:-1] != bytes(range(1, pad + 1)):
            return None
        return plain[:end]


class SessionTable:
    """The sessions of one BMC: a bounded table whose entries expire without traffic (§6.12.15)."""

    __slots__ = ("_by_id", "_handshake_timeout", "_timeout", "closed", "opened")

    def __init__(self, timeout: float, handshake_timeout: float) -> None:
        self._by_id: dict[int, Session] = {}
        self._timeout = timeout
        self._handshake_timeout = handshake_timeout
        self.opened = 0
        self.closed = 0

    def find(self, bmc_id: int, now: float) -> Session | None:
        """Find a session that has not expired."""
        session = self._by_id.get(bmc_id)
        if session is None:
            return None
        if self._is_expired(session, now):
            self.close(session)
            return None
        return session

    def create(self, suite: Suite, peer: Peer, console_id: int, *, now: float, limit: int) -> Session | None:
        """Take a free entry; None when all are in use.

        An open request that is repeated because its answer was lost gets the same entry again. The peer's
        address tells retries from others: ipmitool uses one console id (A0A2A3A4h) in every process.
        """
        self.expire(now)
        wanted = (peer, console_id, suite)
        for session in self._by_id.values():
            if not session.active and (session.peer, session.console_id, session.suite) == wanted:
                return session
        if len(self._by_id) >= limit:
            return None
        bmc_id = 0
        while bmc_id == 0 or bmc_id in self._by_id:
            bmc_id = int.from_bytes(os.urandom(4), "little")
        self._by_id[bmc_id] = session = Session(suite, peer, console_id, bmc_id, now)
        return session

    def close(self, session: Session) -> None:
        """Free the entry."""
        if self._by_id.pop(session.bmc_id, None) is not None and session.active:
            self.closed += 1

    def clear(self) -> None:
        """Free all entries."""
        for session in tuple(self._by_id.values()):
            self.close(session)

    def expire(self, now: float) -> None:
        """Free the entries that had no traffic for too long."""
        for session in [each for each in self._by_id.values() if self._is_expired(each, now)]:
            self.close(session)

    def active(self, now: float) -> int:
        """How many sessions are established."""
        self.expire(now)
        return sum(session.active for session in self._by_id.values())

    def _is_expired(self, session: Session, now: float) -> bool:
        limit = self._timeout if session.active else self._handshake_timeout
        return now - session.last_used > limit
