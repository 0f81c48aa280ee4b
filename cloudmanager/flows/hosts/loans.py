"""Loans of spares: their rows, and the kinds of events that tell of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select, update

from cloudmanager.db import insert_or_ignore
from cloudmanager.models import LoanState, SpareLoan, utc_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from cloudmanager.flows.run import Run

LENT, RETURNED, KEPT = "spare.lent", "spare.returned", "spare.kept"
FAILED, NONE_FITS = "spare.failed", "spare.none"
"""Kinds of events."""


class Loan(NamedTuple):
    """An open loan. `found` has `power`, `enabled` and `reason`, as the spare was before."""

    task_id: str
    host: str
    node_id: int
    lost_host: str
    state: str
    found: dict[str, Any]
    aggregates: list[int]


_COLUMNS = [getattr(SpareLoan, name) for name in Loan._fields]
_OPEN = SpareLoan.ended_at.is_(None)


def loan_of(session: Session, host: str) -> Loan | None:
    """The open loan of a spare."""
    return _loan(session, SpareLoan.host == host)


def loan_for(session: Session, lost_host: str) -> Loan | None:
    """The open loan that stands in for a host."""
    return _loan(session, SpareLoan.lost_host == lost_host)


def _loan(session: Session, condition: ColumnElement[bool]) -> Loan | None:
    row = session.execute(select(*_COLUMNS).where(condition, _OPEN).order_by(SpareLoan.id)).first()
    return None if row is None else Loan(*row)


def lent_for(session: Session) -> dict[int, str]:
    """{node: the host for which it is lent}, of all open loans."""
    query = select(SpareLoan.node_id, SpareLoan.lost_host).where(_OPEN)
    return {row.node_id: row.lost_host for row in session.execute(query)}


def lent_nodes(session: Session) -> set[int]:
    """The nodes that stand in now, and take servers."""
    query = select(SpareLoan.node_id).where(_OPEN, SpareLoan.state == LoanState.LENT)
    return set(session.scalars(query))


# --- writing, with a step's outcome ------------------------------------------------------------------------


def open_loan(run: Run, loan: dict[str, Any]) -> None:
    """Begin the loan that is this flow's; ignored when its spare has an open one."""
    run.write(_open, {"task_id": run.id, "state": LoanState.LENDING, "aggregates": [], **loan})


def change_loan(run: Run, task_id: str, **values: Any) -> None:
    """Write what has become of a loan, named by the task that began it."""
    run.write(_change, (task_id, values))


def end_loan(run: Run, task_id: str, state: LoanState, message: str) -> None:
    """Close it."""
    change_loan(run, task_id, state=state, message=message, ended_at=utc_now())


def _open(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        session.execute(insert_or_ignore(session, SpareLoan).values(row))


def _change(session: Session, changes: Sequence[tuple[str, dict[str, Any]]]) -> None:
    for task_id, values in changes:
        session.execute(update(SpareLoan).where(SpareLoan.task_id == task_id).values(values))
