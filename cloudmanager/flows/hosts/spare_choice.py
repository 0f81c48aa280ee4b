"""Which spare stands in for a lost host: pure functions over what the inventory and the cloud say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudmanager.flows.hosts.room import UNKNOWN, Room
from cloudmanager.flows.servers.destinations import same_cpu

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cloudmanager.openstack.records import Aggregate, Flavor, Hypervisor, Service

RESERVED = 4
"""The condition of a node that may be lent."""


@dataclass(frozen=True)
class Need:
    """A lost host: the sizes of what is to be started elsewhere, and where it belongs."""

    host: str
    servers: tuple[Flavor, ...] = ()
    hypervisor: Hypervisor | None = None
    aggregates: tuple[Aggregate, ...] = ()

    @property
    def vcpus(self) -> int:
        """Of all servers together."""
        return sum(flavor.vcpus for flavor in self.servers)

    @property
    def ram_mb(self) -> int:
        """Of all servers together."""
        return sum(flavor.ram_mb for flavor in self.servers)


@dataclass(frozen=True)
class Spare:
    """A reserved node. `service` and `hypervisor` None: Nova has never heard of its host."""

    node_id: int
    host: str
    condition: int = RESERVED
    has_control: bool = True
    held_by: str | None = None
    lent_for: str | None = None
    service: Service | None = None
    hypervisor: Hypervisor | None = None
    room: Room = UNKNOWN
    aggregates: tuple[Aggregate, ...] = ()


@dataclass(frozen=True)
class Choice:
    """The spares that fit, the best first; and why the others do not."""

    fitting: tuple[Spare, ...]
    unfit: Mapping[str, str]

    def why_none(self) -> str:
        """In words, for when none fits."""
        if not self.unfit:
            return "no node of the class hypervisor is reserved"
        return "; ".join(f"{host}: {why}" for host, why in self.unfit.items())

    def told(self) -> dict[str, Any]:
        """The best, or why there is none, in values that JSON can hold."""
        if not self.fitting:
            return {"host": None, "node_id": None, "reason": self.why_none()}
        return {"host": self.fitting[0].host, "node_id": self.fitting[0].node_id, "reason": None}


def choose(spares: Iterable[Spare], need: Need) -> Choice:
    """The same spares give the same choice, in whichever order they are told."""
    ordered = sorted(spares, key=lambda spare: (spare.host, spare.node_id))
    unfit = {spare.host: why for spare in ordered if (why := why_unfit(spare, need))}
    fitting = [spare for spare in ordered if spare.host not in unfit]
    return Choice(tuple(sorted(fitting, key=lambda spare: _rank(spare, need))), unfit)


def why_unfit(spare: Spare, need: Need) -> str | None:
    """Why it cannot stand in; None: it can, as far as is known."""
    return next(_reasons(spare, need), None)


def _reasons(spare: Spare, need: Need) -> Iterator[str]:
    yield from _by_record(spare, need)
    if spare.service is not None:
        yield from _by_service(spare.service)
    if spare.hypervisor is not None:
        yield from _by_hypervisor(spare.hypervisor, need)
    if need.servers and not any(spare.room.holds(each.vcpus, each.ram_mb) for each in need.servers):
        yield f"none of the servers goes in: it has room for {spare.room}"


def _by_record(spare: Spare, need: Need) -> Iterator[str]:
    if spare.host == need.host:
        yield "it is the lost host itself"
    if spare.condition != RESERVED:
        yield f"its condition is {spare.condition}, not {RESERVED} (reserved)"
    if spare.lent_for:
        yield f"it is lent for {spare.lent_for}"
    if spare.held_by:
        yield f"task {spare.held_by} holds it"
    if not spare.has_control:
        yield "it has no power control"


def _by_service(service: Service) -> Iterator[str]:
    if service.forced_down:
        yield "it was declared down in Nova"
    if service.up and service.enabled:
        yield "it takes servers already"


def _by_hypervisor(hypervisor: Hypervisor, need: Need) -> Iterator[str]:
    if hypervisor.running_servers:
        yield f"it has {hypervisor.running_servers} servers"
    if not same_cpu(need.hypervisor, hypervisor):
        yield "its CPU is another model"


def _rank(spare: Spare, need: Need) -> tuple[object, ...]:
    """Best first: known to Nova, can join most of what is lost, most like it already, and of the right size.

    The least large of those that hold all servers; else the largest, since others may hold the rest.
    """
    _, barred = to_join(spare.host, need.aggregates, spare.aggregates)
    shared = _labels(spare.aggregates) & _labels(need.aggregates)
    small = not spare.room.holds(need.vcpus, need.ram_mb)
    size = [float("inf") if part is None else part for part in (spare.room.ram_mb, spare.room.vcpus)]
    by_size = [-part for part in size] if small else size
    return (spare.service is None, len(barred), -len(shared), small, *by_size, spare.host, spare.node_id)


def _labels(aggregates: Iterable[Aggregate]) -> set[tuple[str, str]]:
    """What is said of the hosts of these aggregates: their metadata, of which the zone is a part."""
    found = {label for aggregate in aggregates for label in aggregate.metadata.items()}
    return found | {("availability_zone", aggregate.zone) for aggregate in aggregates if aggregate.zone}


def to_join(
    host: str, wanted: Iterable[Aggregate], own: Iterable[Aggregate]
) -> tuple[Sequence[Aggregate], Mapping[str, str]]:
    """Which of the wanted aggregates the host is to join, and {name: why not} of those that it cannot.

    A host may be in one availability zone only: Nova refuses a second.
    """
    zones = {aggregate.zone for aggregate in own if aggregate.zone}
    joins: list[Aggregate] = []
    barred: dict[str, str] = {}
    for aggregate in sorted(wanted, key=lambda aggregate: aggregate.id):
        if host in aggregate.hosts:
            continue
        if aggregate.zone and zones and aggregate.zone not in zones:
            own_zone = ", ".join(sorted(zones))
            barred[aggregate.name] = f"it is zone {aggregate.zone}, and {host} is in {own_zone}"
            continue
        joins.append(aggregate)
        zones |= {aggregate.zone} if aggregate.zone else set()
    return joins, barred
