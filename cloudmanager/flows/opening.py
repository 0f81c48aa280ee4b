"""Opening a flow: one row, inserted in the caller's transaction."""

from __future__ import annotations

import uuid
from time import time as _now
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from cloudmanager.db import insert_or_ignore
from cloudmanager.errors import Busy, Conflict, NotFound
from cloudmanager.flows.locks import holders
from cloudmanager.flows.registry import FLOWS
from cloudmanager.flows.state import COLUMNS, FlowState
from cloudmanager.models import FlowRow, Status, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.flows.base import Flow, Hook

STATE_COLUMNS = [getattr(FlowRow, name) for name in COLUMNS]
"""What to ask of the database for a `FlowState`."""


def start(
    session: Session,
    kind: str,
    *,
    subject: str | None,
    params: dict[str, Any],
    requested_by: str | None,
    request_id: str | None,
    timeout: float | None = None,
) -> str:
    """Open a flow and answer its id, which is the task's id. Ring its bell after the commit.

    `timeout` in seconds sets the deadline. Raises `Busy` when an open flow holds the subject.
    """
    now = _now()
    flow_id = str(uuid.uuid4())
    row = new_row(flow_id, kind, subject, params, now, requested_by=requested_by, request_id=request_id)
    row["deadline"] = now + timeout if timeout is not None else None
    while not open_rows(session, [row]):
        if holder := holders(session, [subject]).get(subject):
            raise Busy(f"{subject} is held by the open task {holder}: wait for it or cancel it", holder)
    return flow_id


def cancel(session: Session, flow_id: str) -> list[str]:
    """Ask an open flow and all below it to stop before their next safe point. Answers for whom to ring.

    Raises `NotFound`, or `Conflict` when it has ended.
    """
    row = session.execute(select(FlowRow.status, FlowRow.ended_at).where(FlowRow.id == flow_id)).one_or_none()
    if row is None:
        raise NotFound(f"no task {flow_id}")
    if row.ended_at is not None:
        raise Conflict(f"task {flow_id} has ended already ({row.status}): there is nothing to cancel")
    return [*_ask_to_stop(session, [flow_id]), *cancel_below(session, flow_id)]


def cancel_below(session: Session, flow_id: str) -> list[str]:
    """Ask the open flows below one, however deep, to stop; answers their ids."""
    below = select(FlowRow.id).where(FlowRow.parent_id == flow_id).cte(recursive=True)
    below = below.union_all(select(FlowRow.id).where(FlowRow.parent_id == below.c.id))
    return _ask_to_stop(session, session.scalars(select(below.c.id)).all())


def _ask_to_stop(session: Session, ids: Sequence[str]) -> list[str]:
    statement = (
        update(FlowRow)
        .where(FlowRow.id.in_(ids), FlowRow.ended_at.is_(None), FlowRow.cancel_requested.is_(False))
        .values(cancel_requested=True, wake_at=_now())
        .returning(FlowRow.id)
    )
    return list(session.scalars(statement))


def new_row(
    flow_id: str,
    kind: str,
    subject: str | None,
    params: dict[str, Any],
    wake_at: float,
    *,
    parent_id: str | None = None,
    requested_by: str | None = None,
    request_id: str | None = None,
) -> dict[str, Any]:
    """The values of a row for a flow that has not begun."""
    return {
        "id": flow_id,
        "kind": kind,
        "subject": subject,
        "parent_id": parent_id,
        "params": params,
        "memo": {},
        "step": 0,
        "status": Status.PENDING,
        "attempts": 0,
        "wake_at": wake_at,
        "deadline": None,
        "lease_number": 0,
        "lease_until": 0.0,
        "cancel_requested": False,
        "requested_by": requested_by,
        "request_id": request_id,
        "created_at": utc_now(),
    }


def open_rows(session: Session, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Insert those rows whose subject is free and run their `begin` hooks; answers the ids inserted."""
    statement = insert_or_ignore(session, FlowRow).returning(*STATE_COLUMNS)
    states = [FlowState(**row._asdict()) for row in session.execute(statement, rows)]
    run_hooks(session, states, lambda flow: flow.begin)
    return [state.id for state in states]


def run_hooks(session: Session, states: Sequence[FlowState], hook_of: Callable[[Flow], Hook | None]) -> None:
    """Call a hook of each kind of flow once, with the flows of that kind."""
    for kind in dict.fromkeys(state.kind for state in states):
        if hook := hook_of(FLOWS[kind]):
            hook(session, [state for state in states if state.kind == kind])
