"""The state machine of one BMC: at most one session, one command at a time, nothing left open.

It does no input or output: packets come in by `receive`, time by `wake`; packets, timers and results go out
through `Wire` and callbacks. A session is opened when a request needs it, kept for the next, opened again
when the BMC has forgotten it, and closed after `IDLE` seconds without requests.
"""

from __future__ import annotations

import random
from collections import deque
from math import inf
from typing import TYPE_CHECKING, Final

from cloudmanager.errors import CredentialsRefused, DeviceError, DeviceRefused, DeviceUnreachable

from . import packets
from .commands import OPERATOR, RAISE, Command, Repeat, Verdict, close_session, explain
from .logon import LogOn, LogOnRefused, Why, close_packet
from .packets import PAYLOAD_TYPE, BadPacket, Payload

if TYPE_CHECKING:
    from collections.abc import Callable

    from .ciphers import Suite
    from .logon import Account
    from .session import Session
    from .wire import Address, Wire

IDLE: Final = 20.0
"""Seconds without requests after which we log out: BMCs have few session slots, and drop idle sessions
themselves (OpenIPMI's after 30 s; §6.12.15 recommends 60 s)."""

FRESH: Final = 2.0
"""Seconds for which a session that answered is believed to be alive."""

_WAITS: Final = (0.25, 0.5, 1.0, 2.0)
"""Seconds to wait for the answer to the first, second … sending; the last one for all that follow."""

_PATIENT_WAITS: Final = (1.0, 2.0)
"""The same for commands that act: a BMC takes longer for them."""

_JITTER: Final = 0.2
_SENDINGS: Final = 3
"""Sendings without an answer after which a session, or an attempt to open one, counts as lost."""

_KNOCK: Final = 2
"""Which of the sendings that open a log-on is Get Channel Authentication Capabilities instead."""

_FAREWELLS: Final = 2
"""Sendings of Close Session: the BMC would end a session that nobody uses by itself."""

_PAUSE: Final = 0.5
"""Seconds before asking again a BMC that is busy or has no free session."""


class Request:
    """One command waiting for its result. `deadline` is a time of the wire's clock."""

    __slots__ = ("command", "deadline", "on_result", "privilege")

    def __init__(
        self, command: Command, deadline: float, on_result: Callable[[bytes | DeviceError], None]
    ) -> None:
        self.command = command
        self.deadline = deadline
        self.on_result = on_result
        self.privilege = command.privilege


