"""Power controls of a node: assigning, changing and unassigning them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import select, update

from cloudmanager.api import etags
from cloudmanager.api.answers import answer, nothing
from cloudmanager.api.body import Body
from cloudmanager.api.fields import Flag, identifier, text_or_number
from cloudmanager.api.idempotency import keep
from cloudmanager.api.node_schemas import NodeControlShape
from cloudmanager.api.nodes import SELECT_CONTROLS, blueprint, nodes, present_control, release
from cloudmanager.api.operation import listed, operation, wrapped
from cloudmanager.api.power_controls import settings_of
from cloudmanager.api.services import services
from cloudmanager.api.usage import node_title
from cloudmanager.drivers import why_no_outlet
from cloudmanager.drivers.base import PowerState
from cloudmanager.errors import CloudManagerError, Conflict, InvalidInput, NotFound
from cloudmanager.idempotency import PATIENCE
from cloudmanager.models import Node, NodeControl, PowerControl, utc_now
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from flask import Response
    from sqlalchemy.orm import Session

log = structlog.get_logger(__name__)

PATH = "/nodes/<id:node_id>/power-controls/"
ITEM = f"{PATH}<id:power_control_id>"
OBSERVED = ("is_initialized",)
ONE = wrapped(NodeControlShape(), "power_control")


class Assignment(Body):
    """A power control for a node."""

    power_control_id = identifier(required=True)
    power_control_port = text_or_number(required=True)
    is_default = Flag()


class AssignmentChange(Body):
    """Another port, or the wish to be the default."""

    power_control_port = text_or_number()
    is_default = Flag()


@operation(
    blueprint,
    "GET",
    PATH,
    role=Role.READER,
    name="list_node_power_controls",
    summary="List the power controls of a node",
    answers={200: listed(NodeControlShape(), "power_controls")},
)
def list_node_power_controls(node_id: int) -> Response:
    """All of them, in the order in which they are tried after the default."""
    query = SELECT_CONTROLS.where(NodeControl.node_id == node_id).order_by(NodeControl.power_control_id)
    with services().database.reading() as session:
        _check_node(session, node_id)
        return answer({"power_controls": [present_control(row) for row in session.execute(query)]})


@operation(
    blueprint,
    "GET",
    ITEM,
    role=Role.READER,
    name="get_node_power_control",
    summary="Get a power control of a node",
    answers={200: ONE, 304: etags.NOT_MODIFIED},
    conditional=True,
)
def get_node_power_control(node_id: int, power_control_id: int) -> Response:
    """One of them."""
    with services().database.reading() as session:
        return _shown(session, node_id, power_control_id)


@operation(
    blueprint,
    "POST",
    PATH,
    role=Role.ADMIN,
    name="assign_power_control",
    summary="Assign a power control to a node",
    body=Assignment(),
    answers={201: ONE},
    errors=(409,),
)
def assign_power_control(node_id: int, body: dict[str, Any]) -> Response:
    """The first control of a node is its default. The port is read once; a dead device is no error."""
    control_id, port = body["power_control_id"], body["power_control_port"]
    database = services().database
    with database.transaction() as session:
        nodes.row(session, node_id)
        control = _control(session, control_id)
        _check_port(session, control, port, node_id)
        if session.get(NodeControl, (node_id, control_id)) is not None:
            message = f"power control {control_id} is assigned to node {node_id} already: change it with PUT"
            raise Conflict(message)
        first = session.scalar(select(NodeControl.node_id).where(NodeControl.node_id == node_id)) is None
        is_default = first or body.get("is_default", False)
        if is_default:
            _no_default(session, node_id)
        session.add(
            NodeControl(
                node_id=node_id,
                power_control_id=control_id,
                power_control_port=port,
                is_default=is_default,
            )
        )
        session.flush()
        keep(session, _shown(session, node_id, control_id, created=True), seconds=PATIENCE)
    _read_port(node_id, control, port)
    with database.reading() as session:
        return _shown(session, node_id, control_id, created=True)


@operation(
    blueprint,
    "PUT",
    ITEM,
    role=Role.ADMIN,
    name="update_node_power_control",
    summary="Change the port of a node's power control, or make it the default",
    body=AssignmentChange(),
    answers={200: ONE},
    errors=(409,),
    conditional=True,
)
def update_node_power_control(node_id: int, power_control_id: int, body: dict[str, Any]) -> Response:
    """A node has exactly one default: it ends by making another one the default."""
    database = services().database
    with database.transaction() as session:
        assigned = _assigned(session, node_id, power_control_id)
        control = _control(session, power_control_id)
        port = body.get("power_control_port", assigned.power_control_port)
        moved = port != assigned.power_control_port
        if moved:
            release(session, nodes.row(session, node_id))
            _check_port(session, control, port, node_id)
            assigned.power_control_port = port
            assigned.is_initialized, assigned.power_state, assigned.power_state_checked_at = False, None, None
        _set_default(session, assigned, body.get("is_default"))
    if moved:
        _read_port(node_id, control, port)
    with database.reading() as session:
        return _shown(session, node_id, power_control_id)


@operation(
    blueprint,
    "DELETE",
    ITEM,
    role=Role.ADMIN,
    name="unassign_power_control",
    summary="Unassign a power control from a node",
    answers={204: None},
    errors=(409,),
    conditional=True,
)
def unassign_power_control(node_id: int, power_control_id: int) -> Response:
    """When the default goes, the next of the node's controls becomes the default."""
    with services().database.transaction() as session:
        assigned = _assigned(session, node_id, power_control_id)
        release(session, nodes.row(session, node_id))
        was_default = assigned.is_default
        session.delete(assigned)
        session.flush()
        rest = (
            select(NodeControl).where(NodeControl.node_id == node_id).order_by(NodeControl.power_control_id)
        )
        if was_default and (heir := session.scalars(rest.limit(1)).first()):
            heir.is_default = True
    return nothing()


