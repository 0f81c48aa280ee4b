"""`/v1/events`: what happened in the data centre without anybody asking for it. It can only be read."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields
from sqlalchemy import select

from cloudmanager.api import filters
from cloudmanager.api.reading import Source
from cloudmanager.api.resource import Resource
from cloudmanager.models import Event

blueprint = Blueprint("events", __name__, url_prefix="/v1", description="What happened unasked")


class EventShape(Schema):
    """Something that was noticed."""

    id = fields.Integer()
    time = fields.DateTime()
    kind = fields.String()
    subject = fields.String()
    message = fields.String()


def present(row: Any) -> dict[str, Any]:
    """An event as the API shows it."""
    key, time, kind, subject, message = row
    return {"id": key, "time": time, "kind": kind, "subject": subject, "message": message}


events = Resource(
    blueprint=blueprint,
    path="/events/",
    noun="event",
    plural="events",
    model=Event,
    source=Source(
        select(Event.id, Event.time, Event.kind, Event.subject, Event.message), key=Event.id, present=present
    ),
    shape=EventShape(),
    fields={
        "id": filters.integer(Event.id),
        "time": filters.moment(Event.time),
        "kind": filters.text(Event.kind),
        "subject": filters.text(Event.subject),
        "message": filters.text(Event.message),
    },
).register()
