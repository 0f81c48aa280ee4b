"""Where a server may go: pure functions over what the cloud says of its hosts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from cloudmanager.openstack.records import Hypervisor, Server, ServerGroup, Service

_APART = "a server is there from which its group keeps it apart"
_TOGETHER = "its group keeps it with servers on another host"

NOVA = ""
"""The destination of a server for which Nova shall choose."""


@dataclass(frozen=True)
class Incoming:
    """How many servers are on their way to each host, and how many of which Nova has not said where to."""

    known: Counter[str]
    unknown: int = 0

    def to(self, host: str) -> int:
        """The most that may be coming to this host."""
        return self.known[host] + self.unknown


@dataclass(frozen=True)
class Candidate:
    """A host that could take servers."""

    host: str
    free_ram_mb: int
    hypervisor: Hypervisor = field(compare=False)


def candidates(
    services: Iterable[Service], hypervisors: Iterable[Hypervisor], *, leaving: Collection[str]
) -> list[Candidate]:
    """Hosts that are up, take servers and are not themselves being emptied; the freest first."""
    usable = {service.host for service in services if service.up and service.enabled}
    found = [
        Candidate(
            hypervisor.host, (hypervisor.ram_mb or 0) - (hypervisor.ram_used_mb or 0), hypervisor=hypervisor
        )
        for hypervisor in hypervisors
        if hypervisor.host in usable and hypervisor.host not in leaving
    ]
    return sorted(found, key=lambda candidate: (-candidate.free_ram_mb, candidate.host))


def next_destination(hosts: Sequence[Candidate], incoming: Incoming, limit: int) -> str | None:
    """Where the next server shall go: `NOVA` while no host is at its limit; None: wait, all are.

    Nova spreads servers better than we do, but does not know our limit: where a host has reached it we name
    another one.
    """
    below = [candidate.host for candidate in hosts if incoming.to(candidate.host) < limit]
    if not below:
        return None
    if len(below) == len(hosts):
        return NOVA
    return min(below, key=incoming.to)


def suited(
    server: Server,
    hosts: Sequence[Candidate],
    source: Hypervisor | None,
    groups: Iterable[ServerGroup],
    host_of: Mapping[str, str],
) -> list[Candidate]:
    """Hosts on which a running server could go on: the same family of CPU, its server groups kept."""
    unsuited = why_unsuited(server, hosts, source, groups, host_of)
    return [candidate for candidate in hosts if candidate.host not in unsuited]


def why_unsuited(
    server: Server,
    hosts: Iterable[Candidate],
    source: Hypervisor | None,
    groups: Iterable[ServerGroup],
    host_of: Mapping[str, str],
) -> dict[str, str]:
    """{host: why} of those on which a running server could not go on."""
    wanted, forbidden = _by_groups(server, groups, host_of)
    found: dict[str, str] = {}
    for candidate in hosts:
        if candidate.host in forbidden:
            found[candidate.host] = _APART
        elif wanted is not None and candidate.host not in wanted:
            found[candidate.host] = _TOGETHER
        elif not same_cpu(source, candidate.hypervisor):
            found[candidate.host] = "its CPU is another model"
    return found


def why_nowhere(
    server: Server,
    hosts: Sequence[Candidate],
    groups: Iterable[ServerGroup],
    host_of: Mapping[str, str],
) -> tuple[str, str] | None:
    """Why no other host could take a server, whatever its CPU, and the way out; None: one could.

    Members of an affinity group that share a host cannot leave it one by one: Nova finds no valid host for
    the first, and one that is forced past its scheduler is refused by the destination and ends in ERROR.
    """
    if not hosts:
        return "no other host is up and takes servers", "uncordon another host"
    unsuited = why_unsuited(server, hosts, None, groups, host_of)
    if len(unsuited) < len(hosts):
        return None
    if _TOGETHER in unsuited.values():
        return (
            "its affinity group keeps it with servers on this host, and Nova moves none of them alone",
            "a server group with the policy soft-affinity",
        )
    return (
        "its anti-affinity group has a server on every other host that takes servers",
        "uncordon another host",
    )


def why_not_candidates(services: Iterable[Service], *, leaving: Collection[str]) -> dict[str, str]:
    """{host: why} of those that take no servers at all."""
    found: dict[str, str] = {}
    for service in services:
        if service.host in leaving:
            continue
        if not service.up:
            found[service.host] = "it is down"
        elif not service.enabled:
            found[service.host] = f"it is cordoned ({service.disabled_reason or 'no reason'})"
    return found


def _by_groups(
    server: Server, groups: Iterable[ServerGroup], host_of: Mapping[str, str]
) -> tuple[set[str] | None, set[str]]:
    """The hosts to which its groups bind a server, None: to none; and those from which they keep it."""
    wanted: set[str] | None = None
    forbidden: set[str] = set()
    for group in groups:
        if server.id not in group.members:
            continue
        others = {host_of[member] for member in group.members if member != server.id and member in host_of}
        if group.policy == "anti-affinity":
            forbidden |= others
        elif group.policy == "affinity" and others:
            wanted = others if wanted is None else wanted & others
    return wanted, forbidden


def same_cpu(source: Hypervisor | None, target: Hypervisor) -> bool:
    """Whether both have the same model of CPU; what is unknown is left to Nova to find out."""
    if source is None or source.cpu is None or target.cpu is None:
        return True
    return source.cpu == target.cpu