class Bmc:
    """One account on one BMC. `title` names it in errors; `suites` are the cipher suites, in order."""

    def __init__(
        self, wire: Wire, title: str, address: Address, account: Account, suites: tuple[Suite, ...]
    ) -> None:
        self.title = title
        self.address = address
        self.account = account
        self.suites = suites
        self._wire = wire
        self._raise = RAISE[account.privilege]
        self._suite = 0
        self._requests: deque[Request] = deque()
        self._on_closed: list[Callable[[], None]] = []
        self._log_on: LogOn | None = None
        self._session: Session | None = None
        self._asked: Command | None = None
        self._message = b""
        self._sendings = 0
        self._act_at = inf
        self._heard_at = -inf
        self._silent = False
        self._obstacle = ""
        self._closing = False

    def __repr__(self) -> str:
        return f"<Bmc {self.title}>"

    # Called by users.

    def request(
        self, command: Command, deadline: float, on_result: Callable[[bytes | DeviceError], None]
    ) -> Request:
        """Have a command carried out after those asked for before.

        `on_result` is called once, from the event loop: with the data of the answer, or with the error that
        prevented it. Never calls it before it returns. What is returned is for `cancel`.
        """
        request = Request(command, deadline, on_result)
        self._requests.append(request)
        if command.repeat is not Repeat.ALWAYS:
            self._silent = False  # somebody wants more than to look: try hard
        if len(self._requests) == 1 and self._asked is None and self._log_on is None:
            self._proceed()
        else:
            self._schedule(self._act_at)
        return request

    def cancel(self, request: Request) -> None:
        """Forget a request: its callback is not called. A log-on that nobody else waits for is given up."""
        if request not in self._requests:
            return
        under_way = request is self._requests[0]
        self._requests.remove(request)
        if under_way and not self._closing:
            if not self._requests and self._log_on:
                self._abandon()
            if not self._log_on:
                self._proceed()

    def close(self, on_closed: Callable[[], None]) -> None:
        """Log out; what waits fails. `on_closed` is called when the BMC confirmed it or stayed silent."""
        self._on_closed.append(on_closed)
        self._fail_all(DeviceUnreachable(f"{self.title} is being closed"))
        if self._log_on:
            self._abandon()
        if not self._closing:
            self._proceed()

    # Called by the wire.

    def receive(self, packet: bytes) -> None:
        """Take a packet that carries our session id. Raises `BadPacket` if it must be ignored."""
        if self._log_on:
            self._receive_log_on(self._log_on, packet)
        elif self._session and packet[5] & PAYLOAD_TYPE == Payload.IPMI:
            answer = self._session.open(packet)
            command = self._asked
            if command is None or (answer.netfn, answer.command) != (command.netfn + 1, command.number):
                raise BadPacket("stale")
            self._heard_at = self._wire.now()
            self._answered(command, answer.code, answer.data)
        else:
            raise BadPacket("stale")

    def receive_outside_session(self) -> None:
        """Something in the IPMI 1.5 format came from the BMC: the answer to our knock, if we knocked."""
        if self._log_on and self._log_on.opening and self._sendings == _KNOCK:
            self._silent = False
            self._send_log_on(self._log_on, again=True)

    def wake(self, now: float) -> None:
        """Do what is due: end late requests, send again, begin anew, log out."""
        self._end_late_requests(now)
        if now < self._act_at:
            self._schedule(self._act_at)
        elif self._log_on:
            self._repeat_log_on(self._log_on)
        elif self._asked:
            self._repeat(self._asked)
        elif self._requests:
            self._proceed()
        elif self._session:
            self._log_out(self._session)

    def unreachable(self, words: str) -> None:
        """The network says that packets do not arrive: do not wait any longer."""
        if self._log_on or self._asked:
            error = DeviceUnreachable(f"{self.title} is not reachable: {words}", maybe_applied=self._acting)
            self._abandon()
            self._fail_all(error)
            self._proceed()

    # What to do next.

    def _proceed(self) -> None:
        self._asked = None
        self._closing = False
        if self._on_closed and self._session:
            self._log_out(self._session)
            return
        callbacks, self._on_closed = self._on_closed, []
        for on_closed in callbacks:
            on_closed()
        if self._log_on or self._asked:
            return  # a callback asked for something, and that is under way
        if self._requests:
            self._serve(self._requests[0])
        else:
            self._schedule(self._wire.now() + IDLE if self._session else inf)

    def _serve(self, request: Request) -> None:
        session = self._session
        if session is None:
            self._begin_log_on()
        elif session.privilege < request.privilege or (
            # A command that acts must not meet a session that the BMC forgot: its silence would be ambiguous.
            request.command.repeat is not Repeat.ALWAYS and self._wire.now() - self._heard_at > FRESH
        ):
            self._ask(session, self._raise)
        else:
            self._ask(session, request.command)

    def _schedule(self, act_at: float) -> None:
        self._act_at = act_at
        for request in self._requests:
            act_at = min(act_at, request.deadline)
        self._wire.wake_at(self, act_at)

    def _wait(self, waits: tuple[float, ...]) -> None:
        seconds = waits[min(self._sendings, len(waits)) - 1]
        self._schedule(self._wire.now() + seconds * (1 + _JITTER * random.random()))

    def _pause(self, obstacle: str) -> None:
        self._obstacle = obstacle
        self._asked = None
        self._schedule(self._wire.now() + _PAUSE * (1 + _JITTER * random.random()))

    # The log-on.

    def _begin_log_on(self) -> None:
        console_id = self._wire.new_session_id(self)
        self._log_on = LogOn(self.account, self.suites[self._suite], self.suites, console_id)
        if self._silent:
            self._knock()
        else:
            self._send_log_on(self._log_on, again=False)

    def _send_log_on(self, log_on: LogOn, *, again: bool) -> None:
        self._sendings = self._sendings + 1 if again else 1
        self._wire.send(self, log_on.packet)
        self._wait(_WAITS)

    def _knock(self) -> None:
        """Ask whether anybody is there; see `receive_outside_session`.

        Some BMCs, pyghmi's among them, forget an old session of our address only on seeing this.
        """
        self._sendings = _KNOCK
        self._wire.send(self, packets.encode_auth_capabilities_request(OPERATOR))
        self._wait(_WAITS)

    def _repeat_log_on(self, log_on: LogOn) -> None:
        log_on.doubtful = True
        if self._silent:
            self._wait(_WAITS)  # one knock a look is enough for a BMC that was silent all through the last
        elif log_on.opening and self._sendings == _KNOCK - 1:
            self._knock()
        elif log_on.opening:
            self._send_log_on(log_on, again=True)
        else:
            self._obstacle = "stopped answering during the log-on (some do when the login is unknown)"
            if self._sendings < _SENDINGS:
                self._send_log_on(log_on, again=True)
            else:
                self._abandon()
                self._proceed()

    def _receive_log_on(self, log_on: LogOn, packet: bytes) -> None:
        try:
            session = log_on.receive(packet[5] & PAYLOAD_TYPE, packet)
        except LogOnRefused as refusal:
            self._log_on_refused(refusal)
        else:
            if session is None:
                self._send_log_on(log_on, again=False)
            else:
                self._log_on, self._session = None, session
                self._heard_at = self._wire.now()
                self._obstacle = ""
                self._proceed()

    def _log_on_refused(self, refusal: LogOnRefused) -> None:
        self._abandon()
        if refusal.why is Why.OTHER_SUITE and self._suite + 1 < len(self.suites):
            self._suite += 1
            self._proceed()
        elif refusal.why in {Why.LATER, Why.AGAIN}:
            self._pause(refusal.words)
        else:
            self._suite = 0
            error = CredentialsRefused if refusal.why is Why.CREDENTIALS else DeviceRefused
            self._fail_all(error(f"{self.title} {refusal.words}"))
            self._proceed()

    # Commands in the session.

    def _ask(self, session: Session, command: Command) -> None:
        self._asked = command
        self._message = session.next_request(command.netfn, command.number, command.data)
        self._sendings = 0
        self._send(session, command)

    def _log_out(self, session: Session) -> None:
        self._closing = True
        self._ask(session, close_session(session.bmc_id))

    def _send(self, session: Session, command: Command) -> None:
        self._sendings += 1
        self._wire.send(self, session.seal(self._message))
        self._wait(_WAITS if command.repeat is Repeat.ALWAYS else _PATIENT_WAITS)

    def _repeat(self, command: Command) -> None:
        if command.repeat is Repeat.NEVER:
            self._schedule(inf)
        elif self._closing and self._sendings >= _FAREWELLS:
            self._drop_session()
            self._proceed()
        elif command.repeat is Repeat.ALWAYS and self._sendings >= _SENDINGS:
            self._obstacle = ""
            self._abandon()
            self._proceed()
        elif self._session:
            self._send(self._session, command)

    def _answered(self, command: Command, code: int, data: bytes) -> None:
        if self._closing:
            self._drop_session()
            self._proceed()
        elif code:
            self._judge(command, code)
        elif command is self._raise:
            if self._session:
                self._session.privilege = self.account.privilege
            self._proceed()
        else:
            self._finish(data)

    def _judge(self, command: Command, code: int) -> None:
        verdict, words = explain(command, code)
        reads = command.repeat is Repeat.ALWAYS
        request = self._requests[0]
        if verdict is Verdict.NEEDS_PRIVILEGE and request.privilege < self.account.privilege:
            request.privilege = self.account.privilege
            self._proceed()
        elif verdict in {Verdict.NOT_NOW, Verdict.NOBODY_KNOWS} and reads:
            self._pause(f"answered {command.title} with: {words}")
        elif verdict in {Verdict.NOT_NOW, Verdict.NOBODY_KNOWS}:
            text = f"{self.title} answered {command.title} with: {words}"
            self._finish(DeviceUnreachable(text, maybe_applied=verdict is Verdict.NOBODY_KNOWS))
        else:
            if command is self._raise:
                self._on_closed.append(_nobody)
            self._finish(DeviceRefused(f"{self.title} refused {command.title}: {words}"))

    # Ends.

    @property
    def _acting(self) -> bool:
        """Whether a command that acts has left us and its answer is missing."""
        command = self._asked
        return bool(command and command.repeat is not Repeat.ALWAYS)

    def _finish(self, result: bytes | DeviceError) -> None:
        request = self._requests.popleft()
        self._obstacle = ""
        self._proceed()
        request.on_result(result)

    def _fail_all(self, error: DeviceError) -> None:
        requests, self._requests = self._requests, deque()
        for request in requests:
            request.on_result(error)
            error = type(error)(error.message)  # what waited behind the first was never sent

    def _end_late_requests(self, now: float) -> None:
        late = [request for request in self._requests if request.deadline <= now]
        if not late:
            return
        text = f"{self.title} {self._obstacle or 'did not answer in time'}"
        first, acting = self._requests[0], self._acting
        self._requests = deque(request for request in self._requests if request.deadline > now)
        if first in late and not self._closing:
            self._give_up_first()
        for request in late:
            request.on_result(DeviceUnreachable(text, maybe_applied=acting and request is first))

    def _give_up_first(self) -> None:
        self._obstacle = ""
        self._silent = bool(self._log_on and self._log_on.opening and not self._requests)
        if self._log_on or self._asked:
            self._abandon()
        self._proceed()

    def _abandon(self) -> None:
        """Leave the session or the attempt without waiting, but tell the BMC that its slot is free."""
        if self._log_on:
            farewell = self._log_on.farewell()
        else:
            farewell = close_packet(self._session) if self._session else None
        if farewell:
            self._wire.send(self, farewell)
        self._drop_session()

    def _drop_session(self) -> None:
        for holder in (self._log_on, self._session):
            if holder:
                self._wire.drop_session_id(holder.console_id)
        self._log_on = self._session = self._asked = None


def _nobody() -> None:
    """Nobody waits for this log-out."""
