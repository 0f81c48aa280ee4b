"""The exchanges that open an RMCP+ session (§13.15): Open Session, RAKP 1 to 4. Knows no time, no socket."""

from __future__ import annotations

import enum
import hmac
import itertools
import secrets
from dataclasses import dataclass, field, replace
from typing import Final

from . import packets
from .ciphers import SUITES, KeyExchange, SessionKeys, Suite
from .commands import ADMINISTRATOR, OPERATOR
from .packets import BadPacket, Payload
from .session import Session

_LEVELS: Final = {OPERATOR: "Operator", ADMINISTRATOR: "Administrator"}

MAX_NAME: Final = 16
MAX_PASSWORD: Final = 20

_NAME_ONLY_LOOKUP: Final = 0x10
_RANDOM_SIZE: Final = 16
_BAD_INTEGRITY: Final = 0x0F


class Why(enum.Enum):
    """What a refused log-on calls for."""

    AGAIN = enum.auto()  # the BMC lost track of this attempt: begin anew
    LATER = enum.auto()  # no free session now
    OTHER_SUITE = enum.auto()
    CREDENTIALS = enum.auto()
    REFUSED = enum.auto()


STATUS: Final[dict[int, tuple[Why, str]]] = {
    0x01: (Why.LATER, "has no free session"),
    0x02: (Why.AGAIN, "does not know the session id"),
    0x03: (Why.REFUSED, "does not know the payload type"),
    0x04: (Why.OTHER_SUITE, "does not have the authentication algorithm"),
    0x05: (Why.OTHER_SUITE, "does not have the integrity algorithm"),
    0x06: (Why.OTHER_SUITE, "has no matching authentication payload"),
    0x07: (Why.OTHER_SUITE, "has no matching integrity payload"),
    0x08: (Why.AGAIN, "says that the session is not active"),
    0x09: (Why.REFUSED, "refused the role"),
    0x0A: (Why.REFUSED, "refused the privilege level; the account needs {level}"),
    0x0B: (Why.LATER, "has no free session at this privilege level"),
    0x0C: (Why.REFUSED, "refused the length of the login name"),
    0x0D: (Why.CREDENTIALS, "refused the credentials: unknown login, or its privilege is below {level}"),
    0x0E: (Why.REFUSED, "refused the GUID"),
    0x0F: (Why.CREDENTIALS, "refused the credentials: wrong password"),
    0x10: (Why.OTHER_SUITE, "does not have the confidentiality algorithm"),
    0x11: (Why.OTHER_SUITE, "has no cipher suite with these algorithms"),
    0x12: (Why.OTHER_SUITE, "refused a parameter of the log-on"),
}
"""RMCP+ and RAKP status codes (table 13-15): what to do, and words that follow the name of the device."""

_numbers = itertools.count(1)


class LogOnRefused(Exception):
    """The BMC ended this attempt, or proved that it does not know the password."""

    def __init__(self, why: Why, words: str) -> None:
        super().__init__(words)
        self.why = why
        self.words = words


@dataclass(frozen=True)
class Account:
    """Who logs on: octets as they go into the packets, and for which privilege level (§6.8).

    Operator is enough for chassis control and boot options, and no more.
    """

    name: bytes
    password: bytes = field(repr=False)
    privilege: int = OPERATOR
    number: int = 0

    def apart(self, privilege: int) -> Account:
        """The same, but equal to no other: it shares no session."""
        return replace(self, privilege=privilege, number=next(_numbers))


