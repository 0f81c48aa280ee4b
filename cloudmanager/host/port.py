"""The promise of the Host port: commands of the catalogue, run in a node's own operating system.

All verbs raise `NotFound` for a node or a command that there is not, `InvalidInput` for an argument that the
command does not take, `HostUnreachable` where no answer comes, `HostRefused` where the node lets us not in or
not do it, and `CommandFailed` where the command says that it failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Output:
    """What a command said, decoded and bounded, and its exit status.

    `left_out`: so many bytes of it were too much; a line in the text says where. `changed` is false when its
    check said that there was nothing to do.
    """

    out: str
    err: str = ""
    status: int = 0
    left_out: int = 0
    changed: bool = True


class HostPort(Protocol):
    """The operating systems of nodes, as flows see them."""

    async def run(
        self, node_id: int, command: str, arguments: Mapping[str, str] | None = None, *, data: bytes = b""
    ) -> Output:
        """Run a command of the catalogue by its name; `data` becomes its standard input.

        Arguments reach the command as they are: no shell ever reads them. How long it may take and which exit
        statuses are a success stand in the catalogue.
        """

    async def log_off(self, node_id: int) -> None:
        """End the connection to a node: its next command logs on anew. Harmless where there is none."""

    async def close(self) -> None:
        """End all connections."""
