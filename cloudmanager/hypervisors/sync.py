"""Bringing the inventory in line with Nova's hypervisors, in one transaction whatever their number.

The sync owns `hypervisor_id`, both allocation ratios, and `active` of nodes that it has made inactive itself;
`ip_addresses` it fills in where there are none. Every other field of a node that is there is the operator's.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import structlog
from sqlalchemy import bindparam, insert, select, update

from cloudmanager.errors import CloudError, NotFound
from cloudmanager.hypervisors.difference import Change, Difference, Kind, Known, Snapshot, decide
from cloudmanager.models import Event, Node, NodeClass, NodeImage, NodeType
from cloudmanager.openstack.records import AllocationRatios

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Table
    from sqlalchemy.orm import Session

    from cloudmanager.db import Database
    from cloudmanager.openstack.port import CloudPort

log = structlog.get_logger(__name__)

CLASS, IMAGE = "hypervisor", "default"
"""The class and the PXE image of a node that is created."""

FOUND, VANISHED, RETURNED = "hypervisor.found", "hypervisor.vanished", "hypervisor.returned"
UNCLEAR = "hypervisor.unclear"

_NODES = cast("Table", Node.__table__)


async def look(cloud: CloudPort) -> Snapshot:
    """What the cloud says now: one list from Nova, and a request to Placement for each hypervisor.

    Raises `CloudError` when Nova does not answer; without Placement the ratios are unknown.
    """
    hypervisors = await cloud.hypervisors()
    ratios: dict[str, AllocationRatios] = {}
    try:
        ratios = await _all_ratios(cloud, [each.id for each in hypervisors])
    except* CloudError as errors:
        log.warning("allocation ratios not read", why=str(errors.exceptions[0]))
    return Snapshot(hypervisors=hypervisors, ratios=ratios)


async def _all_ratios(cloud: CloudPort, ids: Sequence[str]) -> dict[str, AllocationRatios]:
    """Of all or of none: the first failure stops the other questions."""
    async with asyncio.TaskGroup() as group:
        asked = {key: group.create_task(_ratios(cloud, key)) for key in ids}
    return {key: task.result() for key, task in asked.items()}


async def _ratios(cloud: CloudPort, hypervisor_id: str) -> AllocationRatios:
    try:
        return await cloud.allocation_ratios(hypervisor_id)
    except NotFound:
        return AllocationRatios(cpu=None, ram=None)


def difference(database: Database, snapshot: Snapshot) -> Difference:
    """What would be changed."""
    with database.reading() as session:
        return decide(snapshot, _known(session))


class Synced(NamedTuple):
    """What was changed, and the kinds of the events that were recorded."""

    difference: Difference
    events: list[str]


def bring_in_line(database: Database, snapshot: Snapshot) -> Synced:
    """Change what differs."""
    with database.transaction() as session:
        return write(session, snapshot)


def write(session: Session, snapshot: Snapshot) -> Synced:
    """Change what differs, in a transaction of the caller."""
    class_id = session.scalar(_HYPERVISORS)
    found = decide(snapshot, _known(session))
    ids = _create(session, [each for each in found.changes if each.node_id is None], class_id)
    _update(session, [each for each in found.changes if each.node_id is not None])
    events = [_event(change, ids) for change in found.changes if _is_told(change)]
    events += _news(session, found)
    if events:
        session.execute(insert(Event), events)
    return Synced(found, [event["kind"] for event in events])


# --- reading -----------------------------------------------------------------------------------------------

_HYPERVISORS = select(NodeClass.id).where(NodeClass.name == CLASS).with_for_update(key_share=True)
"""Locked, so that two that sync at the same time do so one after the other."""


def _known(session: Session) -> list[Known]:
    columns = (
        _NODES.c.id,
        _NODES.c.name,
        _NODES.c.hypervisor_id,
        _NODES.c.active,
        _NODES.c.ip_addresses,
        _NODES.c.cpu_allocation_ratio,
        _NODES.c.ram_allocation_ratio,
    )
    last = _last_events(session, VANISHED, RETURNED)
    lost = {subject for subject, (kind, _) in last.items() if kind == VANISHED}
    rows = session.connection().execute(select(*columns).order_by(_NODES.c.id)).mappings()
    return [Known(**row, lost=f"node:{row['id']}" in lost) for row in rows]


def _last_events(session: Session, *kinds: str) -> dict[str, tuple[str, str]]:
    """{subject: kind and message of the last event of these kinds}."""
    query = select(Event.subject, Event.kind, Event.message).where(Event.kind.in_(kinds)).order_by(Event.id)
    return {subject: (kind, message) for subject, kind, message in session.execute(query)}


# --- writing -----------------------------------------------------------------------------------------------


def _create(session: Session, changes: Sequence[Change], class_id: int | None) -> dict[str, int]:
    """{hypervisor: its new node}."""
    if not changes:
        return {}
    if class_id is None:
        class_id = session.scalar(select(NodeClass.id).where(NodeClass.is_default))
    query = select(NodeType.name, NodeType.id).where(NodeType.node_class_id == class_id)
    types = {name.casefold(): key for name, key in session.execute(query)}
    image_id = session.scalar(select(NodeImage.id).where(NodeImage.image_name == IMAGE))
    rows = [
        {
            **change.values,
            "cpu_allocation_ratio": change.values.get("cpu_allocation_ratio"),
            "ram_allocation_ratio": change.values.get("ram_allocation_ratio"),
            "node_class_id": class_id,
            "node_type_id": types.get((change.hypervisor_type or "").casefold(), types.get("")),
            "image_id": image_id,
        }
        for change in changes
    ]
    created = session.execute(insert(Node).returning(Node.hypervisor_id, Node.id), rows)
    return {hypervisor_id: node_id for hypervisor_id, node_id in created if hypervisor_id}


def _update(session: Session, changes: Sequence[Change]) -> None:
    """One statement for all nodes that get other values of the same columns."""
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for change in changes:
        alike[tuple(sorted(change.values))].append({"node": change.node_id, **change.values})
    for columns, rows in alike.items():
        values: dict[str, Any] = {name: bindparam(name) for name in columns}
        statement = update(_NODES).where(_NODES.c.id == bindparam("node")).values(values)
        session.connection().execute(statement, rows)


def _is_told(change: Change) -> bool:
    return change.kind is not Kind.UPDATED or change.returned


def _event(change: Change, ids: dict[str, int]) -> dict[str, str]:
    named = f"{change.title} (hypervisor {change.hypervisor_id})"
    node_id = ids[change.hypervisor_id] if change.node_id is None else change.node_id
    kind, message = {
        Kind.CREATED: (FOUND, f"Nova has {named}: a node was created"),
        Kind.UPDATED: (RETURNED, f"Nova has {named} again: the node is active"),
        Kind.VANISHED: (VANISHED, f"Nova no longer has {named}: the node is inactive"),
    }[change.kind]
    return {"kind": kind, "subject": f"node:{node_id}", "message": message}


def _news(session: Session, found: Difference) -> list[dict[str, str]]:
    """Events for what is unclear, unless the last one of the same subject says the same."""
    if not found.unclear:
        return []
    said = _last_events(session, UNCLEAR)
    return [
        {"kind": UNCLEAR, "subject": each.subject, "message": each.message}
        for each in found.unclear
        if said.get(each.subject, ("", ""))[1] != each.message
    ]
