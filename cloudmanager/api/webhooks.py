"""`/v1/webhooks`: who is told of events. The monitor sends; here it is said to whom, and what came of it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import g
from flask_smorest import Blueprint
from sqlalchemy import func, insert, select

from cloudmanager.api import filters
from cloudmanager.api.answers import answer
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.idempotency import keep
from cloudmanager.api.operation import operation
from cloudmanager.api.reading import Source
from cloudmanager.api.resource import Parent, Resource, Variables
from cloudmanager.api.services import services
from cloudmanager.api.webhook_schemas import (
    DeliveryShape,
    QueuedShape,
    ReplayBody,
    WebhookBody,
    WebhookChange,
    WebhookShape,
)
from cloudmanager.errors import Conflict, InvalidInput
from cloudmanager.models import DeliveryStatus, Webhook, WebhookDelivery, utc_now
from cloudmanager.tokens import Role
from cloudmanager.webhooks import queue
from cloudmanager.webhooks.addresses import AddressRefused, Networks
from cloudmanager.webhooks.kinds import TEST
from cloudmanager.webhooks.outbox import Happening

if TYPE_CHECKING:
    from flask import Response
    from sqlalchemy.orm import Session

blueprint = Blueprint("webhooks", __name__, url_prefix="/v1", description="Who is told of what happens")

_COLUMNS = ("id", "url", "kinds", "enabled", "created_at", "updated_at", "failing_since")
_PENDING = (
    select(func.count())
    .where(WebhookDelivery.webhook_id == Webhook.id, queue.Pending)
    .correlate(Webhook)
    .scalar_subquery()
)
_OF_DELIVERY = (
    "id",
    "event_id",
    "kind",
    "subject",
    "event",
    "status",
    "attempts",
    "last_status",
    "error",
    "created_at",
    "ended_at",
    "next_attempt_at",
)


def present(row: Any) -> dict[str, Any]:
    """A webhook as the API shows it."""
    return dict(zip((*_COLUMNS, "pending"), row, strict=True))


def present_delivery(row: Any) -> dict[str, Any]:
    """A delivery as the API shows it. One that was never tried is due since it was made."""
    shown = dict(zip(_OF_DELIVERY, row, strict=True))
    due = datetime.fromtimestamp(int(shown["next_attempt_at"]), UTC).replace(tzinfo=None)
    waits = shown["status"] == DeliveryStatus.PENDING
    return {**shown, "next_attempt_at": max(due, shown["created_at"]) if waits else None}


def prepare(
    session: Session, body: dict[str, Any], row: Webhook | None, _variables: Variables
) -> dict[str, Any]:
    """Seal the secret; refuse addresses to which nothing is sent; a change ends all pauses."""
    if "url" in body:
        _check_address(body["url"])
    if "secret" in body:
        body["sealed_secret"] = services().vault.seal(body.pop("secret"))
    if row is not None:
        body["updated_at"] = utc_now()
        queue.send_now(session, row.id)
        session.refresh(row)
    return body


def _check_address(url: str) -> None:
    try:
        Networks.from_config(services().config).check_host(urlsplit(url).hostname or "")
    except AddressRefused as error:
        raise InvalidInput(f"url: {error}", {"url": ["Nothing is sent there."]}) from None


webhooks = Resource(
    blueprint=blueprint,
    path="/webhooks/",
    noun="webhook",
    plural="webhooks",
    model=Webhook,
    source=Source(
        select(*(getattr(Webhook, column) for column in _COLUMNS), _PENDING),
        key=Webhook.id,
        present=present,
    ),
    shape=WebhookShape(),
    fields={"id": filters.integer(Webhook.id), "enabled": filters.boolean(Webhook.enabled)},
    create_body=WebhookBody(),
    update_body=WebhookChange(),
    prepare=prepare,
    release=lambda _session, _webhook: None,
    observed=frozenset({"failing_since", "pending"}),
    read_role=Role.ADMIN,
).register()

deliveries = Resource(
    blueprint=blueprint,
    path="/webhooks/<id:webhook_id>/deliveries/",
    noun="delivery",
    plural="deliveries",
    model=WebhookDelivery,
    source=Source(
        select(*(getattr(WebhookDelivery, column) for column in _OF_DELIVERY)),
        key=WebhookDelivery.id,
        present=present_delivery,
    ),
    shape=DeliveryShape(),
    fields={
        "id": filters.integer(WebhookDelivery.id),
        "event_id": filters.text(WebhookDelivery.event_id),
        "kind": filters.text(WebhookDelivery.kind),
        "subject": filters.text(WebhookDelivery.subject),
        "status": filters.text(WebhookDelivery.status),
        "created_at": filters.moment(WebhookDelivery.created_at),
    },
    parent=Parent("webhook", "webhook_id", Webhook, WebhookDelivery.webhook_id),
    read_role=Role.ADMIN,
).register()

QUEUED = Answer(QueuedShape(), "Queued; the monitor sends them in their order.")


def _queued(webhook_id: int, delivery_ids: list[int]) -> Response:
    where = {"Location": f"/v1/webhooks/{webhook_id}/deliveries"}
    return answer({"delivery_ids": delivery_ids}, 202, where)


@operation(
    blueprint,
    "POST",
    "/webhooks/<id:webhook_id>/actions/test",
    role=Role.ADMIN,
    name="test_webhook",
    summary="Send a test event",
    answers={202: QUEUED},
    errors=(409,),
)
def test_webhook(webhook_id: int) -> Response:
    """Whatever kinds it wants. A receiver that is being left alone for a while is tried at once."""
    with services().database.transaction() as session:
        _enabled(session, webhook_id)
        data = {"message": "this is a test", "requested_by": g.caller.name}
        test = Happening(f"test-{uuid.uuid4()}", TEST, f"webhook:{webhook_id}", data)
        added = insert(WebhookDelivery).values(test.delivery(webhook_id)).returning(WebhookDelivery.id)
        queued = [session.execute(added).scalar_one()]
        queue.send_now(session, webhook_id)
        return keep(session, _queued(webhook_id, queued))


@operation(
    blueprint,
    "POST",
    "/webhooks/<id:webhook_id>/actions/replay",
    role=Role.ADMIN,
    name="replay_webhook",
    summary="Send deliveries again",
    body=ReplayBody(),
    answers={202: QUEUED},
    errors=(409,),
)
def replay_webhook(webhook_id: int, body: dict[str, Any]) -> Response:
    """Those that have ended, delivered or given up, as new deliveries of the same events."""
    since = body.get("since")
    ids = body.get("delivery_ids", [])
    with services().database.transaction() as session:
        _enabled(session, webhook_id)
        if since is not None:
            queued = queue.replay(session, webhook_id, since=datetime.fromisoformat(since))
        else:
            _check_ended(session, webhook_id, ids)
            queued = queue.replay(session, webhook_id, ids=ids)
        queue.send_now(session, webhook_id)
        return keep(session, _queued(webhook_id, queued))


def _enabled(session: Session, webhook_id: int) -> None:
    if not webhooks.row(session, webhook_id).enabled:
        raise Conflict(f"webhook {webhook_id} is disabled: nothing is sent until it is enabled")


def _check_ended(session: Session, webhook_id: int, ids: list[int]) -> None:
    of_these = (WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.id.in_(ids))
    known = dict(session.execute(select(WebhookDelivery.id, WebhookDelivery.status).where(*of_these)).all())
    if unknown := sorted(set(ids) - set(known)):
        named = ", ".join(map(str, unknown))
        message = f"webhook {webhook_id} has no delivery {named}"
        raise InvalidInput(message, {"delivery_ids": ["Not all are there."]})
    if waiting := sorted(key for key, status in known.items() if status == DeliveryStatus.PENDING):
        raise Conflict(f"still to be sent for the first time: {', '.join(map(str, waiting))}")
