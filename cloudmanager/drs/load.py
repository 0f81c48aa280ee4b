"""What servers and hosts use; what is not measured is said, and never read as zero."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from cloudmanager.drs.cluster import HostState, Resource

if TYPE_CHECKING:
    from cloudmanager.drs.cluster import Snapshot
    from cloudmanager.drs.problem import Floats

_ENOUGH = 0.5
"""Share of the servers that must be measured for a resource to be balanced by measurement."""


@dataclass(frozen=True)
class Load:
    """Of one resource: use by each server and by each host besides its servers, and what the host has of it.

    `measured` tells whether that is measured load or what flavors reserve. `guessed` are the indices of
    servers whose use is an estimate: they do not move for the sake of it.
    """

    resource: Resource
    measured: bool
    use: Floats
    rest: Floats
    room: Floats
    guessed: frozenset[int] = frozenset()


@dataclass
class Loads:
    """The resources that can be looked at, and what is to be said about the others."""

    known: list[Load] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def loads(snapshot: Snapshot) -> Loads:
    """Of every resource of which something is known."""
    found = Loads()
    for resource in Resource:
        load = _measured(snapshot, resource, found.notes) or _reserved(snapshot, resource)
        if load is not None:
            found.known.append(load)
    return found


def _measured(snapshot: Snapshot, resource: Resource, notes: list[str]) -> Load | None:
    """By measurement; None when too little is measured, which is said unless nothing is."""
    servers, hosts = snapshot.servers, snapshot.hosts
    known = [server for server in servers if resource in server.load]
    if not known or any(resource not in host.capacity for host in hosts if host.state is HostState.UP):
        return None
    if len(known) < _ENOUGH * len(servers):
        notes.append(
            f"the {resource} load of {len(known)} of {len(servers)} servers alone is known: "
            f"what their flavors reserve is taken instead"
        )
        return None
    typical = _typical(snapshot, resource)
    use = np.zeros(len(servers))
    guessed = set()
    for index, server in enumerate(servers):
        if resource in server.load:
            use[index] = server.load[resource]
        else:
            guessed.add(index)
            use[index] = typical * server.demand.get(resource, 1.0)
    if guessed:
        notes.append(
            f"the {resource} load of {len(guessed)} servers is not known: estimated, they do not move"
        )
    room = np.array([host.capacity.get(resource, 0.0) for host in hosts], dtype=np.float64)
    return Load(resource, True, use, _rest(snapshot, resource, use), room, frozenset(guessed))


def _typical(snapshot: Snapshot, resource: Resource) -> float:
    """The median load for each unit that flavors reserve, or for each server where they reserve none."""
    shares = [
        server.load[resource] / (server.demand.get(resource, 1.0) or 1.0)
        for server in snapshot.servers
        if resource in server.load
    ]
    return statistics.median(shares)


def _rest(snapshot: Snapshot, resource: Resource, use: Floats) -> Floats:
    """What hosts use besides their servers; nothing where the host itself is not measured."""
    place = np.array([snapshot.host_index[server.host] for server in snapshot.servers], dtype=np.intp)
    sums = np.bincount(place, use, len(snapshot.hosts))
    rest = [
        max(0.0, host.load[resource] - total) if resource in host.load else 0.0
        for host, total in zip(snapshot.hosts, sums, strict=True)
    ]
    return np.array(rest, dtype=np.float64)


def _reserved(snapshot: Snapshot, resource: Resource) -> Load | None:
    """By what flavors reserve, of what Placement promises; None when flavors say nothing of the resource."""
    if not any(server.demand.get(resource) for server in snapshot.servers):
        return None
    room = [host.room(resource) for host in snapshot.hosts]
    if any(
        have is None for have, host in zip(room, snapshot.hosts, strict=True) if host.state is HostState.UP
    ):
        return None
    use = np.array([server.demand.get(resource, 0.0) for server in snapshot.servers], dtype=np.float64)
    have = np.array([amount or 0.0 for amount in room], dtype=np.float64)
    return Load(resource, False, use, np.zeros(len(room)), have)
