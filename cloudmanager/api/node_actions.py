"""Actions on a node that change its record at once: reserve; assign-image, with what follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cloudmanager.api.answers import accepted, nothing
from cloudmanager.api.body import Body
from cloudmanager.api.boot_files import check_assignment, write_after
from cloudmanager.api.fields import Flag, identifier
from cloudmanager.api.idempotency import keep
from cloudmanager.api.node_power import start_flow
from cloudmanager.api.nodes import blueprint, nodes, subject_of
from cloudmanager.api.operation import operation
from cloudmanager.api.services import services
from cloudmanager.drivers import driver_for
from cloudmanager.errors import InvalidInput
from cloudmanager.models import NodeControl, NodeImage, PowerControl
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from flask import Response
    from sqlalchemy.orm import Session

ENABLED, RESERVED = 1, 4
"""Conditions of a node."""


class Reserve(Body):
    """Into reserve, or out of it."""

    is_reserved = Flag(required=True)


class AssignImage(Body):
    """The PXE image that the node is to boot. Without `next_boot`, its next start is left as it is."""

    image_id = identifier(required=True)
    next_boot = Flag(load_default=True)


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
    answers={204: None, 202: None},
    errors=(409,),
)
def assign_image(node_id: int, body: dict[str, Any]) -> Response:
    """Its boot files follow; with `[pxe] enabled`, a task (202) has it start from the network once."""
    with services().database.transaction() as session:
        node = nodes.row(session, node_id)
        image = session.get(NodeImage, body["image_id"])
        if image is None:
            message = f"there is no PXE image {body['image_id']}"
            raise InvalidInput(message, {"image_id": ["No such PXE image."]})
        macs = check_assignment(session, node, image)
        node.image_id = image.id
        response = nothing()
        if services().config.pxe.enabled and body["next_boot"] and _boots_from_network(session, node_id):
            subject = subject_of(node_id)
            response = accepted(start_flow(session, "boot-from-network", subject, {"node_id": node_id}))
        write_after(session, macs)
        return keep(session, response)


def _boots_from_network(session: Session, node_id: int) -> bool:
    """Whether the node's default control can choose what it starts from."""
    query = select(PowerControl.control_type).join(
        NodeControl, NodeControl.power_control_id == PowerControl.id
    )
    control_type = session.scalar(query.where(NodeControl.node_id == node_id, NodeControl.is_default))
    return control_type is not None and driver_for(control_type).boots_from_network
