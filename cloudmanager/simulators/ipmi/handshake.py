"""Establishing an RMCP+ session: Open Session and RAKP 1 to 4 (§13.17 to §13.24, §13.28 to §13.32)."""

from __future__ import annotations

import enum
import hmac
import os
import struct
from typing import TYPE_CHECKING

from cloudmanager.simulators.ipmi.packets import (
    PAYLOAD_OPEN_SESSION,
    PAYLOAD_RAKP_1,
    PAYLOAD_RAKP_3,
    Payload,
    encode_plus,
)
from cloudmanager.simulators.ipmi.session import SUITES, Peer, Session, SessionTable, Suite

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.world import Account, Device

USER = 2  # §6.8: privilege levels
ADMINISTRATOR = 4
LONGEST_NAME = 16

_OPEN_LENGTH = 32
_ALGORITHM = struct.Struct("<BxxBBxxx")  # type, length 8, algorithm (§13.17)
_ALGORITHM_LENGTH = 8
_RAKP_1 = struct.Struct("<BxxxI16sBxxB")
_RAKP_3 = struct.Struct("<BBxxI")
_ROLE_MASK = 0x0F


class Status(enum.IntEnum):
    """RMCP+ and RAKP status codes (§13.24)."""

    OK = 0x00
    NO_RESOURCES = 0x01
    INVALID_SESSION = 0x02
    INVALID_ROLE = 0x09
    UNAUTHORIZED_ROLE = 0x0A
    INVALID_NAME_LENGTH = 0x0C
    UNAUTHORIZED_NAME = 0x0D
    INVALID_CODE = 0x0F
    NO_MATCHING_SUITE = 0x11
    ILLEGAL_PARAMETER = 0x12


