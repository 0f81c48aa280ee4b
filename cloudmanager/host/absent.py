"""The Host port of a process that has no way into nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.errors import HostRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .port import HostPort, Output


class _AbsentHost:
    """Refuses every command."""

    async def run(
        self,
        node_id: int,
        command: str,
        arguments: Mapping[str, str] | None = None,  # noqa: ARG002
        *,
        data: bytes = b"",  # noqa: ARG002
    ) -> Output:
        """Say that there is no way in."""
        raise HostRefused(f"this process runs no commands on nodes, so not {command} on node {node_id}")

    async def log_off(self, node_id: int) -> None:
        """There is no connection."""

    async def close(self) -> None:
        """There is nothing to close."""


def absent_host() -> HostPort:
    """A port of which every command raises `HostRefused`."""
    return _AbsentHost()