def _shown(session: Session, node_id: int, control_id: int, *, created: bool = False) -> Response:
    row = session.execute(_one(node_id, control_id)).one_or_none()
    if row is None:
        _check_node(session, node_id)
        raise _not_assigned(node_id, control_id)
    headers = {"Location": f"/v1/nodes/{node_id}/power-controls/{control_id}"} if created else None
    shown = present_control(row)
    return etags.tagged(answer({"power_control": shown}, 201 if created else 200, headers), shown, OBSERVED)


def _one(node_id: int, control_id: int) -> Any:
    return SELECT_CONTROLS.where(NodeControl.node_id == node_id, NodeControl.power_control_id == control_id)


def _assigned(session: Session, node_id: int, control_id: int) -> NodeControl:
    _check_node(session, node_id)
    found = session.get(NodeControl, (node_id, control_id), with_for_update=True)
    if found is None:
        raise _not_assigned(node_id, control_id)
    if etags.are_asked_for():
        etags.check_fresh(present_control(session.execute(_one(node_id, control_id)).one()), OBSERVED)
    return found


def _not_assigned(node_id: int, control_id: int) -> NotFound:
    return NotFound(f"power control {control_id} is not assigned to node {node_id}")


def _check_node(session: Session, node_id: int) -> None:
    if session.scalar(select(Node.id).where(Node.id == node_id)) is None:
        raise nodes.missing(node_id)


def _control(session: Session, control_id: int) -> PowerControl:
    control = session.get(PowerControl, control_id)
    if control is None:
        message = f"there is no power control {control_id}"
        raise InvalidInput(message, {"power_control_id": ["No such power control."]})
    return control


def check_port_exists(control: PowerControl, port: str, name: str) -> None:
    """Refuse a port that the device does not have."""
    if reason := why_no_outlet(control.control_type, control.coils_count, port):
        message = f"power control {control.id} has {reason}"
        raise InvalidInput(message, {name: ["No such port on this power control."]})


def _check_port(session: Session, control: PowerControl, port: str, node_id: int) -> None:
    check_port_exists(control, port, "power_control_port")
    query = (
        select(Node.id, Node.name)
        .join(NodeControl)
        .where(NodeControl.power_control_id == control.id, NodeControl.power_control_port == port)
    )
    holder = session.execute(query).one_or_none()
    if holder is not None and holder[0] != node_id:
        raise Conflict(f"port {port} of power control {control.id} is taken by {node_title(*holder)}")


def _set_default(session: Session, assigned: NodeControl, wish: bool | None) -> None:
    if wish is False and assigned.is_default:
        raise Conflict("a node has exactly one default control: make another one the default instead")
    if wish and not assigned.is_default:
        _no_default(session, assigned.node_id)
        assigned.is_default = True


def _no_default(session: Session, node_id: int) -> None:
    session.execute(update(NodeControl).where(NodeControl.node_id == node_id).values(is_default=False))


def _read_port(node_id: int, control: PowerControl, port: str) -> None:
    """Read the port's state once, outside of any transaction; whatever fails leaves it not initialized."""
    columns = {column.key: getattr(control, column.key) for column in PowerControl.__table__.columns}
    try:
        states = services().power.probe(control.control_type, settings_of(columns), (port,))
    except CloudManagerError as error:
        log.info("port not read", node_id=node_id, power_control_id=control.id, port=port, why=error.message)
        return
    state = states.get(port, PowerState.UNKNOWN)
    if state == PowerState.UNKNOWN:
        return
    seen = {"power_state": state.value, "power_state_checked_at": utc_now()}
    here = (NodeControl.node_id == node_id, NodeControl.power_control_id == control.id)
    with services().database.transaction() as session:
        assigned = update(NodeControl).where(*here, NodeControl.power_control_port == port)
        session.execute(assigned.values(is_initialized=True, **seen))
        if session.scalar(select(NodeControl.is_default).where(*here)):
            session.execute(update(Node).where(Node.id == node_id).values(**seen))
