"""Tasks: what the API calls flows. Watching them, and cancelling them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flask_smorest import Blueprint
from sqlalchemy import String, cast, func, literal, or_, select
from sqlalchemy.orm import aliased

from cloudmanager.api import filters
from cloudmanager.api.answers import accepted, answer
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.document.glossary.tasks import TASK_ID
from cloudmanager.api.idempotency import keep
from cloudmanager.api.listing import list_answer
from cloudmanager.api.operation import listed, operation
from cloudmanager.api.query import ListQuery, Options, Window, flag
from cloudmanager.api.reading import Source
from cloudmanager.api.services import services
from cloudmanager.api.task_shapes import TaskShape, TaskSummary
from cloudmanager.db import after_commit
from cloudmanager.errors import NotFound
from cloudmanager.flows import FLOWS, cancel
from cloudmanager.models import FlowEvent, FlowRow, Node, Status
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from flask import Response
    from sqlalchemy import ColumnElement, ScalarSelect
    from werkzeug.datastructures import MultiDict

blueprint = Blueprint("tasks", __name__, url_prefix="/v1", description="Work that goes on by itself")

DEFAULT_LIMIT = 100
"""How many tasks are listed without a limit: a list of recent ids."""

_ID = {"type": "string", "format": "uuid", "examples": [TASK_ID]}
_UNDER_WAY = {"wait", "retry"}
"""Outcomes after which a step goes on."""


class _HostFilter(filters.Filter):
    """A subject (`node:7`), or the name of the node or compute host that it means."""

    def condition(self, value: str) -> ColumnElement[bool]:
        """The tasks of this host."""
        host = filters.text_value(value.removeprefix("eq:"))
        named = (
            select(literal(prefix) + cast(Node.id, String)).where(Node.name == host)
            for prefix in ("node:", "node-os:")
        )
        of_node = (FlowRow.subject.in_(subjects) for subjects in named)
        return or_(FlowRow.subject.in_([host, f"host:{host}"]), *of_node)


class _TaskQuery(ListQuery):
    """A list of recent ones: the newest come first, and some hundred of them are enough."""

    def parse(self, given: MultiDict[str, str], max_limit: int) -> Window:
        """The window."""
        window = super().parse(given, max_limit)
        if window.sort is None:
            window = replace(window, descending=True)
        if window.limit is None:
            window = replace(window, limit=min(DEFAULT_LIMIT, max_limit))
        return window


QUERY = _TaskQuery(
    {
        "status": filters.text(FlowRow.status),
        "name": filters.text(FlowRow.kind),
        "host": _HostFilter(FlowRow.subject, "string", filters.text_value, ("eq",)),
        "parent_id": filters.text(FlowRow.parent_id),
        "created_at": filters.moment(FlowRow.created_at),
    },
    options=Options({"detail": flag("Answer objects instead of ids.")}),
)

# --- reading -----------------------------------------------------------------------------------------------

_child = aliased(FlowRow)


def _children(*where: ColumnElement[bool]) -> ScalarSelect[int]:
    counted = select(func.count(_child.sequence)).where(_child.parent_id == FlowRow.id, *where)
    return counted.correlate(FlowRow).scalar_subquery()


_STEPS_DONE = (
    select(func.count(FlowEvent.step.distinct()))
    .where(FlowEvent.flow_id == FlowRow.id, FlowEvent.outcome == "done")
    .correlate(FlowRow)
    .scalar_subquery()
)

SELECT_TASKS = select(
    FlowRow.sequence,
    FlowRow.id,
    FlowRow.status,
    FlowRow.kind,
    FlowRow.subject,
    FlowRow.message,
    FlowRow.error,
    FlowRow.result,
    FlowRow.step,
    FlowRow.undoing_to,
    FlowRow.parent_id,
    FlowRow.requested_by,
    FlowRow.request_id,
    FlowRow.cancel_requested,
    FlowRow.created_at,
    FlowRow.started_at,
    FlowRow.ended_at,
    _children().label("children"),
    _children(_child.ended_at.is_not(None)).label("children_ended"),
    _STEPS_DONE.label("steps_done"),
)


def present(row: Any) -> dict[str, Any]:
    """A task as the API shows it; `traceback` is what went wrong in words, never Python's own."""
    return {
        "id": row.id,
        "status": row.status,
        "name": row.kind,
        "subject": row.subject,
        "message": row.message,
        "error": row.error,
        "result": row.result,
        "traceback": row.error,
        "progress": _progress(row),
        "parent_id": row.parent_id,
        "requested_by": row.requested_by,
        "request_id": row.request_id,
        "cancel_requested": row.cancel_requested,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
    }


