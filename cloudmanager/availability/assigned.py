"""Which nodes write to which availability storages."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sqlalchemy import select

from cloudmanager.availability.heartbeats import Storage
from cloudmanager.models import AvailabilityStorage, NodeAvailabilityStorage

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def storages_of(session: Session, node_id: int | None = None) -> dict[int, tuple[Storage, ...]]:
    """{node: its storages} of one node, or of all that have any."""
    query = select(
        NodeAvailabilityStorage.node_id,
        AvailabilityStorage.id,
        AvailabilityStorage.name,
        AvailabilityStorage.controller_path,
    ).join(AvailabilityStorage, AvailabilityStorage.id == NodeAvailabilityStorage.availability_storage_id)
    if node_id is not None:
        query = query.where(NodeAvailabilityStorage.node_id == node_id)
    found: defaultdict[int, list[Storage]] = defaultdict(list)
    for node, storage_id, name, path in session.execute(query.order_by(AvailabilityStorage.id)):
        found[node].append(Storage(storage_id, name, path))
    return {node: tuple(storages) for node, storages in found.items()}
