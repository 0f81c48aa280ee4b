"""Switching power: of a node, of many nodes, of one coil. The work itself is done by flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import g
from sqlalchemy import select

from cloudmanager.api.answers import accepted, answer
from cloudmanager.api.body import Body
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.fields import Flag, text_or_number
from cloudmanager.api.idempotency import keep
from cloudmanager.api.node_controls import check_port_exists
from cloudmanager.api.node_schemas import NodeControlShape
from cloudmanager.api.nodes import SELECT_CONTROLS, blueprint, nodes, present_control, subject_of
from cloudmanager.api.operation import operation
from cloudmanager.api.power_controls import blueprint as controls_blueprint
from cloudmanager.api.power_controls import power_controls
from cloudmanager.api.power_protection import ERRORS, refuse_while_servers_run
from cloudmanager.api.services import services
from cloudmanager.db import after_commit
from cloudmanager.errors import Conflict
from cloudmanager.flows import start
from cloudmanager.models import NodeControl
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Response
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

PLAN = {
    "type": "object",
    "required": ["plan"],
    "properties": {
        "plan": {
            "type": "object",
            "required": ["action"],
            "properties": {
                "action": {"type": "string", "description": "What would be done.", "examples": ["power-off"]},
                "node_id": {"type": "integer", "description": "To which node.", "examples": [1]},
                "control_id": {"type": "integer", "description": "By which control, for one coil."},
                "port": {"type": "string", "description": "At which of its ports, for one coil."},
                "controls": {
                    "type": "array",
                    "description": "The node's controls, in the order in which they would be tried.",
                    "items": NodeControlShape(),
                },
                "soft": {"type": "boolean", "description": "Whether the operating system is asked first."},
            },
            "description": "What would be done; nothing has been started.",
            "additionalProperties": False,
        }
    },
}
"""The answer to `dry_run`."""


class Action(Body):
    """A power action; with `dry_run` it is only said what would be done."""

    dry_run = Flag()


class Reset(Action):
    """`force` does it also where `[power] protect_running_servers` forbids it."""

    force = Flag()


class PowerOff(Reset):
    """`soft` asks the operating system first, and cuts power only when it has not obeyed in time."""

    soft = Flag()


class CoilAction(Action):
    """A power action on one coil of a control."""

    coil = text_or_number(required=True)


class CoilPowerOff(PowerOff, CoilAction):
    """Switching one coil off."""


def _serve_node_action(kind: str, summary: str, body: Body) -> None:
    takes_power = isinstance(body, Reset)

    @operation(
        blueprint,
        "POST",
        f"/nodes/<id:node_id>/actions/{kind}",
        role=Role.MEMBER,
        name=f"{kind.replace('-', '_')}_node",
        summary=summary,
        body=body,
        answers={202: None, 200: Answer(PLAN, "The plan, for `dry_run`.")},
        errors=ERRORS if takes_power else (409,),
    )
    def act(node_id: int, body: dict[str, Any]) -> Response:
        """By the node's default control; when that is silent, by its others in turn."""
        if takes_power:
            refuse_while_servers_run([node_id], force=body.pop("force", False))
        with services().database.transaction() as session:
            nodes.row(session, node_id)
            controls = controls_of(session, [node_id]).get(node_id)
            if not controls:
                raise Conflict(
                    f"node {node_id} has no power control: assign one with "
                    f"POST /v1/nodes/{node_id}/power-controls/"
                )
            if body.pop("dry_run", False):
                return answer({"plan": {"action": kind, "node_id": node_id, "controls": controls, **body}})
            task_id = start_flow(session, kind, subject_of(node_id), {"node_id": node_id, **body})
            return keep(session, accepted(task_id))


_serve_node_action("power-on", "Switch a node on; one that runs is not touched", Action())
_serve_node_action("power-off", "Switch a node off", PowerOff())
_serve_node_action("reset", "Restart a node", Reset())


def _serve_coil_action(kind: str, summary: str, body: Body) -> None:
    takes_power = isinstance(body, Reset)

    @operation(
        controls_blueprint,
        "POST",
        f"/power-controls/<id:power_control_id>/actions/{kind}",
        role=Role.ADMIN,
        name=f"{kind.replace('-', '_')}_coil",
        summary=summary,
        body=body,
        answers={202: None, 200: Answer(PLAN, "The plan, for `dry_run`.")},
        errors=ERRORS if takes_power else (409,),
    )
    def act(power_control_id: int, body: dict[str, Any]) -> Response:
        """When a node is on the coil, this is an action on the node, by this control alone."""
        port = body.pop("coil")
        if takes_power:
            refuse_while_servers_run(_nodes_on(power_control_id, port), force=body.pop("force", False))
        with services().database.transaction() as session:
            check_port_exists(power_controls.row(session, power_control_id), port, "coil")
            subject, params = _coil(session, power_control_id, port)
            if body.pop("dry_run", False):
                return answer({"plan": {"action": kind, **params, **body}})
            return keep(session, accepted(start_flow(session, kind, subject, {**params, **body})))


_serve_coil_action("power-on", "Switch a coil on, whether a node is on it or not", CoilAction())
_serve_coil_action("power-off", "Switch a coil off, whether a node is on it or not", CoilPowerOff())


def start_flow(
    session: Session,
    kind: str,
    subject: str | None,
    params: dict[str, Any],
    *,
    timeout: float | None = None,
) -> str:
    """Open a flow for the caller; its bell rings when the transaction is committed.

    `timeout` in seconds sets its deadline.
    """
    task_id = start(
        session,
        kind,
        subject=subject,
        params=params,
        requested_by=g.caller.name,
        request_id=g.request_id,
        timeout=timeout,
    )
    bell = services().bell
    after_commit(session, lambda: bell.ring([task_id]))
    return task_id


def controls_of(session: Session, node_ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """{node: its controls in the order in which they would be tried}."""
    order = (NodeControl.node_id, NodeControl.is_default.desc(), NodeControl.power_control_id)
    found: dict[int, list[dict[str, Any]]] = {}
    query = SELECT_CONTROLS.where(NodeControl.node_id.in_(node_ids)).order_by(*order)
    for row in session.execute(query):
        found.setdefault(row[0], []).append(present_control(row))
    return found


def _coil(session: Session, control_id: int, port: str) -> tuple[str, dict[str, Any]]:
    """The subject and parameters for a coil: those of the node on it, if there is one."""
    params = {"control_id": control_id, "port": port}
    node_id = session.scalar(_node_on(control_id, port))
    if node_id is None:
        return f"coil:{control_id}:{port}", params
    return subject_of(node_id), {"node_id": node_id, **params}


def _nodes_on(control_id: int, port: str) -> list[int]:
    """The node on a coil, if there is one."""
    with services().database.reading() as session:
        return list(session.scalars(_node_on(control_id, port)))


def _node_on(control_id: int, port: str) -> Select[int]:
    return select(NodeControl.node_id).where(
        NodeControl.power_control_id == control_id, NodeControl.power_control_port == port
    )
