"""What comes before a log-on: the host has to greet us, and then it is our turn.

A key exchange is work for the processor, most of it ours. Hundreds at once would all be late; so a few are
done at a time. Hosts that say nothing wait outside of that line, so that they delay nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_lines: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, asyncio.Semaphore]] = WeakKeyDictionary()
"""By event loop, as semaphores are its own, and by how many may pass."""


async def greeted(host: str, port: int) -> socket.socket:
    """A connection on which the host has begun to speak, or which it has ended; `OSError` without one."""
    loop = asyncio.get_running_loop()
    problem: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setblocking(False)
            await loop.sock_connect(opened, address)
            await _readable(loop, opened)
        except OSError as why:
            opened.close()
            problem = why
        except BaseException:
            opened.close()
            raise
        else:
            return opened
    raise problem


@asynccontextmanager
async def turn(at_once: int) -> AsyncIterator[float]:
    """One of `at_once` places of this event loop, 0 for any number; the seconds that others were ahead."""
    if not at_once:
        yield 0.0
        return
    loop = asyncio.get_running_loop()
    line = _lines.setdefault(loop, {}).setdefault(at_once, asyncio.Semaphore(at_once))
    came = loop.time()
    async with line:
        yield loop.time() - came


async def _readable(loop: asyncio.AbstractEventLoop, opened: socket.socket) -> None:
    speaks: asyncio.Future[None] = loop.create_future()

    def heard() -> None:
        loop.remove_reader(opened)
        with contextlib.suppress(asyncio.InvalidStateError):  # cancelled meanwhile
            speaks.set_result(None)

    loop.add_reader(opened, heard)
    try:
        await speaks
    finally:
        loop.remove_reader(opened)
