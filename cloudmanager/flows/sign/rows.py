"""Changes of signed records, in the transaction that saves a step's outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from cloudmanager.flows.hosts.events import tell_of
from cloudmanager.models import GuardedNode, Signature
from cloudmanager.sign.record import Trust, seal, trust_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from cloudmanager.flows.run import Run
    from cloudmanager.sign.keys import SigningKeys


@dataclass(frozen=True)
class Change:
    """New values of a record. It is left alone when `seen`, the signature it had, is not its own any more."""

    keys: SigningKeys
    server_id: str
    seen: str | None
    values: dict[str, Any] = field(default_factory=dict)


def change(run: Run, row: Signature, **values: Any) -> None:
    """Change a record that was read, unless somebody else is quicker."""
    run.write(_change, Change(run.ports.signing, row.server_id, row.signature, values))


def add(run: Run, server_id: str, **values: Any) -> None:
    """Make a record of a server that has none."""
    run.write(_change, Change(run.ports.signing, server_id, None, values))


def remove(run: Run, row: Signature) -> None:
    """Forget a server that is gone."""
    run.write(_remove, row.id)


def tell(run: Run, kind: str, subject: str, message: str) -> None:
    """An event, and a line of the task's history."""
    tell_of(run, kind, subject, message)
    run.event(subject, kind.partition(".")[2], message)


async def of_server(run: Run, server_id: str) -> Signature | None:
    """The record of a server."""
    query = select(Signature).where(Signature.server_id == server_id)
    return await run.read(lambda session: session.scalar(query))


async def is_ours(run: Run, row: Signature) -> bool:
    """Whether a record is as we wrote it."""
    return await trust(run, row) is Trust.OURS


async def trust(run: Run, row: Signature) -> Trust:
    """How far a record can be trusted."""
    return await run.read(lambda session: trust_in(session, row, run.ports.signing))


async def guarded(run: Run, node_id: int) -> GuardedNode | None:
    """The node, if its servers are guarded."""
    return await run.read(lambda session: session.get(GuardedNode, node_id))


def checked(run: Run, node_id: int, at: datetime) -> None:
    """A round has come to its end."""
    run.write(_checked, (node_id, at))


def _change(session: Session, changes: Sequence[Change]) -> None:
    for each in changes:
        query = select(Signature).where(Signature.server_id == each.server_id).with_for_update()
        row = session.scalar(query)
        if (row.signature if row else None) != each.seen:
            continue
        if row is None:
            row = Signature(server_id=each.server_id, **each.values)
        else:
            for name, value in each.values.items():
                setattr(row, name, value)
        seal(session, row, each.keys)


def _remove(session: Session, ids: Sequence[int]) -> None:
    session.execute(delete(Signature).where(Signature.id.in_(ids)))


def _checked(session: Session, nodes: Sequence[tuple[int, datetime]]) -> None:
    for node_id, at in nodes:
        if (node := session.get(GuardedNode, node_id)) is not None:
            node.checked_at = at
