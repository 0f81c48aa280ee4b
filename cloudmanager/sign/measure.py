"""What a server is now: its definition and the files that it starts from, read on its node."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudmanager.errors import CommandFailed, HostUnreachable
from cloudmanager.sign import definition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloudmanager.host.port import HostPort
    from cloudmanager.sign.definition import Definition

ABSENT = "absent"
"""In place of a digest: the file was not there. What was not there when it was signed is not compared."""

PATIENCE = 9.0
"""Seconds that a node may take to tell of one server: less than a step of a flow has."""

_SUM = re.compile(r"\\?([0-9a-f]{64}) [ *]")
_NOT_THERE = "No such file or directory"
_NO_DIGEST = 1
"""Exit status of sha256sum when it could not read a file."""


@dataclass(frozen=True)
class Measured:
    """A server as it is now; `baseline` is what a signature keeps of it."""

    instance_name: str
    baseline: dict[str, Any]


class Node:
    """Measures the servers of one node. Firmware, which they share, is read once.

    `silent` says why the node does not answer, if it was found not to: then it is not asked again.
    """

    def __init__(self, host: HostPort, node_id: int, *, with_nvram: bool, silent: str | None = None) -> None:
        self._host, self._node_id, self._with_nvram = host, node_id, with_nvram
        self._firmware: dict[str, str] = {}
        self.silent = silent

    async def measure(self, server_id: str) -> Measured:
        """Raises the errors of the Host port; `CommandFailed` also when what came cannot be understood."""
        if self.silent is not None:
            raise HostUnreachable(self.silent)
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._measure(server_id)
        except TimeoutError:
            self.silent = (
                f"node {self._node_id} took longer than {PATIENCE:.0f} s to tell of server {server_id}"
            )
            raise HostUnreachable(self.silent) from None
        except HostUnreachable as error:
            self.silent = error.message
            raise

    async def _measure(self, server_id: str) -> Measured:
        found = await self._definition(server_id)
        for path in found.firmware:
            if path not in self._firmware:
                self._firmware[path] = await self._digest(path)
        own = await self._digests(found.own if self._with_nvram else ())
        baseline = {
            "strict": found.strict,
            "portable": found.portable,
            "firmware": {path: self._firmware[path] for path in found.firmware},
            "own": own,
        }
        return Measured(found.name, baseline)

    async def _definition(self, server_id: str) -> Definition:
        output = await self._host.run(self._node_id, "domain-definition", {"server": server_id})
        if output.left_out:
            raise CommandFailed(f"the definition of server {server_id} is too long to be read", status=0)
        try:
            found = definition.read(output.out)
        except definition.Unreadable as problem:
            raise CommandFailed(
                f"the definition of server {server_id} cannot be read: {problem}", status=0
            ) from None
        if found.uuid != server_id:
            raise CommandFailed(
                f"asked for server {server_id}, node {self._node_id} told of {found.uuid}", status=0
            )
        return found

    async def _digests(self, paths: Iterable[str]) -> dict[str, str]:
        return {path: await self._digest(path) for path in paths}

    async def _digest(self, path: str) -> str:
        try:
            output = await self._host.run(self._node_id, "file-digest", {"path": path})
        except CommandFailed as failed:
            if failed.status == _NO_DIGEST and _NOT_THERE in failed.output:
                return ABSENT
            raise
        found = _SUM.match(output.out)
        if found is None:
            raise CommandFailed(f"sha256sum of {path} answered what is no digest", status=0)
        return found[1]


def differences(
    baseline: Mapping[str, Any], now: Mapping[str, Any], *, elsewhere: bool
) -> tuple[list[str], list[str]]:
    """What of the server itself is not as it was signed, and which firmware that it shares with others.

    `elsewhere`: it is on another node than when it was signed, where its definition differs in part.
    """
    own = []
    which = "portable" if elsewhere else "strict"
    if baseline[which] != now[which]:
        own.append("its definition")
    own += _changed(baseline["own"], now["own"])
    return own, _changed(baseline["firmware"], now["firmware"])


def is_comparable(baseline: Mapping[str, Any]) -> bool:
    """Whether the digests are of the version that we make."""
    return str(baseline.get("strict", "")).startswith(f"{definition.VERSION}:")


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [
        path for path, digest in before.items() if digest != ABSENT and path in now and now[path] != digest
    ]
