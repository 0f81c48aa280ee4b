"""Switching many nodes by one request, which answers when all of them are confirmed or failed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from marshmallow import fields, validate
from sqlalchemy import select

from cloudmanager.api.answers import answer, task_location
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.fields import whole
from cloudmanager.api.idempotency import keep
from cloudmanager.api.node_power import Action, PowerOff, Reset, controls_of, start_flow
from cloudmanager.api.node_schemas import NodeControlShape
from cloudmanager.api.nodes import blueprint
from cloudmanager.api.operation import operation
from cloudmanager.api.power_protection import ERRORS, refuse_while_servers_run
from cloudmanager.api.query import Options, bounded
from cloudmanager.api.services import services
from cloudmanager.errors import InvalidInput, NotFound
from cloudmanager.idempotency import PATIENCE
from cloudmanager.models import FlowRow, Node, Status
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flask import Response
    from sqlalchemy.orm import Session

    from cloudmanager.api.body import Body

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.1
"""Seconds between two looks at the task."""

_IDS = {"type": "array", "items": {"type": "integer"}}
_OUTCOME = {
    "type": "object",
    "required": ["success", "failed"],
    "properties": {
        "success": {**_IDS, "description": "The nodes whose state is confirmed.", "examples": [[1, 2]]},
        "failed": {**_IDS, "description": "All others; their tasks say why.", "examples": [[3]]},
    },
    "description": "What came of it.",
    "additionalProperties": False,
}
_OF_ONE = {
    "type": "object",
    "required": ["node_id", "controls"],
    "properties": {
        "node_id": {"type": "integer", "description": "Number of the node."},
        "controls": {
            "type": "array",
            "description": "Its controls, in the order in which they would be tried.",
            "items": NodeControlShape(),
        },
    },
}
_PLAN = {
    "type": "object",
    "required": ["plan"],
    "properties": {
        "plan": {
            "type": "object",
            "required": ["action", "nodes"],
            "properties": {
                "action": {"enum": ["power-on", "power-off", "reset"], "description": "What would be done."},
                "soft": {"type": "boolean", "description": "Whether the operating systems are asked first."},
                "nodes": {"type": "array", "description": "To which nodes.", "items": _OF_ONE},
            },
            "description": "What would be done; nothing has been started.",
        }
    },
    "description": "The plan, for `dry_run`.",
    "additionalProperties": False,
}
_WAIT = bounded("Seconds to wait for the end; what has not ended by then counts as failed.", 300, 50)


class BulkAction(Action):
    """Which nodes to switch."""

    node_ids = fields.List(whole(1), required=True, validate=validate.Length(min=1))


class BulkReset(BulkAction, Reset):
    """Which nodes to restart."""


class BulkPowerOff(BulkAction, PowerOff):
    """Which nodes to switch off, and how."""


def _serve_bulk_action(action: str, summary: str, body: Body) -> None:
    takes_power = isinstance(body, Reset)

    @operation(
        blueprint,
        "POST",
        f"/nodes/actions/{action}",
        role=Role.MEMBER,
        name=f"{action.replace('-', '_')}_nodes",
        summary=f"{summary}; one failure never fails the rest",
        query=Options({"wait": _WAIT}),
        body=body,
        answers={200: Answer({"anyOf": [_OUTCOME, _PLAN]}, sometimes=("Location",))},
        errors=(404, *ERRORS) if takes_power else (404,),
    )
    def act(query: Mapping[str, int], body: dict[str, Any]) -> Response:
        """Nothing is started when one of the ids is unknown."""
        node_ids = _distinct(body.pop("node_ids"))
        if takes_power:
            refuse_while_servers_run(node_ids, force=body.pop("force", False))
        dry_run = body.pop("dry_run", False)
        with services().database.transaction() as session:
            _check_known(session, node_ids)
            if dry_run:
                return answer({"plan": {"action": action, "nodes": _plan(session, node_ids), **body}})
            task_id = start_flow(session, f"{action}-nodes", None, {"node_ids": node_ids, **body})
            unfinished = {"success": [], "failed": node_ids}
            keep(session, _answer(unfinished, task_id), seconds=query["wait"] + PATIENCE)
        return _answer(_await(task_id, node_ids, query["wait"]), task_id)


_serve_bulk_action("power-on", "Switch many nodes on", BulkAction())
_serve_bulk_action("power-off", "Switch many nodes off", BulkPowerOff())
_serve_bulk_action("reset", "Restart many nodes", BulkReset())


def _distinct(node_ids: Sequence[int]) -> list[int]:
    """Each once, in the order given; raises `InvalidInput` for too many."""
    distinct = list(dict.fromkeys(node_ids))
    most = services().config.api.max_bulk_nodes
    if len(distinct) > most:
        message = f"more than {most} nodes: [api] max_bulk_nodes sets how many one action takes"
        raise InvalidInput(message, {"node_ids": [f"Longer than {most}."]})
    return distinct


def _plan(session: Session, node_ids: Sequence[int]) -> list[dict[str, Any]]:
    controls = controls_of(session, node_ids)
    return [{"node_id": node_id, "controls": controls.get(node_id, [])} for node_id in node_ids]


def _answer(outcome: Mapping[str, Sequence[int]], task_id: str) -> Response:
    return answer(outcome, headers={"Location": task_location(task_id)})


def _check_known(session: Session, node_ids: Sequence[int]) -> None:
    known = set(session.scalars(select(Node.id).where(Node.id.in_(node_ids))))
    if unknown := [str(node_id) for node_id in node_ids if node_id not in known]:
        raise NotFound(f"there are no nodes {', '.join(unknown)}; nothing was started")


def _await(task_id: str, node_ids: Sequence[int], seconds: float) -> dict[str, list[int]]:
    """What came of each node at the end of the task, or at the end of our patience."""
    give_up = time.monotonic() + seconds
    pause = FIRST_PAUSE
    while not _has_ended(task_id) and (left := give_up - time.monotonic()) > 0:
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, LONGEST_PAUSE)
    with services().database.reading() as session:
        query = select(FlowRow.params).where(FlowRow.parent_id == task_id, FlowRow.status == Status.SUCCESS)
        confirmed = {params["node_id"] for params in session.scalars(query)}
    return {
        "success": [node_id for node_id in node_ids if node_id in confirmed],
        "failed": [node_id for node_id in node_ids if node_id not in confirmed],
    }


def _has_ended(task_id: str) -> bool:
    with services().database.reading() as session:
        return session.scalar(select(FlowRow.ended_at).where(FlowRow.id == task_id)) is not None
