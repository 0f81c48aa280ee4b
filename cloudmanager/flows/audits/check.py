"""Whether what a plan was made of still holds: of single moves just before they start, and of all of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cloudmanager.drs.options import Options
from cloudmanager.drs.telling import why_cannot
from cloudmanager.flows.audits.look import on_its_way

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from cloudmanager.drs.cluster import Snapshot
    from cloudmanager.openstack.records import Service

Move = dict[str, Any]
"""A move in the words of the API."""

_AS_IT_IS = Options(hold_seconds=0.0)
"""What is asked of a move that is to start: that it can be made, no longer whether it pays."""


def why_not_now(snapshot: Snapshot, move: Move, held: Mapping[str, str]) -> str | None:
    """Why a move of a plan cannot be made any more; None: it can. `held`: {host: task that holds it}."""
    server_id, source, to = move["server_id"], move["source"], move["destination"]
    for host in (source, to):
        if host in held:
            return f"{host} is held by task {held[host]}"
        if host not in snapshot.host_index:
            return f"{host} is not in the aggregate any more"
    if server_id not in snapshot.server_index:
        return f"it is neither on {source} nor on {to} any more: deleted, or moved by somebody else"
    server = snapshot.servers[snapshot.server_index[server_id]]
    if server.host == to:
        return f"it is on {to} already, moved by somebody else"
    if server.host != source:
        return f"it is on {server.host}, moved by somebody else"
    return why_cannot(snapshot, _AS_IT_IS, server_id, to)


def with_copies(snapshot: Snapshot, moves: Iterable[Move]) -> Snapshot:
    """The snapshot with a second copy of the servers that these moves, begun just now, are making."""
    more = []
    for move in moves:
        server_id, to = move["server_id"], move["destination"]
        if server_id not in snapshot.server_index or to not in snapshot.host_index:
            continue
        server = snapshot.servers[snapshot.server_index[server_id]]
        copy = on_its_way(server, to)
        if server.host != to and copy.id not in snapshot.server_index:
            more.append(copy)
    return replace(snapshot, servers=(*snapshot.servers, *more)) if more else snapshot


def standing_of(hosts: Iterable[tuple[str, bool, bool]]) -> dict[str, str]:
    """{host: its state in a word}, of (host, whether it is up, whether it is cordoned)."""
    return {host: "cordoned" if up and cordoned else "up" if up else "down" for host, up, cordoned in hosts}


def drift_of_hosts(
    then: Mapping[str, str], members: Collection[str], services: Iterable[Service], share: float
) -> str | None:
    """Why the hosts are so different from those of the plan that it is stale; None: they are not."""
    now = standing_of(
        (service.host, service.up, not service.enabled) for service in services if service.host in members
    )
    changes = [
        f"{host} was {then.get(host, 'not there')} and is {now.get(host, 'not there')}"
        for host in sorted(then.keys() | now.keys())
        if then.get(host) != now.get(host)
    ]
    if len(changes) <= share * len(then):
        return None
    return f"{len(changes)} of {len(then)} hosts have changed since it was made: {'; '.join(changes[:5])}"
