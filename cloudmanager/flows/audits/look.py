"""What the cloud says of an aggregate's hosts and servers, as the planner reads it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cloudmanager.drs.cluster import Group, Host, HostState, Policy, Resource, Server, Snapshot
from cloudmanager.errors import NotFound
from cloudmanager.flows.audits.reading import demand_of, local_disk_of, moved_at, required_traits, why_stuck
from cloudmanager.flows.hosts.survey import where_members_are
from cloudmanager.load_sources.left_out import some_of
from cloudmanager.load_sources.source import Loads
from cloudmanager.openstack.records import MigrationType

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from cloudmanager.load_sources.source import LoadSource
    from cloudmanager.openstack import records
    from cloudmanager.openstack.port import CloudPort

PARKED = "cloudmanager: park-host"
"""How the reason of a cordon begins that the balancer gave to a host which it has switched off."""

_CLASSES = {"VCPU": Resource.CPU, "MEMORY_MB": Resource.RAM, "DISK_GB": Resource.DISK}
_MOVES = frozenset({MigrationType.LIVE, MigrationType.COLD, MigrationType.EVACUATION, MigrationType.RESIZE})
_YES = ("true", "1", "yes")
_NO = ("false", "0", "no")


@dataclass(frozen=True)
class Terms:
    """What is not the cloud's to say. `network` in Mbit/s for each host, 0: not known."""

    allow_off_vm: bool = False
    copy_disks: bool = True
    network: float = 0.0

    @classmethod
    def of(cls, drs: Any, params: Mapping[str, Any]) -> Terms:
        """What [drs] says of servers and hosts, and a request instead."""
        allowed = params.get("allow_off_vm")
        return cls(
            allow_off_vm=drs.allow_off_vm if allowed is None else allowed,
            copy_disks=drs.copy_local_disks,
            network=drs.host_network,
        )


