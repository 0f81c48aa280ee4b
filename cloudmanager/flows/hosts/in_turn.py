"""Hosts one after another or few at a time: a flow below for each, with a look at the others between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudmanager.flows.base import Child
from cloudmanager.flows.hosts.drain import incoming_moves

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from cloudmanager.flows.children import ChildState
    from cloudmanager.flows.run import Run
    from cloudmanager.openstack.records import Service


@dataclass(frozen=True)
class Turn:
    """How far a flow of many hosts is: its hosts in order, and the flows of those that are begun."""

    hosts: Sequence[str]
    children: Mapping[str, ChildState]

    @property
    def busy(self) -> list[str]:
        """Hosts that are being worked on."""
        return [host for host in self.hosts if host in self.children and not self.children[host].ended]

    @property
    def succeeded(self) -> list[str]:
        """Hosts that are done."""
        return [host for host in self.hosts if host in self.children and self.children[host].succeeded]

    @property
    def failed(self) -> list[str]:
        """Hosts that ended in any other way."""
        return [
            host
            for host in self.hosts
            if host in self.children and self.children[host].ended and not self.children[host].succeeded
        ]

    @property
    def not_begun(self) -> list[str]:
        """Hosts that nobody has touched."""
        return [host for host in self.hosts if host not in self.children]

    def why_failed(self, host: str) -> str:
        """What went wrong with a host."""
        return self.children[host].error or "cancelled"


async def how_far(run: Run, kind: str, hosts: Sequence[str], *, done: str) -> Turn:
    """Look, and tell the history of those that have ended; `done` is said of those that ended well."""
    turn = Turn(hosts, {name_of(child.subject): child for child in await run.children(kind)})
    told: list[str] = run.memo.setdefault("told", [])
    for host in [host for host in (*turn.succeeded, *turn.failed) if host not in told]:
        told.append(host)
        child = turn.children[host]
        run.event(child.subject, "done" if child.succeeded else "failed", child.error or done)
    return turn


def name_of(subject: str | None) -> str:
    """What a flow of many calls one of its hosts; an aggregate keeps its kind before its number."""
    return (subject or "").removeprefix("host:")


async def begin(run: Run, kind: str, hosts: Sequence[str], params: Mapping[str, Any]) -> dict[str, str]:
    """Start the flow of each of these hosts; answers {subject: id of the task that holds it}."""
    return await run.start_children(kind, [Child(f"host:{host}", {**params, "host": host}) for host in hosts])


def remember_who_is_down(run: Run, services: Mapping[str, Service]) -> None:
    """Note who is down already, so that the health gate does not ask for more than was there."""
    run.memo["down_before"] = sorted(host for host, service in services.items() if not service.up)


async def can_be_begun(run: Run, turn: Turn, services: Mapping[str, Service]) -> list[str]:
    """Hosts to which no server is moving; none while a host that is begun may still be moved to.

    Without that, hosts that are begun together would give their servers to each other.
    """
    if any(services[host].enabled for host in turn.busy if host in services):
        return []
    incoming = await run.read(incoming_moves)
    if incoming.unknown:
        return []
    return [host for host in turn.not_begun if not incoming.known[host]]


def newly_down(run: Run, services: Collection[Service], busy: Collection[str]) -> str | None:
    """The health gate: why no other host should be taken out of service now."""
    down = {service.host for service in services if not service.up}
    new = down - set(run.memo["down_before"]) - set(busy)
    return f"{', '.join(sorted(new))} went down meanwhile" if new else None


def most_at_a_time(services: Mapping[str, Service], hosts: Collection[str], wished: int) -> int:
    """So many of the hosts that at least one other that takes servers is left to drain to."""
    usable = [host for host, service in services.items() if service.up and service.enabled]
    return max(1, min(wished, len(hosts), len(usable) - 1))
