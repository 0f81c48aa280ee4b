"""What is told of audits that end: their rows, events, counters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Histogram
from sqlalchemy import insert, select

from cloudmanager.audits.rows import keep
from cloudmanager.db import after_commit
from cloudmanager.models import Audit, AuditStatus, Event, Status, utc_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.flows.state import FlowState

ENDED = Counter(
    "cloudmanager_audits_ended_total",
    "Audits that came to their plan or their end, by what came of them; status is CANCELLED for a cancel.",
    ["mode", "status"],
)
MOVES = Counter(
    "cloudmanager_audit_moves_total", "Moves of applied plans, by what came of them.", ["outcome"]
)
PLANNING = Histogram(
    "cloudmanager_audit_planning_seconds",
    "Time from the look at an aggregate to its plan.",
    ["mode"],
    buckets=(0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300),
)

STALE = "stale"
"""Where the memo says why the rest of a plan is not carried out."""

_CANCELLED = "CANCELLED"
"""What is counted for an audit that somebody has ended: no failure that anybody has to look after."""


def opened(session: Session, states: Sequence[FlowState]) -> None:
    """Hook: every `execute-audit` has its audit."""
    for state in states:
        params = state.params
        values = {
            "aggregate_id": params["aggregate_id"],
            "aggregate_name": params["aggregate_name"],
            "status": AuditStatus.NEW,
            "mode": params["mode"],
            "params": params,
            "auto_apply": bool(params.get("auto_apply")),
            "requested_by": state.requested_by,
            "task_id": state.id,
            "scheduled_for": params.get("scheduled_for"),
            "created_at": utc_now(),
        }
        session.execute(insert(Audit).values(values))


def ended(session: Session, states: Sequence[FlowState]) -> None:
    """Hook: the audits of these flows have come to an end, or to a plan that waits for its application."""
    by_task = {state.id: state for state in states}
    query = select(
        Audit.id, Audit.task_id, Audit.aggregate_id, Audit.aggregate_name, Audit.mode, Audit.status
    )
    for audit_id, task_id, aggregate_id, name, mode, now in session.execute(
        query.where(Audit.task_id.in_(by_task))
    ):
        state = by_task[str(task_id)]
        status, said = _status(now, state), _in_words(state)
        keep(session, [(audit_id, {"status": status, "message": said, "ended_at": utc_now()})])
        message = f"audit {audit_id} of {name}: {said}"
        session.execute(
            insert(Event).values(
                time=utc_now(),
                kind=f"audit.{status.lower()}",
                subject=f"aggregate:{aggregate_id}",
                message=message,
            )
        )
        counted = _CANCELLED if state.status == Status.REVOKED else status
        after_commit(session, lambda mode=mode, counted=counted: ENDED.labels(mode, counted).inc())  # type: ignore[misc]


def _in_words(state: FlowState) -> str | None:
    if state.status == Status.REVOKED:
        return f"cancelled: {state.message}"
    return state.error or state.message


def _status(now: str, state: FlowState) -> AuditStatus:
    if state.memo.get(STALE):
        return AuditStatus.STALE
    if state.status != Status.SUCCESS:
        return AuditStatus.FAILED
    return AuditStatus.APPLIED if now == AuditStatus.APPLYING else AuditStatus.DONE
