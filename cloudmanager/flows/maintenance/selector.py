"""Which hosts a window is for: what is given in its `hosts` is combined by *and*, each list by *or*."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cloudmanager.models import Node, NodeClass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.openstack.port import CloudPort
    from cloudmanager.openstack.records import Aggregate, Hypervisor, Service

RACK = ("dtc_number", "row_number", "rack_number")
"""What says where a rack is."""


@dataclass(frozen=True)
class CloudHosts:
    """The hosts of the cloud, in its own words."""

    services: Sequence[Service]
    hypervisors: Sequence[Hypervisor]
    aggregates: Sequence[Aggregate]

    @property
    def by_name(self) -> dict[str, Service]:
        """{host: its nova-compute}."""
        return {service.host: service for service in self.services}


@dataclass(frozen=True)
class Machine:
    """A node, as far as hosts are chosen by it."""

    name: str | None
    hypervisor_id: str | None
    class_id: int | None
    class_name: str | None
    rack: tuple[int | None, int | None, int | None]


async def cloud_hosts(cloud: CloudPort) -> CloudHosts:
    """Ask the cloud for all that hosts are chosen by."""
    return CloudHosts(await cloud.services(), await cloud.hypervisors(), await cloud.aggregates())


def machines(session: Session) -> list[Machine]:
    """All nodes that may be hosts."""
    place = [getattr(Node, name) for name in RACK]
    query = select(Node.name, Node.hypervisor_id, Node.node_class_id, NodeClass.name, *place)
    rows = session.execute(query.outerjoin(NodeClass, NodeClass.id == Node.node_class_id))
    return [
        Machine(name, hypervisor_id, class_id, class_name, (dtc, row, rack))
        for name, hypervisor_id, class_id, class_name, dtc, row, rack in rows
    ]


def choose(selector: Mapping[str, Any], known: CloudHosts, nodes: Sequence[Machine]) -> list[str]:
    """The names of the hosts, sorted; names that Nova does not know are among them, if they were given."""
    sets = [choice(selector[key], known, nodes) for key, choice in _CHOICES.items() if key in selector]
    return sorted(set.intersection(*sets)) if sets else []


def _by_name(names: Sequence[str], _known: CloudHosts, _nodes: Sequence[Machine]) -> set[str]:
    return set(names)


def _by_class(classes: Sequence[Any], known: CloudHosts, nodes: Sequence[Machine]) -> set[str]:
    return _hosts_on([node for node in nodes if {node.class_id, node.class_name} & set(classes)], known)


def _by_rack(racks: Sequence[Mapping[str, int]], known: CloudHosts, nodes: Sequence[Machine]) -> set[str]:
    return _hosts_on([node for node in nodes if any(_is_in(node, rack) for rack in racks)], known)


def _is_in(node: Machine, rack: Mapping[str, int]) -> bool:
    return all(rack.get(name, at) == at for name, at in zip(RACK, node.rack, strict=True))


def _by_aggregate(wanted: Sequence[Any], known: CloudHosts, _nodes: Sequence[Machine]) -> set[str]:
    found = [aggregate for aggregate in known.aggregates if {aggregate.id, aggregate.name} & set(wanted)]
    return {host for aggregate in found for host in aggregate.hosts}


def _hosts_on(nodes: Sequence[Machine], known: CloudHosts) -> set[str]:
    """The hosts of these machines: by the hypervisor's id, or else by a name of it."""
    ids = {node.hypervisor_id for node in nodes if node.hypervisor_id}
    names = {node.name for node in nodes if node.name}
    found = {each.host for each in known.hypervisors if each.id in ids or names & {each.name, each.host}}
    return found | (names & set(known.by_name))


_CHOICES: Mapping[str, Callable[[Any, CloudHosts, Sequence[Machine]], set[str]]] = {
    "names": _by_name,
    "node_classes": _by_class,
    "racks": _by_rack,
    "aggregates": _by_aggregate,
}
