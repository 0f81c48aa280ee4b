"""Audits by the schedule of the configuration: which are due, and beginning them, each time once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import exists, or_, select

from cloudmanager.db import after_commit
from cloudmanager.errors import Busy, Misconfigured
from cloudmanager.flows.audits.opening import begin_audit
from cloudmanager.flows.maintenance.schedule import Schedule, check_cron
from cloudmanager.models import Audit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.db import Database
    from cloudmanager.openstack.records import Aggregate

log = structlog.get_logger(__name__)

LATE = 600.0
"""Seconds after its time for which an audit is still begun, if it could not be at once."""

_BY = "schedule of [drs]"
_DIGITS = 9
"""Of numbers that every database takes."""


@dataclass(frozen=True)
class Entry:
    """An aggregate, by id or name, and when it is audited."""

    aggregate: str
    cron: str

    @classmethod
    def read(cls, line: str) -> Entry:
        """`prod: 0 3 * * 0`; raises `Misconfigured`."""
        aggregate, _, cron = line.rpartition(":")
        if not aggregate.strip():
            raise Misconfigured(f"[drs] schedule {line!r}: no aggregate and colon before the cron expression")
        try:
            check_cron(cron.strip())
        except ValueError as error:
            raise Misconfigured(f"[drs] schedule {line!r}: {error}") from None
        return cls(aggregate.strip(), cron.strip())

    def is_of(self, aggregate: Aggregate) -> bool:
        """Whether it means this one."""
        return self.aggregate in (aggregate.name, str(aggregate.id))


Due = tuple[Entry, float]
"""What is due, and since when."""


def due(database: Database, entries: Iterable[Entry], now: float) -> list[Due]:
    """Entries whose time has come, without those that are begun."""
    found = []
    for entry in entries:
        time = Schedule(LATE, cron=entry.cron).open_at(now)
        if time is not None:
            found.append((entry, time.opens_at))
    if not found:
        return []
    with database.reading() as session:
        return [(entry, at) for entry, at in found if not _begun(session, entry, at)]


def begin_due(
    database: Database,
    ready: Sequence[Due],
    aggregates: Sequence[Aggregate],
    params: dict[str, Any],
    ring: Callable[[Sequence[str]], None],
) -> list[str]:
    """Begin what is due and answer the tasks; an aggregate that is being balanced is tried again later."""
    begun = []
    for entry, at in ready:
        aggregate = next((each for each in aggregates if entry.is_of(each)), None)
        if aggregate is None:
            log.warning("scheduled audit not begun: no such aggregate", aggregate=entry.aggregate)
            continue
        try:
            with database.transaction() as session:
                if _begun(session, entry, at):
                    continue
                _, task_id = begin_audit(
                    session, aggregate, {**params, "scheduled_for": at}, requested_by=_BY
                )
                after_commit(session, lambda task_id=task_id: ring([task_id]))  # type: ignore[misc]
        except Busy as busy:
            log.info("scheduled audit not begun yet", aggregate=aggregate.name, held_by=busy.flow_id)
        else:
            begun.append(task_id)
    return begun


def _begun(session: Session, entry: Entry, at: float) -> bool:
    whose = [Audit.aggregate_name == entry.aggregate]
    if entry.aggregate.isascii() and entry.aggregate.isdigit() and len(entry.aggregate) <= _DIGITS:
        whose.append(Audit.aggregate_id == int(entry.aggregate))
    return bool(session.scalar(select(exists().where(Audit.scheduled_for == at, or_(*whose)))))
