"""The inventory that is stored, by names; a fixed number of statements reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cloudmanager.api.nodes import subject_of
from cloudmanager.errors import Conflict
from cloudmanager.flows.rotate_password import subject_of as subject_of_control
from cloudmanager.inventory.records import KINDS, SECRETS, SECTIONS, Fields, Inventory, Key
from cloudmanager.models import (
    AvailabilityStorage,
    FlowRow,
    Node,
    NodeAvailabilityStorage,
    NodeClass,
    NodeControl,
    NodeImage,
    NodeType,
    PowerControl,
    folded,
)

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from cloudmanager.models import Base

MODELS: dict[str, type[Base]] = {
    "node_classes": NodeClass,
    "node_images": NodeImage,
    "availability_storages": AvailabilityStorage,
    "power_controls": PowerControl,
    "nodes": Node,
}
_REFERENCES = ("node_class", "node_type", "image", "availability_storages")
NODE_COLUMNS = {
    name: "node_metadata" if name == "metadata" else name
    for name in SECTIONS["nodes"].schema.fields
    if name not in _REFERENCES
}
"""{field of a record: column}."""

_CONTROL_COLUMNS = (
    *(name for name in SECTIONS["power_controls"].schema.fields if name not in SECRETS),
    "coils_count",
    "sealed_password",
    "sealed_pending_password",
    "sealed_ssh_key",
)
_UNNAMED = "\0"


@dataclass
class Stored:
    """Rows by names, with what a file does not tell: ids, the default class, and who works on what."""

    rows: Inventory = field(default_factory=lambda: {kind.section: {} for kind in KINDS})
    ids: dict[str, dict[Key, int]] = field(default_factory=dict)
    type_ids: dict[tuple[str, str], int] = field(default_factory=dict)
    default_class: str = ""
    held: dict[Key, str] = field(default_factory=dict)
    held_controls: dict[Key, str] = field(default_factory=dict)


def unnamed(key: Key) -> bool:
    """Whether this is the key of a node without a name: files cannot speak of it."""
    return str(key).startswith(_UNNAMED)


def read(session: Session) -> Stored:
    """All of it."""
    stored = Stored()
    _read_classes(session, stored)
    _read_plain(session, stored, "node_images", "image_name", "file_data")
    _read_plain(session, stored, "availability_storages", "name", "compute_path", "controller_path")
    _read_controls(session, stored)
    _read_nodes(session, stored)
    _read_assignments(session, stored)
    _read_holders(session, stored)
    return stored


def _read_classes(session: Session, stored: Stored) -> None:
    classes = session.execute(
        select(NodeClass.id, NodeClass.name, NodeClass.is_default).order_by(NodeClass.id)
    )
    names: dict[int, str] = {}
    for class_id, name, is_default in classes:
        names[class_id] = name
        stored.rows["node_classes"][name] = {"name": name, "node_types": []}
        if is_default:
            stored.default_class = name
    stored.ids["node_classes"] = {name: class_id for class_id, name in names.items()}
    types = select(NodeType.id, NodeType.node_class_id, NodeType.name).order_by(NodeType.id)
    for type_id, class_id, name in session.execute(types):
        stored.rows["node_classes"][names[class_id]]["node_types"].append(name)
        stored.type_ids[names[class_id], name] = type_id


def _read_plain(session: Session, stored: Stored, section: str, *columns: str) -> None:
    table: Any = MODELS[section].__table__
    query = select(table.c.id, *(table.c[name] for name in columns)).order_by(table.c.id)
    ids: dict[Key, int] = {}
    for key, *values in session.execute(query):
        ids[values[0]] = key
        stored.rows[section][values[0]] = dict(zip(columns, values, strict=True))
    stored.ids[section] = ids


def _read_controls(session: Session, stored: Stored) -> None:
    table: Any = PowerControl.__table__
    query = select(table.c.id, *(table.c[name] for name in _CONTROL_COLUMNS)).order_by(table.c.id)
    ids: dict[Key, int] = {}
    for key, *values in session.execute(query):
        control = dict(zip(_CONTROL_COLUMNS, values, strict=True))
        title = control["title"]
        if (other := ids.setdefault(title, key)) != key:
            both = f"power controls {other} and {key}"
            raise Conflict(f"{both} have the same title {title!r}: give one of them another title first")
        stored.rows["power_controls"][title] = control
    stored.ids["power_controls"] = ids


def _read_nodes(session: Session, stored: Stored) -> None:
    table: Any = Node.__table__
    columns = [table.c[name] for name in NODE_COLUMNS.values()]
    query = (
        select(table.c.id, NodeClass.name, NodeType.name, NodeImage.image_name, *columns)
        .outerjoin(NodeClass, NodeClass.id == table.c.node_class_id)
        .outerjoin(NodeType, NodeType.id == table.c.node_type_id)
        .outerjoin(NodeImage, NodeImage.id == table.c.image_id)
        .order_by(table.c.id)
    )
    ids: dict[Key, int] = {}
    for row_id, class_name, type_name, image, *values in session.connection().execute(query):
        node: Fields = dict(zip(NODE_COLUMNS, values, strict=True))
        node |= {"node_class": class_name, "node_type": type_name, "image": image}
        key = f"{_UNNAMED}{row_id}" if node["name"] is None else folded(node["name"])
        ids[key] = row_id
        stored.rows["nodes"][key] = node | {"availability_storages": []}
    stored.ids["nodes"] = ids
    _read_storages_of_nodes(session, stored, {row_id: key for key, row_id in ids.items()})


def _read_storages_of_nodes(session: Session, stored: Stored, keys: dict[int, Key]) -> None:
    of_nodes = select(NodeAvailabilityStorage.node_id, AvailabilityStorage.name).join(
        AvailabilityStorage, AvailabilityStorage.id == NodeAvailabilityStorage.availability_storage_id
    )
    for node_id, name in session.execute(of_nodes.order_by(AvailabilityStorage.name)):
        stored.rows["nodes"][keys[node_id]]["availability_storages"].append(name)


def _read_assignments(session: Session, stored: Stored) -> None:
    nodes = {row_id: key for key, row_id in stored.ids["nodes"].items()}
    titles = {row_id: key for key, row_id in stored.ids["power_controls"].items()}
    query = select(
        NodeControl.node_id,
        NodeControl.power_control_id,
        NodeControl.power_control_port,
        NodeControl.is_default,
    ).order_by(NodeControl.node_id, NodeControl.power_control_id)
    for node_id, control_id, port, is_default in session.execute(query):
        node, title = nodes[node_id], titles[control_id]
        name = stored.rows["nodes"][node]["name"]
        stored.rows["node_controls"][str(node), str(title)] = {
            "node": name,
            "power_control": title,
            "power_control_port": port,
            "is_default": is_default,
        }


def _read_holders(session: Session, stored: Stored) -> None:
    query = select(FlowRow.subject, FlowRow.id, FlowRow.kind).where(FlowRow.ended_at.is_(None))
    holders = {subject: f"task {flow_id} ({kind})" for subject, flow_id, kind in session.execute(query)}
    for key, row_id in stored.ids["nodes"].items():
        if holder := holders.get(subject_of(row_id)):
            stored.held[key] = holder
    for key, row_id in stored.ids["power_controls"].items():
        if holder := holders.get(subject_of_control(row_id)):
            stored.held_controls[key] = holder
