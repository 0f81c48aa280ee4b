"""One command while it runs on a connection, and what it says, of which so much is kept."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import asyncssh


class Broken(Exception):
    """No answer. `sent`: the command was; `late`: the time was over, else the connection has ended."""

    def __init__(self, words: str, *, sent: bool = False, late: bool = False) -> None:
        super().__init__(words)
        self.sent = sent
        self.late = late


class Killed(Broken):
    """The host has ended the command by `signal`, such as "KILL"; the connection is good."""

    def __init__(self, signal: str) -> None:
        super().__init__(f"has ended the command by the signal {signal[:20]}", sent=True)
        self.signal = signal


class Ran(NamedTuple):
    """What came of a command; `left_out` are the bytes that it said and that were not kept."""

    status: int
    out: str
    err: str
    left_out: int = 0


class Output:
    """The beginning and the end of what is said, each half of `limit` bytes at most."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._head, self._tail = bytearray(), bytearray()
        self._dropped = 0

    def add(self, data: bytes) -> None:
        """Take more; what is in the middle is dropped, now and then."""
        room = self._limit // 2 - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 2 * self._limit:
            self._shorten()

    @property
    def left_out(self) -> int:
        """Bytes that are not in `text`."""
        return self._dropped + (len(self._tail) - self._room_behind if self._is_long else 0)

    def text(self) -> str:
        """What was kept, with a line that says where something is missing."""
        if not self._is_long:
            return (self._head + self._tail).decode(errors="replace")
        self._shorten()
        gap = f"\n[{self._dropped} bytes are left out here]\n"
        return self._head.decode(errors="replace") + gap + self._tail.decode(errors="replace")

    @property
    def _is_long(self) -> bool:
        return self._dropped > 0 or len(self._head) + len(self._tail) > self._limit

    @property
    def _room_behind(self) -> int:
        return self._limit - self._limit // 2

    def _shorten(self) -> None:
        surplus = max(0, len(self._tail) - self._room_behind)
        del self._tail[:surplus]
        self._dropped += surplus


class Session(asyncssh.SSHClientSession[bytes]):
    """One command; `data` is its standard input, and `keep` bounds each of its outputs, in bytes.

    A command that says more is ended, unless `cuts`: then it goes on, and the middle is left out.
    """

    def __init__(self, data: bytes, keep: int, *, cuts: bool) -> None:
        self.begun = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._data = data
        self._keep, self._cuts = keep, cuts
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self._out, self._err = Output(keep), Output(keep)
        self._status: int | None = None
        self._signal = ""

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        """The channel is open; the next thing that is sent is the command."""
        self.begun = True
        self._channel = chan

    def session_started(self) -> None:
        """Give it all of its input."""
        if self._channel is not None:
            if self._data:
                self._channel.write(self._data)
            self._channel.write_eof()

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Keep what it says, within bounds."""
        (self._out if datatype is None else self._err).add(data)
        if self._too_much and self._channel is not None:
            self._channel.abort()

    def exit_status_received(self, status: int) -> None:
        """It ended by itself."""
        self._status = status

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:  # noqa: ARG002
        """It was ended."""
        self._signal = signal

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - without a status it is broken
        """Nothing more will come."""
        if not self.ended.done():
            self.ended.set_result(None)

    def abandon(self) -> None:
        """End it there too, as far as the host does that: nobody waits for it any more."""
        if self._channel is not None and self._status is None:
            self._channel.terminate()
            self._channel.abort()

    @property
    def _left_out(self) -> int:
        return self._out.left_out + self._err.left_out

    @property
    def _too_much(self) -> bool:
        return not self._cuts and self._left_out > 0

    def result(self) -> Ran:
        """What came; `Broken` when it did not come to its end."""
        if self._too_much:
            raise Broken(f"says more than {self._keep} bytes", sent=True)
        if self._status is None:
            if self._signal:
                raise Killed(self._signal)
            raise Broken("has ended the session: no answer came", sent=True)
        return Ran(self._status, self._out.text(), self._err.text(), self._left_out)