class Handshake:
    """The part of a BMC that lets clients in. Every step can be repeated: packets get lost."""

    __slots__ = ("_device", "_guid", "_sessions", "_steps")

    def __init__(self, device: Device, guid: bytes, sessions: SessionTable) -> None:
        self._device = device
        self._guid = guid
        self._sessions = sessions
        self._steps: dict[int, Callable[[bytes, Peer, float], bytes | None]] = {
            PAYLOAD_OPEN_SESSION: self._open_session,
            PAYLOAD_RAKP_1: self._rakp_1,
            PAYLOAD_RAKP_3: self._rakp_3,
        }

    def answer(self, payload: Payload, peer: Peer, now: float) -> bytes | None:
        """Answer a packet of the handshake; None for anything else."""
        step = self._steps.get(payload.kind)
        body = step(payload.body, peer, now) if step else None
        # The answer to each of these payloads has the next number: 11h, 13h, 15h.
        return None if body is None else encode_plus(payload.kind + 1, body)

    def _open_session(self, body: bytes, peer: Peer, now: float) -> bytes | None:
        """§13.17, §13.18. With an error only the first eight bytes are answered."""
        if len(body) < _OPEN_LENGTH:
            return None
        tag, role, console_id = struct.unpack_from("<BBxxI", body)
        suite = _proposed(body)
        if role & _ROLE_MASK > ADMINISTRATOR:
            return struct.pack("<BBxxI", tag, Status.INVALID_ROLE, console_id)
        if suite is None:
            return struct.pack("<BBxxI", tag, Status.NO_MATCHING_SUITE, console_id)
        limit = self._device.faults.session_limit
        session = self._sessions.create(suite, peer, console_id, now=now, limit=limit)
        if session is None:
            return struct.pack("<BBxxI", tag, Status.NO_RESOURCES, console_id)
        session.allowed = role & _ROLE_MASK or ADMINISTRATOR
        head = struct.pack("<BBBxII", tag, Status.OK, session.allowed, console_id, session.bmc_id)
        return head + _algorithms(suite)

    def _rakp_1(self, body: bytes, _peer: Peer, now: float) -> bytes | None:
        """§13.20, §13.21: who is it, and our code over both sides' numbers."""
        if len(body) < _RAKP_1.size:
            return None
        tag, bmc_id, console_random, role, length = _RAKP_1.unpack_from(body)
        session = self._sessions.find(bmc_id, now)
        if session is None or session.active:
            return struct.pack("<BBxxI", tag, Status.INVALID_SESSION, 0)
        name = body[_RAKP_1.size : _RAKP_1.size + length]
        status, account = self._identify(role & _ROLE_MASK, name, length)
        if account is None:
            self._sessions.close(session)
            return struct.pack("<BBxxI", tag, status, session.console_id)
        session.console_random = console_random
        session.requested_role = role
        session.name = name
        session.secret = self._secret(account)
        session.allowed = min(session.allowed, role & _ROLE_MASK or account.privilege, account.privilege)
        ids = struct.pack("<II", session.console_id, session.bmc_id)
        code = session.code(
            session.secret, ids + console_random + session.bmc_random + self._guid + session.identity
        )
        head = struct.pack("<BBxxI", tag, Status.OK, session.console_id)
        return head + session.bmc_random + self._guid + code

    def _rakp_3(self, body: bytes, _peer: Peer, now: float) -> bytes | None:
        """§13.22, §13.23: the client proves that it knows the password; then the session is active.

        A client that did not like RAKP 2 says so in the status; the session is given up without an answer.
        """
        if len(body) < _RAKP_3.size:
            return None
        tag, status, bmc_id = _RAKP_3.unpack_from(body)
        session = self._sessions.find(bmc_id, now)
        if session is None or not session.console_random:
            return struct.pack("<BBxxI", tag, Status.INVALID_SESSION, 0)
        if status != Status.OK:
            if not session.active:
                self._sessions.close(session)
            return None
        console_id = struct.pack("<I", session.console_id)
        expected = session.code(session.secret, session.bmc_random + console_id + session.identity)
        if not hmac.compare_digest(expected, body[_RAKP_3.size :]):
            if not session.active:
                self._sessions.close(session)
            return struct.pack("<BBxxI", tag, Status.INVALID_CODE, session.console_id)
        if not session.active:
            session.activate(privilege=min(USER, session.allowed))
            self._sessions.opened += 1
        return struct.pack("<BBxxI", tag, Status.OK, session.console_id) + self._confirmation(session)

    def _confirmation(self, session: Session) -> bytes:
        """§13.23: the code that proves to the client that we have the session key."""
        data = session.console_random + struct.pack("<I", session.bmc_id) + self._guid
        return session.code(session.session_key(), data)[: session.suite.code_length]

    def _identify(self, role: int, name: bytes, length: int) -> tuple[Status, Account | None]:
        if role > ADMINISTRATOR:
            return Status.INVALID_ROLE, None
        if length > LONGEST_NAME or len(name) != length:
            return Status.INVALID_NAME_LENGTH, None
        for account in self._device.accounts.values():
            if account.enabled and account.name.encode() == name:
                if role > account.privilege:
                    return Status.UNAUTHORIZED_ROLE, None
                return Status.OK, account
        return Status.UNAUTHORIZED_NAME, None

    def _secret(self, account: Account) -> bytes:
        """The password as key; another one if the device rejects all credentials."""
        if self._device.faults.reject_credentials:
            return os.urandom(20)
        return account.password.encode(errors="surrogateescape")


def _proposed(body: bytes) -> Suite | None:
    """Find the suite with the three algorithms that an open request names (§13.17)."""
    chosen = []
    for kind in range(3):
        found, length, algorithm = _ALGORITHM.unpack_from(body, 8 + kind * _ALGORITHM_LENGTH)
        if found != kind or length != _ALGORITHM_LENGTH:  # length 0 leaves the choice to us: not offered
            return None
        chosen.append(algorithm & 0x3F)
    for suite in SUITES:
        if [suite.authentication, suite.integrity, suite.confidentiality] == chosen:
            return suite
    return None


def _algorithms(suite: Suite) -> bytes:
    numbers = (suite.authentication, suite.integrity, suite.confidentiality)
    return b"".join(_ALGORITHM.pack(kind, _ALGORITHM_LENGTH, number) for kind, number in enumerate(numbers))
