"""The rows of audits: begun, brought on by their flows, read, pruned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from cloudmanager.errors import NotFound
from cloudmanager.models import Audit, utc_now

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from cloudmanager.db import Database

Change = tuple[int, dict[str, Any]]
"""The id of an audit, and the columns that change."""

_AGGREGATE = "aggregate:"


def subject_of(aggregate_id: int) -> str:
    """How flows name an aggregate: the open flow is its lock, so that it is balanced by one at a time."""
    return f"{_AGGREGATE}{aggregate_id}"


def aggregate_of(subject: str) -> int:
    """The id of the aggregate that a flow names so."""
    return int(subject.removeprefix(_AGGREGATE))


def id_of_task(session: Session, task_id: str) -> int:
    """The audit whose newest flow this is."""
    return session.scalars(select(Audit.id).where(Audit.task_id == task_id)).one()


def keep(session: Session, changes: Sequence[Change]) -> None:
    """Write what has become of audits. It is a `Run.write`."""
    for audit_id, values in changes:
        session.execute(update(Audit).where(Audit.id == audit_id).values(**values, updated_at=utc_now()))


def audit_of(session: Session, aggregate_id: int, audit_id: int, *, lock: bool = False) -> Audit:
    """An audit of this aggregate; `NotFound`. `lock`: nobody else changes it in the meantime."""
    query = select(Audit).where(Audit.id == audit_id, Audit.aggregate_id == aggregate_id)
    found = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if found is None:
        raise NotFound(f"aggregate {aggregate_id} has no audit {audit_id}")
    return found


def packed_of(session: Session, audit_id: int) -> bytes | None:
    """The packed snapshot of an audit."""
    return session.scalar(select(Audit.snapshot).where(Audit.id == audit_id))


def prune(database: Database, before: datetime) -> None:
    """Forget audits that ended before a time."""
    with database.transaction() as session:
        session.execute(delete(Audit).where(Audit.ended_at < before))