class LogOn:
    """One attempt. `packet` is what to send, and repeat; `receive` moves on, at last returns the session."""

    def __init__(self, account: Account, suite: Suite, allowed: tuple[Suite, ...], console_id: bytes) -> None:
        self._account = account
        self._allowed = allowed
        drawn = secrets.token_bytes(1 + _RANDOM_SIZE)
        self._tag, self._random = drawn[0], drawn[1:]
        self._expects = Payload.OPEN_ANSWER
        self._bmc_id = b""
        self._role = _NAME_ONLY_LOOKUP | account.privilege
        self._suite = suite
        self._exchange: KeyExchange | None = None
        self._sik = b""
        self._distrusted = False
        self.console_id = console_id
        self.doubtful = False
        """Whether a packet was repeated. Some BMCs draw new numbers then, while we hold the old ones: what
        looks like a wrong password may be none."""
        self.packet = packets.encode_open_request(self._tag, account.privilege, console_id, suite.algorithms)

    @property
    def opening(self) -> bool:
        """Whether the BMC has not answered anything yet."""
        return self._expects is Payload.OPEN_ANSWER

    def receive(self, kind: int, packet: bytes) -> Session | None:
        """Take the BMC's next answer. Raises `BadPacket` (ignore it) or `LogOnRefused`."""
        answer = packets.decode_setup_answer(packet)
        if kind != self._expects or answer.tag != self._tag or answer.console_id != self.console_id:
            self.doubtful = True
            raise BadPacket("stale")
        if answer.status:
            raise self._refusal(answer.status)
        if kind == Payload.RAKP4:
            return self._confirmed(answer.rest)
        if kind == Payload.OPEN_ANSWER:
            self._opened(answer.rest)
        else:
            self._challenged(answer.rest)
        return None

    def farewell(self) -> bytes | None:
        """A packet that frees what the BMC may hold for this unfinished attempt, if there is one.

        None before RAKP 2: a BMC frees half-open sessions by itself, and some die of an unexpected RAKP 3.
        """
        if self._distrusted:
            return packets.encode_rakp3(self._tag, _BAD_INTEGRITY, self._bmc_id, b"")
        return close_packet(self._session()) if self._sik else None

    def _opened(self, rest: bytes) -> None:
        bmc_id, algorithms = packets.decode_open_answer(rest)
        suite = SUITES.get(algorithms)
        if suite not in self._allowed:
            raise LogOnRefused(Why.REFUSED, "insists on a cipher suite that is not allowed here")
        self._suite, self._bmc_id = suite, bmc_id
        self._ask(Payload.RAKP2)
        self.packet = packets.encode_rakp1(self._tag, bmc_id, self._random, self._role, self._account.name)

    def _challenged(self, rest: bytes) -> None:
        bmc_random, guid, code = packets.decode_rakp2(rest)
        exchange = KeyExchange(
            self._suite,
            self._account.password,
            self._account.name,
            self._role,
            self.console_id,
            self._bmc_id,
            self._random,
            bmc_random,
            guid,
        )
        if not hmac.compare_digest(code, exchange.rakp2_code()):
            self._distrusted = True
            raise self._refusal(_BAD_INTEGRITY)
        self._exchange, self._sik = exchange, exchange.session_integrity_key()
        self._ask(Payload.RAKP4)
        self.packet = packets.encode_rakp3(self._tag, 0, self._bmc_id, exchange.rakp3_code())

    def _confirmed(self, rest: bytes) -> Session:
        if self._exchange is None or not hmac.compare_digest(rest, self._exchange.rakp4_code(self._sik)):
            why = Why.AGAIN if self.doubtful else Why.REFUSED
            raise LogOnRefused(why, "knows the password but has another session key: clear its BMC key (Kg)")
        return self._session()

    def _session(self) -> Session:
        return Session(self.console_id, self._bmc_id, SessionKeys(self._suite, self._sik))

    def _ask(self, expects: Payload) -> None:
        self._expects = expects
        self._tag = (self._tag + 1) % 256

    def _refusal(self, status: int) -> LogOnRefused:
        why, words = STATUS.get(status, (Why.REFUSED, f"refused the log-on with status 0x{status:02X}"))
        if status == _BAD_INTEGRITY and self.doubtful:
            why = Why.AGAIN
        return LogOnRefused(why, words.format(level=_LEVELS[self._account.privilege]))


def close_packet(session: Session) -> bytes:
    """A sealed Close Session (§22.19), for when nobody waits for the answer."""
    return session.seal(session.next_request(0x06, 0x3C, session.bmc_id))
