"""The rows of flows: claiming them, saving them, and finding those that are due.

A claim is one conditional UPDATE that raises the lease number. A save is conditional on that number, so that
a worker that slept too long cannot overwrite newer work.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import bindparam, case, delete, insert, select, update
from sqlalchemy.exc import DBAPIError

from cloudmanager.db import is_passing
from cloudmanager.flows.opening import STATE_COLUMNS, run_hooks
from cloudmanager.flows.reports import report
from cloudmanager.flows.state import COLUMNS, FlowState
from cloudmanager.models import FlowEvent, FlowRow, Status, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Table
    from sqlalchemy.orm import Session

    from cloudmanager.db import Database
    from cloudmanager.flows.base import Write

_SAVED = [name for name in COLUMNS if name not in ("id", "lease_number", "cancel_requested")]
_TABLE = cast("Table", FlowRow.__table__)
_UPDATE = (
    update(_TABLE)
    .where(_TABLE.c.id == bindparam("row"))
    .values({name: bindparam(name) for name in [*_SAVED, "ended_at"]})
)
_SAVE_PATIENCE = 5
"""How often a save is tried while the database is away; the pauses add up to some six seconds."""


@dataclass(frozen=True)
class Save:
    """An outcome to be written in one transaction: the new state, its history, and the step's own writes.

    `state.lease_until` keeps the claim that long; 0 gives it up.
    """

    state: FlowState
    events: Sequence[dict[str, Any]]
    writes: Sequence[Write]


def claim(
    database: Database, ids: Sequence[str], now: float, *, horizon: float, lease: float
) -> list[FlowState]:
    """Take those flows that are due within `horizon` seconds and that nobody holds."""
    wakes_at = case((FlowRow.wake_at > now, FlowRow.wake_at), else_=now)
    statement = (
        update(FlowRow)
        .where(
            FlowRow.id.in_(ids),
            FlowRow.ended_at.is_(None),
            FlowRow.wake_at <= now + horizon,
            FlowRow.lease_until <= now,
        )
        .values(
            lease_number=FlowRow.lease_number + 1,
            lease_until=wakes_at + lease,
            attempts=FlowRow.attempts + 1,
            status=case((FlowRow.status == Status.PENDING, Status.STARTED), else_=FlowRow.status),
            started_at=case((FlowRow.started_at.is_(None), utc_now()), else_=FlowRow.started_at),
        )
        .returning(*STATE_COLUMNS)
    )
    with database.transaction() as session:
        return [FlowState(**row._asdict()) for row in session.execute(statement)]


def due(database: Database, now: float, *, horizon: float, limit: int = 5000) -> list[tuple[str, str]]:
    """(id, kind) of open flows that should be advanced and that nobody holds, the longest due first."""
    query = (
        select(FlowRow.id, FlowRow.kind)
        .where(
            FlowRow.ended_at.is_(None),
            FlowRow.wake_at <= now + horizon,
            FlowRow.lease_until <= now,
        )
        .order_by(FlowRow.wake_at)
        .limit(limit)
    )
    with database.reading() as session:
        return [(flow_id, kind) for flow_id, kind in session.execute(query)]


def is_cancelled(session: Session, flow_id: str) -> bool:
    """Whether somebody has asked a flow to stop."""
    return bool(session.scalar(select(FlowRow.cancel_requested).where(FlowRow.id == flow_id)))


def prune(database: Database, before: datetime) -> int:
    """Delete flows that ended before a time, with their history; answers how many."""
    with database.transaction() as session:
        gone = session.execute(delete(FlowRow).where(FlowRow.ended_at < before).returning(FlowRow.id))
        return len(gone.all())


def read_all(database: Database, queries: Sequence[Callable[[Session], Any]]) -> list[Any]:
    """Run queries one after another on one connection; answers a value or the error for each."""
    answers: list[Any] = []
    with database.reading() as session:
        for query in queries:
            try:
                answers.append(query(session))
            except Exception as error:  # noqa: BLE001  # answered to the one that it belongs to
                session.rollback()
                answers.append(error)
    return answers


def save_all(database: Database, saves: Sequence[Save]) -> list[FlowState | Exception | None]:
    """Write outcomes in one transaction; if that fails, each in its own.

    Answers per save the state with a cancel that came meanwhile, None when the lease was lost, or the error.
    """
    for attempt in range(_SAVE_PATIENCE):
        try:
            with database.transaction() as session:
                return list(_save(session, saves))
        except DBAPIError as error:
            if not is_passing(error):
                break
            time.sleep(0.2 * 2**attempt)
        except Exception:  # noqa: BLE001  # one bad write must not take the others along
            break
    return [_save_alone(database, save) for save in saves]


def _save_alone(database: Database, save: Save) -> FlowState | Exception | None:
    try:
        with database.transaction() as session:
            [answer] = _save(session, [save])
    except Exception as error:  # noqa: BLE001  # answered to the one flow that it belongs to
        return error
    return answer


def _save(session: Session, saves: Sequence[Save]) -> Iterator[FlowState | None]:
    cancels = _held(session, saves)
    held = [save for save in saves if save.state.id in cancels]
    if held:
        session.connection().execute(_UPDATE, [_values(save) for save in held])
    if events := [event for save in held for event in save.events]:
        session.connection().execute(insert(cast("Table", FlowEvent.__table__)), events)
    changes: dict[Callable[[Session, Sequence[Any]], None], list[Any]] = {}
    for change, item in (write for save in held for write in save.writes):
        changes.setdefault(change, []).append(item)
    for change, items in changes.items():
        change(session, items)
    ended = [save.state for save in held if save.state.ended]
    run_hooks(session, ended, lambda flow: flow.finish)
    report(session, ended)
    for save in saves:
        cancelled = cancels.get(save.state.id)
        yield None if cancelled is None else replace(save.state, cancel_requested=cancelled)


def _held(session: Session, saves: Sequence[Save]) -> dict[str, bool]:
    """{id: whether a cancel was requested} of the flows that are still held under the same lease number."""
    leases = {save.state.id: save.state.lease_number for save in saves}
    query = (
        select(FlowRow.id, FlowRow.lease_number, FlowRow.cancel_requested)
        .where(FlowRow.id.in_(list(leases)), FlowRow.ended_at.is_(None))
        .with_for_update()
    )
    return {flow_id: cancel for flow_id, lease, cancel in session.execute(query) if leases[flow_id] == lease}


def _values(save: Save) -> dict[str, Any]:
    values = {name: getattr(save.state, name) for name in _SAVED}
    return {**values, "row": save.state.id, "ended_at": utc_now() if save.state.ended else None}
