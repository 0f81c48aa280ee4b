"""What is remembered of the openings of windows: a row for each, longer than its flow, and events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, update

from cloudmanager.flows.maintenance.schedule import moment_of
from cloudmanager.models import Event, MaintenanceRun, utc_now

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from cloudmanager.db import Database
    from cloudmanager.flows.state import FlowState

OPENED, CLOSED = "maintenance_window_opened", "maintenance_window_ended"
"""Kinds of events."""


def opened(session: Session, states: Sequence[FlowState]) -> None:
    """Hook: the openings are told."""
    for state in states:
        until = moment_of(state.params["closes_at"]).isoformat()
        said = f"{state.params['name']} has opened ({state.params['action']}), until {until}"
        _tell(session, OPENED, state, said)


def ended(session: Session, states: Sequence[FlowState]) -> None:
    """Hook: the openings have come to their end."""
    for state in states:
        said = state.error or state.message
        values = {"ended_at": utc_now(), "status": state.status, "message": said}
        session.execute(update(MaintenanceRun).where(MaintenanceRun.task_id == state.id).values(values))
        _tell(session, CLOSED, state, f"{state.params['name']} has ended: {said}")


def keep_hosts(session: Session, told: Sequence[tuple[str, list[dict[str, Any]]]]) -> None:
    """What has become of the hosts so far, by the flow of the opening."""
    for task_id, hosts in told:
        session.execute(update(MaintenanceRun).where(MaintenanceRun.task_id == task_id).values(hosts=hosts))


def prune(database: Database, before: datetime) -> None:
    """Forget openings that ended before a time."""
    with database.transaction() as session:
        session.execute(delete(MaintenanceRun).where(MaintenanceRun.ended_at < before))


def _tell(session: Session, kind: str, state: FlowState, message: str) -> None:
    values = {"time": utc_now(), "kind": kind, "subject": state.subject, "message": message}
    session.execute(insert(Event).values(values))
