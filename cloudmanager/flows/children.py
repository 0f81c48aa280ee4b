"""Flows below a flow: started together, watched by counting."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from cloudmanager.db import after_commit
from cloudmanager.flows.locks import holders
from cloudmanager.flows.opening import cancel_below, new_row, open_rows
from cloudmanager.models import FlowRow, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.db import Database
    from cloudmanager.flows.base import Child
    from cloudmanager.flows.state import FlowState


@dataclass(frozen=True)
class ChildState:
    """What has become of a child."""

    id: str
    subject: str | None
    params: dict[str, Any]
    status: str
    error: str | None
    result: Any = None

    @property
    def succeeded(self) -> bool:
        """Whether it ended well."""
        return self.status == Status.SUCCESS

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in (Status.SUCCESS, Status.FAILURE, Status.REVOKED)


def start_children(
    database: Database,
    parent: FlowState,
    kind: str,
    children: Sequence[Child],
    *,
    now: float,
    ring: Callable[[Sequence[str]], None],
) -> dict[str, str]:
    """Start children in one transaction; those of an earlier attempt are found again by their ids.

    Answers {subject: id of the open flow that holds it} for those that could not start.
    """
    rows = {
        child.subject: new_row(
            _child_id(parent.id, kind, child),
            kind,
            child.subject,
            child.params,
            now + child.delay,
            parent_id=parent.id,
            requested_by=parent.requested_by,
            request_id=parent.request_id,
        )
        for child in children
    }
    with database.transaction() as session:
        opened = open_rows(session, list(rows.values()))
        ours = set(session.scalars(select(FlowRow.id).where(FlowRow.parent_id == parent.id)))
        refused = [subject for subject, row in rows.items() if row["id"] not in ours]
        held_by = holders(session, refused)
        after_commit(session, lambda: ring(opened))
    return {subject: held_by.get(subject, "a task that has just ended") for subject in refused}


def cancel_children(database: Database, parent_id: str, ring: Callable[[Sequence[str]], None]) -> None:
    """Ask all open flows below one to stop before their next safe point."""
    with database.transaction() as session:
        asked = cancel_below(session, parent_id)
        after_commit(session, lambda: ring(asked))


def count_open(session: Session, parent_id: str) -> int:
    """How many children have not ended."""
    query = select(func.count()).where(FlowRow.parent_id == parent_id, FlowRow.ended_at.is_(None))
    return session.scalar(query) or 0


def states(session: Session, parent_id: str, kind: str | None = None) -> list[ChildState]:
    """All children, or those of one kind, oldest first."""
    query = (
        select(FlowRow.id, FlowRow.subject, FlowRow.params, FlowRow.status, FlowRow.error, FlowRow.result)
        .where(FlowRow.parent_id == parent_id)
        .order_by(FlowRow.sequence)
    )
    if kind is not None:
        query = query.where(FlowRow.kind == kind)
    return [ChildState(*row) for row in session.execute(query)]


def _child_id(parent_id: str, kind: str, child: Child) -> str:
    turn = f" {child.turn}" if child.turn else ""
    return str(uuid.uuid5(uuid.UUID(parent_id), f"{kind} {child.subject}{turn}"))
