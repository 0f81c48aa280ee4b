"""The queue of each webhook: what comes next, what came of an attempt, what is given up or sent again.

A queue is worked off in the order of its rows. A receiver that does not answer holds up its whole queue, so
that it hears all in order when it is back; an event that it refuses is passed by those behind it.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, delete, exists, func, insert, select, update

from cloudmanager.models import DeliveryStatus, Event, Webhook, WebhookDelivery, utc_now
from cloudmanager.webhooks.kinds import GAVE_UP
from cloudmanager.webhooks.sending import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from cloudmanager.db import Database
    from cloudmanager.webhooks.sending import Attempt

_HELD_UP = 5
"""Attempts after which an event that a receiver answers "not now" no longer holds up those behind it."""

_COPIED = ("webhook_id", "event_id", "kind", "subject", "event")

Pending = WebhookDelivery.status == DeliveryStatus.PENDING


@dataclass(frozen=True)
class Pace:
    """Seconds until the second attempt, and between two at most; each doubles, give or take a quarter."""

    first: float
    longest: float

    def pause(self, failures: int, asked_for: float) -> float:
        """Seconds to wait after so many failures; the receiver may have asked for more."""
        doubled = self.first * 2.0 ** min(failures - 1, 40)
        return max(min(doubled, self.longest) * random.uniform(0.75, 1.25), min(asked_for, self.longest))


@dataclass(frozen=True)
class Next:
    """The delivery that is to be attempted."""

    id: int
    webhook_id: int
    attempts: int
    event: dict[str, Any]
    url: str
    sealed_secret: str
    failures: int


def waiting(database: Database, now: float) -> list[int]:
    """The webhooks that have something to be sent now."""
    due = exists().where(WebhookDelivery.webhook_id == Webhook.id, Pending, _is_due(now))
    query = select(Webhook.id).where(Webhook.enabled, Webhook.paused_until <= now, due)
    with database.reading() as session:
        return list(session.scalars(query))


def head(database: Database, webhook_id: int, now: float) -> Next | None:
    """What a webhook is sent next; None: nothing for now."""
    query = (
        select(
            WebhookDelivery.id,
            WebhookDelivery.webhook_id,
            WebhookDelivery.attempts,
            WebhookDelivery.event,
            Webhook.url,
            Webhook.sealed_secret,
            Webhook.failures,
        )
        .join(Webhook, Webhook.id == WebhookDelivery.webhook_id)
        .where(
            Webhook.id == webhook_id,
            Webhook.enabled,
            Webhook.paused_until <= now,
            Pending,
            _is_due(now),
        )
        .order_by(WebhookDelivery.id)
        .limit(1)
    )
    with database.reading() as session:
        row = session.execute(query).one_or_none()
    return Next(*row) if row is not None else None


def record(database: Database, sent: Next, attempt: Attempt, now: float, pace: Pace) -> None:
    """Keep what came of an attempt, and when the next one is due."""
    delivery: dict[str, Any] = {
        "attempts": sent.attempts + 1,
        "last_status": attempt.status,
        "error": attempt.error,
    }
    webhook: dict[str, Any] = {"failures": 0, "failing_since": None, "paused_until": 0.0}
    if attempt.outcome is Outcome.DELIVERED:
        delivery |= {"status": DeliveryStatus.DELIVERED, "ended_at": utc_now()}
    elif _holds_up(sent, attempt):
        until = now + pace.pause(sent.failures + 1, attempt.retry_after)
        delivery["next_attempt_at"] = until
        since = func.coalesce(Webhook.failing_since, utc_now())
        webhook = {"failures": sent.failures + 1, "failing_since": since, "paused_until": until}
    else:
        delivery["next_attempt_at"] = now + pace.pause(sent.attempts + 1, attempt.retry_after)
    ours = (WebhookDelivery.id == sent.id, Pending)
    with database.transaction() as session:
        session.execute(update(WebhookDelivery).where(*ours).values(delivery))
        session.execute(update(Webhook).where(Webhook.id == sent.webhook_id).values(webhook))


def _holds_up(sent: Next, attempt: Attempt) -> bool:
    busy = attempt.outcome is Outcome.BUSY and sent.attempts < _HELD_UP
    return busy or attempt.outcome is Outcome.UNREACHABLE


def send_now(session: Session, webhook_id: int) -> None:
    """Forget all pauses: something has changed that may help."""
    fresh = {"failures": 0, "paused_until": 0.0}
    session.execute(update(Webhook).where(Webhook.id == webhook_id).values(fresh))
    due = update(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id, Pending)
    session.execute(due.values(next_attempt_at=0.0))


def replay(
    session: Session, webhook_id: int, *, ids: Sequence[int] = (), since: datetime | None = None
) -> list[int]:
    """Queue deliveries that have ended once more, in their order, under the ids of their events."""
    chosen = [WebhookDelivery.id.in_(ids)] if since is None else [WebhookDelivery.created_at >= since]
    ended = (WebhookDelivery.webhook_id == webhook_id, ~Pending, *chosen)
    columns = [getattr(WebhookDelivery, name) for name in _COPIED]
    rows = session.execute(select(*columns).where(*ended).order_by(WebhookDelivery.id)).all()
    if not rows:
        return []
    values = [dict(zip(_COPIED, row, strict=True)) for row in rows]
    added = insert(WebhookDelivery).returning(WebhookDelivery.id, sort_by_parameter_order=True)
    return list(session.scalars(added, values))


def give_up(database: Database, days: float) -> int:
    """End the deliveries that have been tried for so many days, and tell so; answers how many."""
    late = (Pending, WebhookDelivery.created_at < utc_now() - timedelta(days=days))
    with database.transaction() as session:
        ended = (
            update(WebhookDelivery)
            .where(*late)
            .values(status=DeliveryStatus.GIVEN_UP, ended_at=utc_now())
            .returning(WebhookDelivery.webhook_id, WebhookDelivery.error)
        )
        errors: defaultdict[int, list[str | None]] = defaultdict(list)
        for webhook_id, error in session.execute(ended):
            errors[webhook_id].append(error)
        events = [_gave_up(webhook_id, said, days) for webhook_id, said in sorted(errors.items())]
        if events:
            session.execute(insert(Event), events)
    return sum(map(len, errors.values()))


def _gave_up(webhook_id: int, errors: Sequence[str | None], days: float) -> dict[str, str]:
    last = next((error for error in reversed(errors) if error), "it is disabled, or nothing was tried")
    message = f"webhook {webhook_id}: {len(errors)} deliveries given up after {days:g} days; last: {last}"
    return {"kind": GAVE_UP, "subject": f"webhook:{webhook_id}", "message": message}


def prune(database: Database, before: datetime) -> int:
    """Delete deliveries that ended before a time; answers how many."""
    gone = delete(WebhookDelivery).where(WebhookDelivery.ended_at < before).returning(WebhookDelivery.id)
    with database.transaction() as session:
        return len(session.execute(gone).all())


def backlog(session: Session) -> tuple[int, float]:
    """How many deliveries wait for webhooks that are enabled, and for how many seconds the oldest has."""
    enabled = select(Webhook.id).where(Webhook.enabled)
    waiting = select(func.count(), func.min(WebhookDelivery.created_at))
    number, oldest = session.execute(waiting.where(Pending, WebhookDelivery.webhook_id.in_(enabled))).one()
    unrelayed = select(func.min(Event.time)).where(~Event.relayed, enabled.exists())
    moments = [moment for moment in (oldest, session.scalar(unrelayed)) if moment is not None]
    return number, max(0.0, (utc_now() - min(moments)).total_seconds()) if moments else 0.0


def _is_due(now: float) -> ColumnElement[bool]:
    return WebhookDelivery.next_attempt_at <= now
