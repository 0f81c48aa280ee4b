"""The Host port: commands of the catalogue over SSH."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from prometheus_client import Histogram

from cloudmanager.errors import CloudManagerError, HostError, HostRefused, HostUnreachable, InvalidInput
from cloudmanager.ssh.connection import Denied
from cloudmanager.ssh.session import Broken, Killed

from .command import ANY
from .connections import Connections
from .family import COMMAND, family_of
from .line import KILL_AFTER, line_of
from .port import Output
from .verdict import too_late, verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from cloudmanager.ssh.session import Ran

    from .catalogue import Catalogue
    from .command import Command, Words
    from .connections import Kept, Pin
    from .login import Limits, Login

    Find = Callable[[int], Awaitable[Login]]
    """How to get into a node; `NotFound` without such a node."""

COMMAND_SECONDS: Final = Histogram(
    "cloudmanager_host_command_seconds", "Time that commands on nodes took.", ["command", "outcome"]
)

_ON_THE_WAY: Final = 3.0
"""Seconds that a line and its answer may take besides the command's own time."""


class HostsOverSsh:
    """Keeps the promise of `HostPort`. One event loop only."""

    def __init__(self, catalogue: Catalogue, limits: Limits, find: Find, pin: Pin) -> None:
        self._catalogue = catalogue
        self._find = find
        self._connections = Connections(limits, pin)

    async def run(
        self, node_id: int, command: str, arguments: Mapping[str, str] | None = None, *, data: bytes = b""
    ) -> Output:
        """See `HostPort.run`."""
        known = self._catalogue[command]
        begun, outcome = time.perf_counter(), "error"
        try:
            output = await self._run(known, node_id, arguments or {}, data)
            outcome = "ok"
        except CloudManagerError as problem:
            outcome = type(problem).__name__
            raise
        finally:
            COMMAND_SECONDS.labels(command=command, outcome=outcome).observe(time.perf_counter() - begun)
        return output

    async def _run(self, known: Command, node_id: int, arguments: Mapping[str, str], data: bytes) -> Output:
        values = known.checked(arguments)
        if data and not known.stdin:
            raise InvalidInput(f"the command {known.name} takes no standard input")
        login = await self._find(node_id)
        if not login.host:
            raise HostRefused(f"node {node_id} has neither an address nor a name: set ip_addresses")
        family = await self._family(node_id, login) if known.asks_family else ANY
        words = known.words(family, values)
        check = known.check_words(family, values)
        if check and (await self._ran(node_id, login, known, check)).status == 0:
            return Output("", changed=False)
        return await self._judged(node_id, login, known, words, data)

    async def log_off(self, node_id: int) -> None:
        """See `HostPort.log_off`."""
        self._connections.forget(node_id)

    async def close(self) -> None:
        """End all connections."""
        await self._connections.close()

    async def _family(self, node_id: int, login: Login) -> str:
        """Asked for once on each connection."""
        async with self._connections.to(node_id, login) as kept:
            if kept.family is not None:
                return kept.family
        command = self._catalogue[COMMAND]
        output = await self._judged(node_id, login, command, command.words(ANY, {}))
        async with self._connections.to(node_id, login) as kept:
            kept.family = family_of(output.out)
        return kept.family

    async def _judged(
        self, node_id: int, login: Login, command: Command, words: Words, data: bytes = b""
    ) -> Output:
        begun = asyncio.get_running_loop().time()
        ran = await self._ran(node_id, login, command, words, data, acts=True)
        took = asyncio.get_running_loop().time() - begun
        return verdict(_where(node_id, login), login.login, command, ran, took=took)

    async def _ran(
        self,
        node_id: int,
        login: Login,
        command: Command,
        words: Words,
        data: bytes = b"",
        *,
        acts: bool = False,
    ) -> Ran:
        """What came of it. When a kept connection turns out to have ended, it is sent once more.

        What acts and is not idempotent is sent again only if it had not left us.
        """
        line = line_of(words, sudo=command.sudo and login.sudo, timeout=command.timeout)
        again, begun = True, asyncio.get_running_loop().time()
        while True:
            async with self._connections.to(node_id, login) as kept:
                was_open = kept.was_open
                try:
                    return await _on(kept, command, line, data)
                except Denied as problem:
                    self._connections.drop(kept)
                    raise HostRefused(f"{_where(node_id, login)} {problem}") from None
                except Killed as problem:
                    raise _killed(node_id, login, command, problem, begun) from None
                except Broken as problem:
                    self._connections.drop(kept)
                    may_repeat = not (problem.sent and acts) or command.idempotent
                    if not (again and was_open and may_repeat) or problem.late:
                        raise _unreachable(node_id, login, problem, acts=acts) from None
            again = False


async def _on(kept: Kept, command: Command, line: str, data: bytes) -> Ran:
    """Run it when it is its turn. A node that lets us wait for the end of a command longer is silent."""
    connection = await asyncio.shield(kept.opened)
    async with kept.turns:
        deadline = asyncio.get_running_loop().time() + command.timeout + KILL_AFTER + _ON_THE_WAY
        return await connection.run(line, deadline, data=data, keep=command.max_output, cuts=True)


def _unreachable(node_id: int, login: Login, problem: Broken, *, acts: bool) -> HostError:
    return HostUnreachable(f"{_where(node_id, login)} {problem}", maybe_applied=problem.sent and acts)


def _killed(node_id: int, login: Login, command: Command, problem: Killed, begun: float) -> HostError:
    """timeout(1) is killed together with what it kills."""
    if asyncio.get_running_loop().time() - begun >= command.timeout:
        return too_late(_where(node_id, login), command)
    return HostUnreachable(f"{_where(node_id, login)} {problem}: {command.name}", maybe_applied=True)


def _where(node_id: int, login: Login) -> str:
    return f"node {node_id} ({login.login}@{login.host}:{login.port})"
