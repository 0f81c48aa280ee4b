"""Domain names of tenants' public addresses: a command of the operator's that knows the name servers."""

from __future__ import annotations

import asyncio
import os
import shlex
from typing import Any

from cloudmanager.errors import Conflict, Misconfigured, Unavailable

PROJECT = "CLOUDMANAGER_PROJECT"
"""The variable of the environment in which the command finds the project."""

_NOT_NOW = os.EX_TEMPFAIL
_LONGEST = 300
"""Characters of its output that are told."""


class DomainHook:
    """Runs the command of [portal]. What it does twice must be as if done once: a step may be repeated."""

    def __init__(self, options: Any) -> None:
        try:
            self._command = shlex.split(options.domain_hook)
        except ValueError as error:
            raise Misconfigured(f"[portal] domain_hook: {error}") from None
        self._timeout: float = options.domain_hook_timeout

    async def publish(self, name: str, address: str, project_id: str) -> bool:
        """Let a name lead to an address; False when there is no command.

        Raises `Conflict` when the command refuses, `Unavailable` when it cannot say now.
        """
        return await self._run("publish", name, address, project_id)

    async def withdraw(self, name: str, address: str, project_id: str) -> bool:
        """Let a name no longer lead to that address; as above."""
        return await self._run("withdraw", name, address, project_id)

    async def _run(self, verb: str, name: str, address: str, project_id: str) -> bool:
        if not self._command:
            return False
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                verb,
                name,
                address,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, PROJECT: project_id},
            )
        except OSError as error:
            raise Unavailable(f"[portal] domain_hook cannot be run: {error.strerror}") from None
        output = await self._output(process)
        if process.returncode == _NOT_NOW:
            raise Unavailable(f"the command for domain names cannot {verb} {name} now: {output}")
        if process.returncode:
            raise Conflict(f"the command for domain names does not {verb} {name}: {output}")
        return True

    async def _output(self, process: asyncio.subprocess.Process) -> str:
        """The last line that it wrote, once it has ended; one that takes too long is ended."""
        try:
            async with asyncio.timeout(self._timeout):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise Unavailable(f"[portal] domain_hook took longer than {self._timeout:g} s") from None
        lines = output.decode("utf-8", "replace").strip().splitlines()
        return lines[-1][-_LONGEST:] if lines else f"status {process.returncode}"
