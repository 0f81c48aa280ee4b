"""The snapshot that is planned on: hosts, servers and server groups at one moment, immutable and checked.

What is not known is left out of a mapping, or None; it is never zero.
"""

from __future__ import annotations

import enum
import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from cloudmanager.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MB_PER_GB = 1024.0


class Resource(enum.StrEnum):
    """What hosts have and servers use, with its unit."""

    CPU = "cpu"
    """vCPUs; as a load: cores kept busy."""
    RAM = "ram"
    """MB."""
    DISK = "disk"
    """GB."""
    NETWORK = "network"
    """Mbit/s."""


class HostState(enum.StrEnum):
    """Whether servers can run on a host."""

    UP = "up"
    DOWN = "down"
    OFF = "off"
    """Switched off on purpose, and can be switched on."""


class Policy(enum.StrEnum):
    """What a server group asks for, in Nova's words."""

    AFFINITY = "affinity"
    ANTI_AFFINITY = "anti-affinity"
    SOFT_AFFINITY = "soft-affinity"
    SOFT_ANTI_AFFINITY = "soft-anti-affinity"


@dataclass(frozen=True)
class Host:
    """A compute host. `load` is what is measured on the whole host, its own processes included."""

    name: str
    capacity: Mapping[Resource, float]
    ratios: Mapping[Resource, float] = field(default_factory=dict)
    reserved: Mapping[Resource, float] = field(default_factory=dict)
    load: Mapping[Resource, float] = field(default_factory=dict)
    state: HostState = HostState.UP
    cordoned: bool = False
    zone: str | None = None
    cpu_model: str | None = None
    traits: frozenset[str] = frozenset()

    def room(self, resource: Resource) -> float | None:
        """How much of a resource Placement promises on this host; None: not known."""
        if resource not in self.capacity:
            return None
        left = self.capacity[resource] - self.reserved.get(resource, 0.0)
        return max(0.0, left) * self.ratios.get(resource, 1.0)


@dataclass(frozen=True)
class Server:
    """A virtual machine. `demand` is what its flavor reserves, `load` what it is measured to use.

    `local_disk_gb` is copied when it moves. `dirty_mb_s` is how fast it rewrites its memory. `moved_at` is on
    the clock of `Snapshot.taken_at`. `busy` says what Nova is doing with it, which forbids to move it, and
    `stuck` why else it cannot move.
    """

    id: str
    host: str
    demand: Mapping[Resource, float]
    load: Mapping[Resource, float] = field(default_factory=dict)
    name: str = ""
    zone: str | None = None
    required_traits: frozenset[str] = frozenset()
    running: bool = True
    pinned: bool = False
    locked: bool = False
    excluded: bool = False
    busy: str | None = None
    stuck: str | None = None
    local_disk_gb: float = 0.0
    dirty_mb_s: float | None = None
    moved_at: float | None = None

    @property
    def label(self) -> str:
        """What people call it."""
        return self.name or self.id

    def gigabytes_to_move(self, bandwidth_mb_s: float) -> float:
        """What a move copies. Memory that is rewritten meanwhile is copied again, and again.

        That is a geometric series; a server that writes as fast as the network copies would never end, and
        counts as ten passes.
        """
        rewritten = min(0.9, (self.dirty_mb_s or 0.0) / bandwidth_mb_s) if self.running else 0.0
        return self.demand.get(Resource.RAM, 0.0) / MB_PER_GB / (1.0 - rewritten) + self.local_disk_gb


@dataclass(frozen=True)
class Group:
    """Servers that belong together or apart. `limit`: how many of them an anti-affinity lets share a host."""

    id: str
    policy: Policy
    members: frozenset[str]
    limit: int = 1


@dataclass(frozen=True)
class Snapshot:
    """An aggregate at one moment, in order of names: the order in which it was read changes nothing.

    Raises InvalidInput when it contradicts itself.
    """

    hosts: tuple[Host, ...]
    servers: tuple[Server, ...]
    groups: tuple[Group, ...] = ()
    taken_at: float = 0.0

    def __post_init__(self) -> None:
        _set = object.__setattr__
        _set(self, "hosts", tuple(sorted(self.hosts, key=lambda host: host.name)))
        _set(self, "servers", tuple(sorted(self.servers, key=lambda server: server.id)))
        _set(self, "groups", tuple(sorted(self.groups, key=lambda group: group.id)))
        _check(self)

    @cached_property
    def host_index(self) -> dict[str, int]:
        """{name of a host: its place in `hosts`}."""
        return {host.name: index for index, host in enumerate(self.hosts)}

    @cached_property
    def server_index(self) -> dict[str, int]:
        """{id of a server: its place in `servers`}."""
        return {server.id: index for index, server in enumerate(self.servers)}

    def moved(self, destinations: Mapping[str, str]) -> Snapshot:
        """The same aggregate with some servers, by id, on other hosts.

        What was measured on a whole host goes along with the servers.
        """
        shift: defaultdict[tuple[str, Resource], float] = defaultdict(float)
        for server in self.servers:
            if (to := destinations.get(server.id, server.host)) != server.host:
                for resource, amount in server.load.items():
                    shift[server.host, resource] -= amount
                    shift[to, resource] += amount
        return replace(
            self,
            hosts=tuple(
                replace(host, load={key: value + shift[host.name, key] for key, value in host.load.items()})
                for host in self.hosts
            ),
            servers=tuple(
                replace(server, host=destinations.get(server.id, server.host)) for server in self.servers
            ),
        )


def _check(snapshot: Snapshot) -> None:
    _unique("host", (host.name for host in snapshot.hosts))
    _unique("server", (server.id for server in snapshot.servers))
    _unique("server group", (group.id for group in snapshot.groups))
    for host in snapshot.hosts:
        for amounts in (host.capacity, host.ratios, host.reserved, host.load):
            _amounts(f"host {host.name}", amounts)
    for server in snapshot.servers:
        if server.host not in snapshot.host_index:
            raise InvalidInput(f"server {server.id} is on {server.host}, which is not among the hosts")
        for amounts in (server.demand, server.load):
            _amounts(f"server {server.id}", amounts)
        if not (0 <= server.local_disk_gb < math.inf and 0 <= (server.dirty_mb_s or 0) < math.inf):
            raise InvalidInput(f"server {server.id}: what a move copies is not a number from 0 up")
    for group in snapshot.groups:
        if group.limit < 1:
            raise InvalidInput(f"server group {group.id} lets {group.limit} of its servers share a host")


def _unique(noun: str, names: Iterable[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InvalidInput(f"{noun} {twice[0]} is there twice")


def _amounts(owner: str, amounts: Mapping[Resource, float]) -> None:
    for resource, amount in amounts.items():
        if not (math.isfinite(amount) and amount >= 0):
            raise InvalidInput(f"{owner}: {resource} is {amount}, not a number from 0 up")
