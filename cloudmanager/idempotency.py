"""Requests that carry an idempotency key: who answers one, and what was answered.

A request claims its key for a while. Its answer is kept in the transaction of its effect, and only by the one
that still holds the claim: a crash leaves both or none, and a request that slept too long changes nothing.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import CursorResult, delete, update

from cloudmanager.db import insert_or_ignore
from cloudmanager.errors import Conflict, InvalidInput
from cloudmanager.models import IdempotencyKey, utc_now

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from cloudmanager.db import Database

PATIENCE = 60.0
"""Seconds that a request may take before it keeps its answer; then it counts as dead."""

HEADER = "Idempotency-Key"


@dataclass(frozen=True)
class Claim:
    """A request that answers for its key; `token` is its own, `digest` that of all it says."""

    caller: str
    key: str
    method: str
    path: str
    digest: str
    token: str


@dataclass(frozen=True)
class Answer:
    """What was answered."""

    status: int
    headers: dict[str, str]
    body: bytes


def claim_for(caller: str, key: str, method: str, path: str, digest: str) -> Claim:
    """A claim with a token of its own."""
    return Claim(caller, key, method, path, digest, token=str(uuid.uuid4()))


def take(database: Database, claim: Claim, not_before: datetime) -> Answer | None:
    """Claim the key, or answer what was answered before. Keys older than `not_before` have expired.

    Raises `InvalidInput` when the key belongs to another request, `Conflict` while that one is in flight.
    """
    values = {
        "method": claim.method,
        "path": claim.path,
        "digest": claim.digest,
        "claim": claim.token,
        "claimed_until": database.now() + PATIENCE,
        "created_at": utc_now(),
    }
    with database.transaction() as session:
        new = insert_or_ignore(session, IdempotencyKey).values(caller=claim.caller, key=claim.key, **values)
        if session.execute(new.returning(IdempotencyKey.key)).first() is not None:
            return None
        row = session.get(IdempotencyKey, (claim.caller, claim.key), with_for_update=True)
        if row is None:
            raise _in_flight()
        if row.created_at >= not_before:
            if row.digest != claim.digest:
                raise _of_another(row)
            if row.claimed_until > database.now():
                raise _in_flight()
            if row.status is not None:
                return Answer(row.status, row.headers or {}, row.body or b"")
        for name, value in {**values, "status": None, "headers": None, "body": None}.items():
            setattr(row, name, value)
        return None


def keep(session: Session, claim: Claim, answer: Answer, until: float = 0.0) -> None:
    """Keep an answer, which may be replaced `until` that time; raises `Conflict` when the claim was lost."""
    kept = {"status": answer.status, "headers": answer.headers, "body": answer.body}
    done: CursorResult[Any] = session.execute(  # type: ignore[assignment]
        update(IdempotencyKey).where(*_held(claim)).values(claimed_until=until, **kept)
    )
    if not done.rowcount:
        raise Conflict(f"another request took over this {HEADER}, because this one took too long")


def release(database: Database, claim: Claim) -> None:
    """Give the key back after a request without effect; what has been kept stays."""
    with database.transaction() as session:
        session.execute(delete(IdempotencyKey).where(*_held(claim), IdempotencyKey.status.is_(None)))


def prune(database: Database, before: datetime) -> None:
    """Delete keys that were first seen before a time."""
    with database.transaction() as session:
        session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < before))


def _held(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    return (
        IdempotencyKey.caller == claim.caller,
        IdempotencyKey.key == claim.key,
        IdempotencyKey.claim == claim.token,
    )


def _in_flight() -> Conflict:
    return Conflict(f"a request with this {HEADER} is in flight: ask again when it has been answered")


def _of_another(row: IdempotencyKey) -> InvalidInput:
    message = f"this {HEADER} was sent with another request ({row.method} {row.path}): take a new one"
    return InvalidInput(message, {HEADER: ["Belongs to another request."]})
