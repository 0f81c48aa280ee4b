"""Availability storages: shared directories in which nodes show that they are alive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields
from sqlalchemy import select

from cloudmanager.api import filters
from cloudmanager.api.body import Body
from cloudmanager.api.fields import directory, name
from cloudmanager.api.reading import Nested, Source
from cloudmanager.api.resource import Resource
from cloudmanager.api.usage import refuse_if_used
from cloudmanager.models import AvailabilityStorage, Node, NodeAvailabilityStorage

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint(
    "availability-storages", __name__, url_prefix="/v1", description="Where nodes show that they are alive"
)


class StorageBody(Body):
    """A new availability storage."""

    name = name(required=True)
    compute_path = directory(required=True)
    controller_path = directory(required=True)


class StorageChange(Body):
    """Changes of an availability storage."""

    name = name()
    compute_path = directory()
    controller_path = directory()


class NodeReference(Schema):
    """A node that uses an availability storage."""

    id = fields.Integer()
    name = fields.String(allow_none=True)


class StorageShape(Schema):
    """A directory that nodes see at `compute_path` and this daemon at `controller_path`."""

    id = fields.Integer()
    name = fields.String()
    compute_path = fields.String()
    controller_path = fields.String()
    created_at = fields.DateTime()
    updated_at = fields.DateTime(allow_none=True)
    nodes = fields.List(fields.Nested(NodeReference))


def present(row: Any, nodes: list[dict[str, Any]]) -> dict[str, Any]:
    """An availability storage as the API shows it."""
    key, storage_name, compute_path, controller_path, created_at, updated_at = row
    return {
        "id": key,
        "name": storage_name,
        "compute_path": compute_path,
        "controller_path": controller_path,
        "created_at": created_at,
        "updated_at": updated_at,
        "nodes": nodes,
    }


def release(session: Session, storage: AvailabilityStorage) -> None:
    """A storage that nodes use stays."""
    users = select(NodeAvailabilityStorage.node_id).where(
        NodeAvailabilityStorage.availability_storage_id == storage.id
    )
    refuse_if_used(session, f"availability storage {storage.name}", Node.id.in_(users))


availability_storages = Resource(
    blueprint=blueprint,
    path="/availability-storages/",
    noun="availability_storage",
    plural="availability_storages",
    model=AvailabilityStorage,
    source=Source(
        select(
            AvailabilityStorage.id,
            AvailabilityStorage.name,
            AvailabilityStorage.compute_path,
            AvailabilityStorage.controller_path,
            AvailabilityStorage.created_at,
            AvailabilityStorage.updated_at,
        ),
        key=AvailabilityStorage.id,
        present=present,
        nested=(
            Nested(
                select(NodeAvailabilityStorage.availability_storage_id, Node.id, Node.name).join(
                    Node, Node.id == NodeAvailabilityStorage.node_id
                ),
                parent=NodeAvailabilityStorage.availability_storage_id,
                order=NodeAvailabilityStorage.node_id,
                present=lambda row: {"id": row[1], "name": row[2]},
            ),
        ),
    ),
    shape=StorageShape(),
    fields={
        "id": filters.integer(AvailabilityStorage.id),
        "availability_storage_id": filters.integer(AvailabilityStorage.id),
        "name": filters.text(AvailabilityStorage.name),
    },
    create_body=StorageBody(),
    update_body=StorageChange(),
    release=release,
).register()
