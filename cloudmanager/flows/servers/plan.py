"""What a flow of one server would do: the answer to `dry_run`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudmanager.openstack.records import Server


@dataclass(frozen=True)
class ServerPlan:
    """The acts in order, in words; none, and why, when nothing can or need be done."""

    action: str
    server_id: str
    name: str
    status: str
    host: str | None
    acts: tuple[str, ...]
    reason: str | None

    @classmethod
    def of(cls, action: str, server: Server, acts: Iterable[str], reason: str | None = None) -> ServerPlan:
        """The plan for a server as it was found."""
        return cls(action, server.id, server.name, server.status, server.host, tuple(acts), reason)

    def told(self) -> dict[str, Any]:
        """In values that JSON can hold."""
        return {**asdict(self), "acts": list(self.acts)}
