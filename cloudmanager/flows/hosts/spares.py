"""The spares that there are, as they are now, and what is needed of one: looked up in inventory and cloud."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import exists, select

from cloudmanager.flows.hosts.loans import lent_for
from cloudmanager.flows.hosts.room import Ratios, Room, room_of
from cloudmanager.flows.hosts.spare_choice import Choice, Need, Spare, choose
from cloudmanager.flows.locks import holders
from cloudmanager.flows.servers.ways import priority
from cloudmanager.hypervisors.sync import CLASS
from cloudmanager.models import Node, NodeClass, NodeControl

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.openstack.port import CloudPort
    from cloudmanager.openstack.records import Aggregate, Flavor, Hypervisor, Server, Service

    Reader = Callable[[Callable[[Session], "list[Reserved]"]], Awaitable["list[Reserved]"]]

_LIST_AGE = 5.0


class Reserved(NamedTuple):
    """A reserved node of the class hypervisor, and who holds it or has it."""

    node_id: int
    host: str
    condition: int
    ram_mb: int | None
    ratios: Ratios
    has_control: bool
    held_by: str | None
    lent_for: str | None


async def find_spare(cloud: CloudPort, read: Reader, lost_host: str) -> Choice:
    """Which spares could stand in for a host; nothing is touched."""
    services = await cloud.services(max_age=_LIST_AGE)
    hypervisors = await cloud.hypervisors(max_age=_LIST_AGE)
    aggregates = await cloud.aggregates()
    servers = to_evacuate(await cloud.servers_on(lost_host))
    by_host = {hypervisor.host: hypervisor for hypervisor in hypervisors}
    need = Need(
        lost_host,
        servers=tuple(servers),
        hypervisor=by_host.get(lost_host),
        aggregates=_of(lost_host, aggregates),
    )
    rows = await read(lambda session: reserved(session, hypervisors))
    known = {service.host: service for service in services}
    return choose([_spare(row, known, by_host, aggregates) for row in rows], need)


def to_evacuate(servers: Iterable[Server]) -> list[Flavor]:
    """The sizes of those servers that are started elsewhere when their host is lost."""
    return [server.flavor for server in servers if server.flavor is not None and priority(server)]


def _spare(
    row: Reserved,
    services: Mapping[str, Service],
    hypervisors: Mapping[str, Hypervisor],
    aggregates: Sequence[Aggregate],
) -> Spare:
    hypervisor = hypervisors.get(row.host)
    room = room_of(hypervisor, row.ratios) if hypervisor is not None else Room(None, row.ram_mb)
    return Spare(
        row.node_id,
        row.host,
        row.condition,
        has_control=row.has_control,
        held_by=row.held_by,
        lent_for=row.lent_for,
        service=services.get(row.host),
        hypervisor=hypervisor,
        room=room,
        aggregates=_of(row.host, aggregates),
    )


def _of(host: str, aggregates: Iterable[Aggregate]) -> tuple[Aggregate, ...]:
    return tuple(aggregate for aggregate in aggregates if host in aggregate.hosts)


# --- the inventory -----------------------------------------------------------------------------------------


def reserved(session: Session, hypervisors: Iterable[Hypervisor]) -> list[Reserved]:
    """All reserved nodes; without those whose host is a guess, since several nodes answer to it."""
    host_of = {hypervisor.id: hypervisor.host for hypervisor in hypervisors}
    query = (
        select(
            Node.id,
            Node.name,
            Node.hypervisor_id,
            Node.condition,
            Node.ram_mb,
            Node.cpu_allocation_ratio,
            Node.ram_allocation_ratio,
            exists().where(NodeControl.node_id == Node.id).label("has_control"),
        )
        .join(NodeClass, NodeClass.id == Node.node_class_id)
        .where(Node.is_reserved, NodeClass.name == CLASS)
        .order_by(Node.id)
    )
    rows = [(host_of.get(row.hypervisor_id or "", row.name or ""), row) for row in session.execute(query)]
    answering = Counter(host for host, _ in rows)
    rows = [(host, row) for host, row in rows if host and answering[host] == 1]
    subjects = [subject for host, row in rows for subject in (f"host:{host}", f"node:{row.id}")]
    held, lent = holders(session, subjects), lent_for(session)
    return [
        Reserved(
            row.id,
            host,
            row.condition,
            row.ram_mb,
            (row.cpu_allocation_ratio, row.ram_allocation_ratio),
            row.has_control,
            held.get(f"host:{host}") or held.get(f"node:{row.id}"),
            lent.get(row.id),
        )
        for host, row in rows
    ]


def ratios(session: Session, hypervisor_ids: Iterable[str]) -> dict[str, Ratios]:
    """{hypervisor: by how much it may promise more than it has}, as far as the inventory knows."""
    query = select(Node.hypervisor_id, Node.cpu_allocation_ratio, Node.ram_allocation_ratio)
    rows = session.execute(query.where(Node.hypervisor_id.in_(list(hypervisor_ids))))
    return {hypervisor_id or "": (cpu, ram) for hypervisor_id, cpu, ram in rows}
