"""Opening windows, when one is due or an admin says so. Asking twice for the same opening is harmless."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select

from cloudmanager.db import after_commit, insert_or_ignore
from cloudmanager.errors import Busy
from cloudmanager.flows.maintenance.schedule import Opening, Schedule, moment_of
from cloudmanager.flows.maintenance.window import KIND
from cloudmanager.flows.opening import start
from cloudmanager.models import MaintenanceRun, MaintenanceWindow, Status, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.db import Database

log = structlog.get_logger(__name__)


def open_due(database: Database, now: float, ring: Callable[[Sequence[str]], None]) -> list[str]:
    """Open every enabled window whose time it is, if that opening has not begun; answers the tasks.

    A window that is held, because an earlier opening of it still goes on, is asked again the next time.
    """
    with database.reading() as session:
        windows = session.scalars(select(MaintenanceWindow).where(MaintenanceWindow.enabled)).all()
    begun = []
    for window in windows:
        opening = schedule_of(window).open_at(now)
        if opening is None:
            continue
        try:
            with database.transaction() as session:
                task_id = _open_scheduled(session, window.id, opening, ring)
        except Busy as busy:
            log.info("maintenance window not opened yet", window=window.id, held_by=busy.flow_id)
        else:
            begun += [task_id] if task_id else []
    return begun


def schedule_of(window: MaintenanceWindow) -> Schedule:
    """When a window is open."""
    return Schedule.stored(window.schedule, window.length)


def subject_of(window_id: int) -> str:
    """How flows name a window: the open flow is its lock, so that it never runs twice at once."""
    return f"window:{window_id}"


def open_window(
    session: Session,
    window: MaintenanceWindow,
    opening: Opening,
    *,
    scheduled: bool,
    requested_by: str | None,
    request_id: str | None = None,
) -> str | None:
    """Begin an opening and answer its task; None when it was begun before. Raises `Busy`."""
    hosts: list[object] = []
    row = insert_or_ignore(session, MaintenanceRun).values(
        window_id=window.id,
        opens_at=moment_of(opening.opens_at),
        closes_at=moment_of(opening.closes_at),
        begun_at=utc_now(),
        status=Status.PENDING,
        hosts=hosts,
    )
    run_id = session.scalar(row.returning(MaintenanceRun.id))
    if run_id is None:
        return None
    task_id = start(
        session,
        KIND,
        subject=subject_of(window.id),
        params=_params(window, opening, scheduled=scheduled),
        requested_by=requested_by,
        request_id=request_id,
    )
    session.get_one(MaintenanceRun, run_id).task_id = task_id
    return task_id


def _open_scheduled(
    session: Session, window_id: int, opening: Opening, ring: Callable[[Sequence[str]], None]
) -> str | None:
    """Begin an opening, unless the window was changed since it was looked at."""
    window = session.get(MaintenanceWindow, window_id, with_for_update=True)
    if window is None or not window.enabled or schedule_of(window).open_at(opening.opens_at) != opening:
        return None
    by = f"maintenance window {window.name}"
    task_id = open_window(session, window, opening, scheduled=True, requested_by=by[:255])
    if task_id is not None:
        after_commit(session, lambda: ring([task_id]))
    return task_id


def _params(window: MaintenanceWindow, opening: Opening, *, scheduled: bool) -> dict[str, object]:
    return {
        "window_id": window.id,
        "name": window.name,
        "action": window.action,
        "parameters": window.parameters,
        "hosts": window.hosts,
        "batch": window.batch,
        "stop_after_failures": window.stop_after_failures,
        "blockers": window.blockers,
        "opens_at": opening.opens_at,
        "closes_at": opening.closes_at,
        "scheduled": scheduled,
    }
