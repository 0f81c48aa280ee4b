"""Beginning audits and their application: a row and its flow, in the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.audits.rows import audit_of, id_of_task, keep, subject_of
from cloudmanager.errors import Conflict
from cloudmanager.flows.opening import start
from cloudmanager.models import AuditStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from cloudmanager.models import Audit
    from cloudmanager.openstack.records import Aggregate

_WHY_NOT = {
    AuditStatus.NEW: "its plan is not made yet",
    AuditStatus.RUNNING: "its plan is not made yet",
    AuditStatus.APPLYING: "it is being applied",
    AuditStatus.APPLIED: "it has been applied",
    AuditStatus.FAILED: "it has failed",
    AuditStatus.STALE: "its plan is stale",
}


def begin_audit(
    session: Session,
    aggregate: Aggregate,
    params: Mapping[str, Any],
    *,
    requested_by: str | None,
    request_id: str | None = None,
) -> tuple[int, str]:
    """Open an audit: (its id, its task). Raises `Busy` while the aggregate is being balanced."""
    task_id = start(
        session,
        "execute-audit",
        subject=subject_of(aggregate.id),
        params=params_for(aggregate, params),
        requested_by=requested_by,
        request_id=request_id,
    )
    return id_of_task(session, task_id), task_id


def params_for(aggregate: Aggregate, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of `execute-audit` for this aggregate."""
    return {**params, "aggregate_id": aggregate.id, "aggregate_name": aggregate.name}


def begin_to_apply(
    session: Session,
    audit: Audit,
    *,
    requested_by: str | None,
    request_id: str | None = None,
    timeout: float | None = None,
) -> str:
    """Open the application of an audit's plan and answer its task. Call `check_applicable` before."""
    task_id = start(
        session,
        "apply-audit",
        subject=subject_of(audit.aggregate_id),
        params={**audit.params, "audit_id": audit.id},
        requested_by=requested_by,
        request_id=request_id,
        timeout=timeout,
    )
    values = {"status": AuditStatus.APPLYING, "task_id": task_id, "ended_at": None}
    keep(session, [(audit.id, values)])
    return task_id


def check_applicable(
    session: Session, aggregate_id: int, audit_id: int, *, now: float, lifetime: float
) -> Audit:
    """The audit, locked, if its plan may be carried out; `NotFound`, or `Conflict` with the way out."""
    audit = audit_of(session, aggregate_id, audit_id, lock=True)
    status = AuditStatus(audit.status)
    why = _WHY_NOT.get(status)
    age = now - (audit.planned_at or 0.0)
    if status is AuditStatus.DONE and age > lifetime:
        why = f"its plan is stale: it was made {age:.0f} s ago, more than {lifetime:g}"
    if why is not None:
        raise Conflict(f"audit {audit_id} cannot be applied: {why}; execute a new audit")
    return audit
