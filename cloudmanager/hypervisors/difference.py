"""What must change in the inventory so that it has Nova's hypervisors: decided from two snapshots alone.

A hypervisor's node is the one with its id. Else it is the one with its name, or the one named like the host
of its nova-compute when that serves no other hypervisor. Where this is not clear, the nodes concerned are
left alone.
"""

from __future__ import annotations

import enum
import ipaddress
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloudmanager.models import folded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cloudmanager.openstack.records import AllocationRatios, Hypervisor

CLOUD = "cloud:nova"
"""The subject of what concerns no single hypervisor."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What the cloud said. A hypervisor without ratios: Placement was not asked, or did not answer."""

    hypervisors: Sequence[Hypervisor]
    ratios: Mapping[str, AllocationRatios] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Known:
    """A node of the inventory. `lost`: it is inactive because an earlier sync missed its hypervisor."""

    id: int
    name: str | None
    hypervisor_id: str | None = None
    active: bool = True
    lost: bool = False
    ip_addresses: Sequence[str] | None = None
    cpu_allocation_ratio: float | None = None
    ram_allocation_ratio: float | None = None

    @property
    def title(self) -> str:
        """The node for people."""
        return self.name or f"node {self.id}"


class Kind(enum.StrEnum):
    """What happens to a node."""

    CREATED = "created"
    UPDATED = "updated"
    VANISHED = "vanished"


@dataclass(frozen=True, kw_only=True)
class Change:
    """A node that is created (`node_id` is None) or gets other values. `before` has what they replace."""

    kind: Kind
    hypervisor_id: str
    node_id: int | None
    title: str
    values: Mapping[str, Any]
    before: Mapping[str, Any] = field(default_factory=dict)
    hypervisor_type: str | None = None

    @property
    def returned(self) -> bool:
        """Whether a node that was lost is there again."""
        return self.kind is Kind.UPDATED and bool(self.values.get("active"))

    @property
    def line(self) -> str:
        """The change in one line."""
        if self.kind is Kind.CREATED:
            return f"+ {self.title}"
        told = (f"{name} {self.before[name]} -> {value}" for name, value in self.values.items())
        return f"~ {self.title}: {', '.join(told)}"


@dataclass(frozen=True)
class Unclear:
    """Why nothing was done about a hypervisor, or about any; the message names the way out."""

    subject: str
    message: str


@dataclass(frozen=True)
class Difference:
    """All that is to be done, and what is left to people."""

    changes: tuple[Change, ...] = ()
    unclear: tuple[Unclear, ...] = ()

    def count(self, kind: Kind) -> int:
        """How many changes are of a kind."""
        return sum(change.kind is kind for change in self.changes)


def decide(snapshot: Snapshot, nodes: Sequence[Known]) -> Difference:
    """The changes, such that deciding again after them finds none.

    When every node that has a hypervisor would lose it, nothing is changed: rather the answer is wrong, or
    the cloud is another one.
    """
    hypervisors = {each.id: each for each in snapshot.hypervisors}
    matches = list(_matches(list(hypervisors.values()), nodes))
    unclear = tuple(_unclear(match) for match in matches if match.why)
    left_alone = {node.id for match in matches if match.why for node in match.nodes}
    lost = [node for node in nodes if node.hypervisor_id and node.hypervisor_id not in hypervisors]
    vanished = [node for node in lost if node.active and node.id not in left_alone]
    if vanished and len(lost) == sum(bool(node.hypervisor_id) for node in nodes):
        return Difference(unclear=(_suspicious(len(lost), len(hypervisors)),))
    found = (_change(match, snapshot.ratios.get(match.hypervisor.id)) for match in matches if not match.why)
    changes = (*(change for change in found if change), *map(_loss, vanished))
    return Difference(changes, unclear)


# --- which node is which hypervisor ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Match:
    """A hypervisor with the nodes that may be its own; `why` it is not clear which."""

    hypervisor: Hypervisor
    nodes: tuple[Known, ...]
    why: str = ""