@dataclass(frozen=True)
class Seen:
    """A snapshot, the running moves to or from its hosts, and what is to be said about how it was read."""

    snapshot: Snapshot
    moving: tuple[records.Migration, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _HostFacts:
    """What was read of one host."""

    service: records.Service
    hypervisor: records.Hypervisor | None
    stocks: Mapping[str, records.Stock]
    traits: frozenset[str]
    servers: Sequence[records.Server]
    migrations: Sequence[records.Migration]


@dataclass
class _Reading:
    """The hosts by name; what is to be said."""

    hosts: dict[str, _HostFacts] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


async def aggregate_of(cloud: CloudPort, aggregate_id: int) -> records.Aggregate:
    """The aggregate of this id; `NotFound`."""
    for aggregate in await cloud.aggregates():
        if aggregate.id == aggregate_id:
            return aggregate
    raise NotFound(f"Nova knows no aggregate {aggregate_id}")


async def look(
    cloud: CloudPort, hosts: Collection[str], source: LoadSource, terms: Terms, now: float
) -> Seen:
    """These hosts and their servers now. Servers that are on their way to a host count there too."""
    read = await _read(cloud, hosts)
    servers = [server for facts in read.hosts.values() for server in facts.servers]
    loads = await source.measure(sorted(read.hosts), servers)
    moving = _moving(read)
    groups, torn = await _groups(cloud, servers)
    arriving = await _arriving(cloud, moving, read, terms)

    def snapshot() -> Snapshot:
        present = [
            _server(server, facts, loads, terms, torn)
            for facts in read.hosts.values()
            for server in facts.servers
        ]
        found = tuple(_host(facts, loads, terms) for facts in read.hosts.values())
        return Snapshot(found, (*present, *arriving), groups, now)

    made = await asyncio.to_thread(snapshot)  # of twenty thousand servers it takes a while
    return Seen(made, moving, (*read.notes, *loads.notes))


def on_its_way(server: Server, host: str) -> Server:
    """The copy of a server that a move is making on a host."""
    return replace(
        server, id=f"{server.id} on its way", host=host, load={}, stuck="it is on its way", zone=None
    )


# --- reading ---------------------------------------------------------------------------------------------


async def _read(cloud: CloudPort, hosts: Collection[str]) -> _Reading:
    services = {service.host: service for service in await cloud.services()}
    nodes: dict[str, list[records.Hypervisor]] = {}
    for hypervisor in await cloud.hypervisors():
        nodes.setdefault(hypervisor.host, []).append(hypervisor)
    reading = _Reading()
    known = sorted(host for host in set(hosts) if host in services and len(nodes.get(host, ())) <= 1)
    if missing := set(hosts) - services.keys():
        reading.notes.append(f"left out, because Nova has no nova-compute there: {some_of(missing)}")
    if several := set(hosts) - missing - set(known):
        reading.notes.append(f"left out, because they are many compute nodes each: {some_of(several)}")
    found = await asyncio.gather(
        *(_read_host(cloud, services[host], next(iter(nodes.get(host, ())), None)) for host in known)
    )
    reading.hosts = dict(zip(known, found, strict=True))
    wanted = {
        trait for facts in found for server in facts.servers for trait in required_traits(server.flavor)
    }
    if wanted:
        await _read_traits(cloud, reading)
    if unknown := [host for host, facts in reading.hosts.items() if not facts.stocks]:
        reading.notes.append(f"Placement does not know what they have: {some_of(unknown)}")
    return reading


async def _read_host(
    cloud: CloudPort, service: records.Service, hypervisor: records.Hypervisor | None
) -> _HostFacts:
    servers, migrations = await asyncio.gather(
        cloud.servers_on(service.host), cloud.migrations_of_host(service.host)
    )
    stocks: Mapping[str, records.Stock] = {}
    if hypervisor is not None:
        try:
            stocks = await cloud.stocks(hypervisor.id)
        except NotFound:
            stocks = {}
    return _HostFacts(service, hypervisor, stocks, frozenset(), servers, migrations)


async def _read_traits(cloud: CloudPort, reading: _Reading) -> None:
    async def of_host(facts: _HostFacts) -> frozenset[str]:
        if facts.hypervisor is None or not facts.stocks:
            return frozenset()
        return await cloud.traits(facts.hypervisor.id)

    found = await asyncio.gather(*(of_host(facts) for facts in reading.hosts.values()))
    for (host, facts), traits in zip(list(reading.hosts.items()), found, strict=True):
        reading.hosts[host] = replace(facts, traits=traits)


async def _groups(
    cloud: CloudPort, servers: Sequence[records.Server]
) -> tuple[tuple[Group, ...], frozenset[str]]:
    """The groups of these servers; and those whose affinity binds them to servers that are elsewhere."""
    ours = {server.id for server in servers}
    mine = [group for group in await cloud.server_groups() if group.members & ours]
    bound = [group for group in mine if group.policy == Policy.AFFINITY]
    elsewhere = await where_members_are(cloud, servers, [group.members for group in bound])
    torn = {
        member
        for group in bound
        if any(other in elsewhere for other in group.members - ours)
        for member in group.members
    }
    known = {str(policy) for policy in Policy}
    found = tuple(
        Group(group.id, Policy(group.policy), group.members, group.limit)
        for group in mine
        if group.policy in known
    )
    return found, frozenset(torn)


# --- as the planner reads it -----------------------------------------------------------------------------


def _host(facts: _HostFacts, loads: Loads, terms: Terms) -> Host:
    service, cpu = facts.service, facts.hypervisor.cpu if facts.hypervisor else None
    stocks = {_CLASSES[kind]: stock for kind, stock in facts.stocks.items() if kind in _CLASSES}
    network = {Resource.NETWORK: terms.network} if terms.network else {}
    return Host(
        service.host,
        {resource: stock.total for resource, stock in stocks.items()} | network,
        ratios={resource: stock.ratio for resource, stock in stocks.items()},
        reserved={resource: stock.reserved for resource, stock in stocks.items()},
        load=loads.hosts.get(service.host, {}),
        state=_state(service),
        cordoned=not service.enabled,
        zone=service.zone,
        cpu_model=" ".join(filter(None, (cpu.arch, cpu.vendor, cpu.model))) or None if cpu else None,
        traits=facts.traits,
    )


def _state(service: records.Service) -> HostState:
    if service.up:
        return HostState.UP
    parked = not service.enabled and (service.disabled_reason or "").startswith(PARKED)
    return HostState.OFF if parked else HostState.DOWN


def _server(
    server: records.Server, facts: _HostFacts, loads: Loads, terms: Terms, torn: Collection[str]
) -> Server:
    binding = "its affinity group has servers outside of this aggregate" if server.id in torn else None
    return Server(
        server.id,
        facts.service.host,
        demand_of(server),
        load=loads.servers.get(server.id, {}),
        name=server.name,
        zone=facts.service.zone,
        required_traits=required_traits(server.flavor),
        running=server.vm_state != "stopped",
        pinned=server.metadata.get("pinned", "").lower() in _YES,
        locked=server.locked,
        excluded=server.metadata.get("balance", "").lower() in _NO,
        busy=server.task_state,
        stuck=binding or why_stuck(server, cold=terms.allow_off_vm),
        local_disk_gb=local_disk_of(server) if terms.copy_disks else 0.0,
        moved_at=moved_at(server.id, facts.migrations),
    )


def _moving(read: _Reading) -> tuple[records.Migration, ...]:
    """The moves that have not ended, each once."""
    return tuple(
        {
            record.id: record
            for facts in read.hosts.values()
            for record in facts.migrations
            if record.type in _MOVES and not record.ended
        }.values()
    )


async def _arriving(
    cloud: CloudPort, moving: Iterable[records.Migration], read: _Reading, terms: Terms
) -> list[Server]:
    """Copies on the hosts to which servers are moving; records that nobody works on any more are none."""
    by_id = {server.id: server for facts in read.hosts.values() for server in facts.servers}
    found = {}
    for record in moving:
        if record.destination not in read.hosts:
            continue
        facts = read.hosts[record.destination]
        try:
            server = by_id.get(record.server_id) or await cloud.server(record.server_id)
        except NotFound:
            continue
        if server.task_state is not None and server.host != record.destination:
            found[server.id] = on_its_way(_server(server, facts, Loads(), terms, ()), record.destination)
    return list(found.values())