def _progress(row: Any) -> dict[str, int]:
    if isinstance(row.result, dict) and "progress" in row.result:  # the flow counts by itself
        progress: dict[str, int] = row.result["progress"]
        return progress
    if row.children:
        return {"done": row.children_ended, "total": row.children}
    total = len(FLOWS[row.kind].steps) if row.kind in FLOWS else 0
    if row.status == Status.SUCCESS:
        return {"done": total, "total": total}
    done = row.steps_done if row.undoing_to else row.step
    return {"done": min(done, total), "total": total}


def steps(events: Iterable[Any], started_at: datetime | None) -> list[dict[str, Any]]:
    """The history: one entry for what a step did to a target, from its first to its last outcome."""
    found: list[dict[str, Any]] = []
    began = started_at
    for event in events:
        last = found[-1] if found else None
        if last is None or last["ended_at"] or (last["name"], last["target"]) != (event.step, event.target):
            found.append({"name": event.step, "target": event.target, "started_at": began or event.time})
        entry = found[-1]
        entry["status"], entry["message"] = event.outcome, event.message
        entry["ended_at"] = None if event.outcome in _UNDER_WAY else event.time
        began = event.time
    return found


IDS = Source(select(FlowRow.sequence, FlowRow.id), key=FlowRow.sequence, present=lambda row: row[1])
TASKS = Source(SELECT_TASKS, key=FlowRow.sequence, present=present)

# --- operations --------------------------------------------------------------------------------------------


@operation(
    blueprint,
    "GET",
    "/tasks/",
    role=Role.READER,
    name="list_tasks",
    summary="List recent tasks, the newest first",
    query=QUERY,
    answers={
        200: Answer(
            listed({"anyOf": [_ID, TaskSummary()]}, "tasks"),
            "Ids, the newest first; with `detail=true` objects.",
            headers=("Link",),
        )
    },
)
def list_tasks(query: Window) -> Response:
    """Ids; with `detail=true` objects."""
    return list_answer(TASKS if query.options["detail"] else IDS, query, "tasks")


@operation(
    blueprint,
    "GET",
    "/tasks/<uuid:task_id>",
    role=Role.READER,
    name="get_task",
    summary="Show a task with its steps and progress",
    answers={200: TaskShape()},
)
def get_task(task_id: UUID) -> Response:
    """Not wrapped, as the reference has it."""
    with services().database.reading() as session:
        row = session.execute(SELECT_TASKS.where(FlowRow.id == str(task_id))).one_or_none()
        if row is None:
            raise NotFound(f"there is no task {task_id}")
        history = select(
            FlowEvent.time, FlowEvent.step, FlowEvent.target, FlowEvent.outcome, FlowEvent.message
        )
        events = session.execute(history.where(FlowEvent.flow_id == row.id).order_by(FlowEvent.id)).all()
        children = list(session.scalars(_child_ids(row.id))) if row.children else []
    return answer({**present(row), "steps": steps(events, row.started_at), "children": children})


@operation(
    blueprint,
    "POST",
    "/tasks/<uuid:task_id>/actions/cancel",
    role=Role.MEMBER,
    name="cancel_task",
    summary="Cancel a task and those below it at their next safe point",
    answers={202: None},
    errors=(409,),
)
def cancel_task(task_id: UUID) -> Response:
    """What has not begun does not begin; what runs comes to a safe point."""
    wanted = str(task_id)
    with services().database.transaction() as session:
        asked = cancel(session, wanted)
        bell = services().bell
        after_commit(session, lambda: bell.ring(asked))
        return keep(session, accepted(wanted))


def _child_ids(task_id: str) -> Any:
    return select(FlowRow.id).where(FlowRow.parent_id == task_id).order_by(FlowRow.sequence)
