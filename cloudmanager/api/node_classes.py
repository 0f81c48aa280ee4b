"""Classes of nodes, and the types within a class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate
from sqlalchemy import select

from cloudmanager.api import filters
from cloudmanager.api.body import Body
from cloudmanager.api.fields import identifier, name, name_or_nothing
from cloudmanager.api.reading import Nested, Source
from cloudmanager.api.resource import Parent, Resource, Variables
from cloudmanager.api.usage import refuse_if_used
from cloudmanager.errors import Conflict, InvalidInput
from cloudmanager.models import Node, NodeClass, NodeType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

blueprint = Blueprint("node-classes", __name__, url_prefix="/v1", description="Classes and types of nodes")


def _type_names() -> fields.List[str]:
    return fields.List(name_or_nothing(), validate=validate.Length(max=1000), metadata={"uniqueItems": True})


class NodeClassBody(Body):
    """A new class; its types by name."""

    name = name(required=True)
    node_types = _type_names()


class NodeClassChange(Body):
    """Changes of a class; `node_types` is the whole set: those left out are deleted."""

    name = name()
    node_types = _type_names()


class NodeTypeBody(Body):
    """A type within a class; "" is the unspecified one."""

    name = name_or_nothing(load_default="")


class NodeTypeChange(Body):
    """Changes of a type; `type_id`, if given, is the one in the path."""

    type_id = identifier()
    name = name_or_nothing()


class NodeTypeShape(Schema):
    """A type within a class."""

    id = fields.Integer()
    name = fields.String()


class NodeClassShape(Schema):
    """A class of nodes."""

    id = fields.Integer()
    name = fields.String()
    is_default = fields.Boolean()
    node_types = fields.List(fields.Nested(NodeTypeShape))


def present_class(row: Any, types: list[dict[str, Any]]) -> dict[str, Any]:
    """A class as the API shows it."""
    key, class_name, is_default = row
    return {"id": key, "name": class_name, "is_default": is_default, "node_types": types}


def present_type(row: Any) -> dict[str, Any]:
    """A type as the API shows it."""
    return {"id": row[0], "name": row[1]}


def release_class(session: Session, row: NodeClass) -> None:
    """The default class and classes in use stay."""
    if row.is_default:
        raise Conflict(f"{row.name} is the default class: it cannot be deleted")
    refuse_if_used(session, f"node class {row.name}", Node.node_class_id == row.id)


def release_type(session: Session, row: NodeType) -> None:
    """A type in use stays."""
    refuse_if_used(session, f"node type {row.name!r}", Node.node_type_id == row.id)


def prepare_class(
    session: Session, body: dict[str, Any], row: NodeClass | None, _variables: Variables
) -> dict[str, Any]:
    """The types given are all that the class has; those that stay keep their ids."""
    if (names := body.get("node_types")) is None:
        return body
    if len(set(names)) != len(names):
        raise InvalidInput("node_types: names are unique within a class", {"node_types": ["Not unique."]})
    present = {known.name: known for known in (row.node_types if row else [])}
    for known, node_type in present.items():
        if known not in names:
            release_type(session, node_type)
    types = [present[known] if known in present else NodeType(name=known) for known in names]
    return {**body, "node_types": types}


def prepare_type(
    _session: Session, body: dict[str, Any], row: NodeType | None, _variables: Variables
) -> dict[str, Any]:
    """A type keeps its id."""
    named = body.pop("type_id", None)
    if row is not None and named not in (None, row.id):
        raise InvalidInput(
            f"type_id: the path names type {row.id}", {"type_id": ["Not the one in the path."]}
        )
    return body


def types_of_classes(session: Session, class_ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """{class: its types}."""
    query = select(NodeType.node_class_id, NodeType.id, NodeType.name).order_by(NodeType.id)
    found: dict[int, list[dict[str, Any]]] = {}
    for class_id, *shown in session.execute(query.where(NodeType.node_class_id.in_(class_ids))):
        found.setdefault(class_id, []).append(present_type(shown))
    return found


node_classes = Resource(
    blueprint=blueprint,
    path="/node-classes/",
    noun="node_class",
    plural="node_classes",
    model=NodeClass,
    source=Source(
        select(NodeClass.id, NodeClass.name, NodeClass.is_default),
        key=NodeClass.id,
        present=present_class,
        nested=(
            Nested(
                select(NodeType.node_class_id, NodeType.id, NodeType.name),
                parent=NodeType.node_class_id,
                order=NodeType.id,
                present=lambda row: present_type(row[1:]),
            ),
        ),
    ),
    shape=NodeClassShape(),
    fields={"id": filters.integer(NodeClass.id), "name": filters.text(NodeClass.name)},
    create_body=NodeClassBody(),
    update_body=NodeClassChange(),
    prepare=prepare_class,
    release=release_class,
).register()

node_types = Resource(
    blueprint=blueprint,
    path="/node-classes/<id:node_class_id>/types/",
    noun="node_type",
    plural="node_types",
    model=NodeType,
    source=Source(select(NodeType.id, NodeType.name), key=NodeType.id, present=present_type),
    shape=NodeTypeShape(),
    fields={"id": filters.integer(NodeType.id), "name": filters.text(NodeType.name)},
    parent=Parent("node_class", "node_class_id", NodeClass, NodeType.node_class_id),
    create_body=NodeTypeBody(),
    update_body=NodeTypeChange(),
    prepare=prepare_type,
    release=release_type,
    countable=False,
).register()
