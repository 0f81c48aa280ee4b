"""Events that flows tell, of hosts mostly, written in the transaction that saves the step's outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert

from cloudmanager.db import after_commit
from cloudmanager.models import Event
from cloudmanager.monitor.keeper import EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.flows.run import Run

ALIVE = "host.alive"


def tell(run: Run, kind: str, host: str, message: str) -> None:
    """An event about a host."""
    tell_of(run, kind, f"host:{host}", message)


def tell_of(run: Run, kind: str, subject: str, message: str) -> None:
    """An event about anything."""
    run.write(_tell, {"kind": kind, "subject": subject, "message": message})


def _tell(session: Session, events: Sequence[dict[str, str]]) -> None:
    session.execute(insert(Event), events)
    kinds = [event["kind"] for event in events]
    after_commit(session, lambda: _count(kinds))


def _count(kinds: Sequence[str]) -> None:
    for kind in kinds:
        EVENTS.labels(kind=kind).inc()
