"""The outbox: what is to be told, written in the transaction of what it tells of.

The table of events is one half of it: who inserts an event does nothing else, and `relay` queues it for
webhooks. What is no event, such as the end of a task, is queued by `enqueue` at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from cloudmanager.models import Event, Webhook, WebhookDelivery, utc_now
from cloudmanager.webhooks.kinds import OWN, wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from cloudmanager.db import Database

_AT_ONCE = 500


@dataclass(frozen=True)
class Happening:
    """Something to tell. Receivers know by `id` that they have heard it before."""

    id: str
    kind: str
    subject: str | None
    data: dict[str, Any]
    time: datetime = field(default_factory=utc_now)

    def told(self) -> dict[str, Any]:
        """As a delivery keeps it: an event of CloudEvents 1.0, all but its source."""
        subject = {"subject": self.subject} if self.subject else {}
        return {
            "specversion": "1.0",
            "id": self.id,
            "type": f"cloudmanager.{self.kind}",
            **subject,
            "time": f"{self.time.isoformat()}Z",
            "datacontenttype": "application/json",
            "data": self.data,
        }

    def delivery(self, webhook_id: int) -> dict[str, Any]:
        """The values of a row for a webhook."""
        return {
            "webhook_id": webhook_id,
            "event_id": self.id,
            "kind": self.kind,
            "subject": self.subject,
            "event": self.told(),
        }


def enqueue(session: Session, happenings: Callable[[], Sequence[Happening]]) -> None:
    """Queue what there is to tell for every webhook that wants it; without webhooks nobody is asked."""
    query = select(Webhook.id, Webhook.kinds).where(Webhook.enabled).order_by(Webhook.id)
    webhooks = session.execute(query).all()
    if not webhooks:
        return
    rows = [
        happening.delivery(webhook_id)
        for happening in happenings()
        for webhook_id, kinds in webhooks
        if wanted(kinds, happening.kind) and not _is_of(webhook_id, happening)
    ]
    if rows:
        session.execute(insert(WebhookDelivery), rows)


def relay(database: Database) -> int:
    """Queue the events that have not been relayed yet; answers how many there were."""
    waiting = select(Event.id).where(~Event.relayed).order_by(Event.id).limit(_AT_ONCE)
    with database.reading() as session:
        if session.execute(waiting.limit(1)).first() is None:
            return 0
    taken = (
        update(Event)
        .where(Event.id.in_(waiting), ~Event.relayed)
        .values(relayed=True)
        .returning(Event.id, Event.kind, Event.subject, Event.message, Event.time)
        .execution_options(synchronize_session=False)
    )
    with database.transaction() as session:
        events = sorted(session.execute(taken).all())
        enqueue(session, lambda: [_happening(*event) for event in events])
    return len(events)


def _happening(key: int, kind: str, subject: str, message: str, time: datetime) -> Happening:
    return Happening(f"event-{key}", kind, subject, {"message": message}, time)


def _is_of(webhook_id: int, happening: Happening) -> bool:
    return happening.kind.startswith(OWN) and happening.subject == f"webhook:{webhook_id}"
