"""Connections to nodes: kept while they are used, closed when idle, so many and no more."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cloudmanager.ssh.connection import Connection, Denied, UnknownKey
from cloudmanager.ssh.session import Broken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from .login import Limits, Login

    Pin = Callable[[int, str], Awaitable[str]]
    """Stores the host key that a node has shown; gives the one that is stored."""


@dataclass
class Kept:
    """A connection that is kept, or about to be; `family` once it was asked for."""

    node_id: int
    login: Login
    turns: asyncio.Semaphore
    opened: asyncio.Task[Connection] = field(init=False)
    family: str | None = None
    users: int = 0
    used_at: float = 0.0
    gone: bool = False
    """Nobody new gets it."""
    closing: bool = False

    @property
    def was_open(self) -> bool:
        """Whether somebody has used it before, so that it may have ended since."""
        return self.opened.done()


class Connections:
    """At most one to each node, and `limits.connections` in all. One event loop only."""

    def __init__(self, limits: Limits, pin: Pin) -> None:
        self._limits = limits
        self._pin = pin
        self._kept: dict[int, Kept] = {}
        self._places = asyncio.Semaphore(limits.connections)
        self._waiting = 0
        self._closing: set[asyncio.Task[None]] = set()
        self._reaper: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def to(self, node_id: int, login: Login) -> AsyncIterator[Kept]:
        """The connection to a node, being opened if need be; whoever finds it broken drops it."""
        kept = await self._find(node_id, login)
        kept.users += 1
        try:
            yield kept
        finally:
            kept.users -= 1
            kept.used_at = asyncio.get_running_loop().time()
            if not kept.users and (kept.gone or self._waiting):
                self._retire(kept)

    def drop(self, kept: Kept) -> None:
        """Open another one the next time; this one is closed when nobody uses it."""
        if self._kept.get(kept.node_id) is kept:
            del self._kept[kept.node_id]
        kept.gone = True

    def forget(self, node_id: int) -> None:
        """Drop the one to a node, if there is one; who uses it still comes to an end."""
        kept = self._kept.get(node_id)
        if kept is not None:
            self.drop(kept)
            if not kept.users:
                self._retire(kept)

    async def close(self) -> None:
        """End all of them."""
        if self._reaper is not None:
            self._reaper.cancel()
        for kept in list(self._kept.values()):
            self._retire(kept)
        await asyncio.gather(*self._closing)

    async def _find(self, node_id: int, login: Login) -> Kept:
        while True:
            kept = self._kept.get(node_id)
            if kept is not None and kept.login == login and not _has_ended(kept):
                return kept
            self.forget(node_id)
            await self._place()
            if node_id not in self._kept:
                return self._open(node_id, login)
            self._places.release()  # somebody else was quicker

    async def _place(self) -> None:
        """Wait until there is room for one more; one that nobody uses makes room."""
        if self._places.locked():
            idle = [kept for kept in self._kept.values() if not kept.users]
            if idle:
                self._retire(min(idle, key=lambda kept: kept.used_at))
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1

    def _open(self, node_id: int, login: Login) -> Kept:
        kept = Kept(node_id, login, asyncio.Semaphore(self._limits.sessions))
        kept.opened = asyncio.create_task(self._log_on(kept))
        kept.opened.add_done_callback(_heard)
        self._kept[node_id] = kept
        if self._reaper is None:
            self._reaper = asyncio.create_task(self._close_idle())
        return kept

    async def _log_on(self, kept: Kept) -> Connection:
        """A connection; where the login pins and no key is known, the one that is shown is stored."""
        deadline = asyncio.get_running_loop().time() + self._limits.connect_timeout
        connection = Connection(kept.login)
        try:
            await connection.open(deadline)
        except UnknownKey as problem:
            if not kept.login.pins:
                raise
            kept.login = replace(kept.login, host_key=await self._pin(kept.node_id, problem.shown))
            connection = Connection(kept.login)
            await connection.open(deadline)
        return connection

    def _retire(self, kept: Kept) -> None:
        """Close it behind everybody's back; its place is free when that is done."""
        self.drop(kept)
        if kept.closing:
            return
        kept.closing = True
        task = asyncio.create_task(self._end(kept))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _end(self, kept: Kept) -> None:
        kept.opened.cancel()
        try:
            with contextlib.suppress(asyncio.CancelledError, Broken, Denied):
                await (await kept.opened).close()
        finally:
            self._places.release()

    async def _close_idle(self) -> None:
        idle = self._limits.idle
        while True:
            await asyncio.sleep(idle / 4)
            before = asyncio.get_running_loop().time() - idle
            for kept in list(self._kept.values()):
                if not kept.users and kept.used_at < before:
                    self._retire(kept)


def _has_ended(kept: Kept) -> bool:
    """Whether it was open and is no more, as far as we have heard; or was never opened."""
    if not kept.opened.done():
        return False
    return kept.opened.cancelled() or kept.opened.exception() is not None or not kept.opened.result().is_open


def _heard(opened: asyncio.Task[Connection]) -> None:
    """Take note of an error that nobody waits for any more."""
    if not opened.cancelled():
        opened.exception()