def _matches(hypervisors: Sequence[Hypervisor], nodes: Sequence[Known]) -> Iterator[_Match]:
    by_id: dict[str, list[Known]] = {}
    for node in nodes:
        if node.hypervisor_id:
            by_id.setdefault(node.hypervisor_id, []).append(node)
    by_name = {folded(node.name): node for node in nodes if node.name}
    names = Counter(folded(each.name) for each in hypervisors)
    hosts = Counter(folded(each.host) for each in hypervisors)
    for each in hypervisors:
        name, host = folded(each.name), folded(each.host)
        own = by_id.get(each.id, [])
        found = {node.id: node for node in (*own, *filter(None, [by_name.get(name)]))}
        if not found and hosts[host] == 1 and not names[host] and host in by_name:
            named = by_name[host]
            found = {} if named.hypervisor_id else {named.id: named}
        candidates = tuple(found.values())
        yield _Match(each, candidates, _doubt(each, candidates, shares_name=not own and names[name] > 1))


def _doubt(hypervisor: Hypervisor, candidates: Sequence[Known], *, shares_name: bool) -> str:
    """Why it is not clear which node is the hypervisor's; empty when it is."""
    if shares_name:
        return "Nova has another hypervisor of that name: give its node the hypervisor_id by hand"
    if len(candidates) > 1:
        titles = " and ".join(f"{node.title} (id {node.id})" for node in candidates)
        return f"{titles} both match: delete one, or correct its name or hypervisor_id"
    if candidates and candidates[0].hypervisor_id not in (None, "", hypervisor.id):
        [node] = candidates
        return (
            f"node {node.id} has that name, but hypervisor_id {node.hypervisor_id}: "
            "if it is the same machine, set its hypervisor_id to null"
        )
    return ""


def _unclear(match: _Match) -> Unclear:
    hypervisor = match.hypervisor
    return Unclear(
        f"hypervisor:{hypervisor.id}", f"hypervisor {hypervisor.id} ({hypervisor.name}): {match.why}"
    )


def _suspicious(known: int, found: int) -> Unclear:
    return Unclear(
        CLOUD,
        f"Nova names {found} hypervisors, and none of the {known} that the inventory has, so nothing was "
        "changed: check [nova]; if they are really gone, set `active` of their nodes to false",
    )


# --- what changes ------------------------------------------------------------------------------------------


def _change(match: _Match, ratios: AllocationRatios | None) -> Change | None:
    hypervisor = match.hypervisor
    wanted: dict[str, Any] = {"hypervisor_id": hypervisor.id}
    if ratios is not None:
        wanted |= {"cpu_allocation_ratio": ratios.cpu, "ram_allocation_ratio": ratios.ram}
    address = _address(hypervisor.ip)
    if not match.nodes:
        new = {"name": hypervisor.name, **wanted, "ip_addresses": [address] if address else None}
        return Change(
            kind=Kind.CREATED,
            hypervisor_id=hypervisor.id,
            node_id=None,
            title=hypervisor.name,
            values=new,
            hypervisor_type=hypervisor.type,
        )
    [node] = match.nodes
    if address and not node.ip_addresses:
        wanted["ip_addresses"] = [address]
    if node.lost and not node.active:
        wanted["active"] = True
    return _update(node, Kind.UPDATED, hypervisor.id, wanted)


def _loss(node: Known) -> Change:
    gone = {"active": False, "cpu_allocation_ratio": None, "ram_allocation_ratio": None}
    change = _update(node, Kind.VANISHED, node.hypervisor_id or "", gone)
    assert change is not None  # noqa: S101 - it was active
    return change


def _update(node: Known, kind: Kind, hypervisor_id: str, wanted: Mapping[str, Any]) -> Change | None:
    before = {name: getattr(node, name) for name in wanted}
    values = {name: value for name, value in wanted.items() if before[name] != value}
    if not values:
        return None
    return Change(
        kind=kind,
        hypervisor_id=hypervisor_id,
        node_id=node.id,
        title=node.title,
        values=values,
        before={name: before[name] for name in values},
    )


def _address(text: str | None) -> str | None:
    """An address in its canonical spelling; None for what is none, as some drivers say."""
    try:
        return str(ipaddress.ip_address(text)) if text else None
    except ValueError:
        return None
