"""Actions on a node that change its record at once: reserve, assign-image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.api.answers import nothing
from cloudmanager.api.body import Body
from cloudmanager.api.fields import Flag, identifier
from cloudmanager.api.idempotency import keep
from cloudmanager.api.nodes import blueprint, nodes
from cloudmanager.api.operation import operation
from cloudmanager.api.services import services
from cloudmanager.errors import InvalidInput
from cloudmanager.models import NodeImage
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from flask import Response

ENABLED, RESERVED = 1, 4
"""Conditions of a node."""


class Reserve(Body):
    """Into reserve, or out of it."""

    is_reserved = Flag(required=True)


class AssignImage(Body):
    """The PXE image that the node is to boot."""

    image_id = identifier(required=True)


@operation(
    blueprint,
    "POST",
    "/nodes/<id:node_id>/actions/reserve",
    role=Role.MEMBER,
    name="reserve_node",
    summary="Move a node to reserve, or withdraw it",
    body=Reserve(),
    answers={204: None},
)
def reserve_node(node_id: int, body: dict[str, Any]) -> Response:
    """A reserved node has condition 4; one that comes back is enabled."""
    with services().database.transaction() as session:
        node = nodes.row(session, node_id)
        node.is_reserved = body["is_reserved"]
        if node.is_reserved:
            node.condition = RESERVED
        elif node.condition == RESERVED:
            node.condition = ENABLED
        return keep(session, nothing())


@operation(
    blueprint,
    "POST",
    "/nodes/<id:node_id>/actions/assign-image",
    role=Role.MEMBER,
    name="assign_image",
    summary="Assign a PXE image to a node",
    body=AssignImage(),
    answers={204: None},
)
def assign_image(node_id: int, body: dict[str, Any]) -> Response:
    """Record which image the node boots."""
    with services().database.transaction() as session:
        node = nodes.row(session, node_id)
        if session.get(NodeImage, body["image_id"]) is None:
            message = f"there is no PXE image {body['image_id']}"
            raise InvalidInput(message, {"image_id": ["No such PXE image."]})
        node.image_id = body["image_id"]
        return keep(session, nothing())
