"""Signatures as the API shows them; their times are in the form of RFC 1123, as the reference has them."""

from __future__ import annotations

from datetime import UTC
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from marshmallow import Schema, fields, validate

from cloudmanager.models import Signature, Validity
from cloudmanager.sign.record import validity_of

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from cloudmanager.sign.keys import SigningKeys

COLUMNS = [
    getattr(Signature, name)
    for name in (
        "id",
        "instance_name",
        "server_id",
        "node_id",
        "is_valid",
        "reason",
        "baseline",
        "locked_for",
        "created_at",
        "updated_at",
        "key_id",
        "signature",
    )
]


class SignShape(Schema):
    """The signature of a server."""

    id = fields.Integer()
    instance_name = fields.String(allow_none=True)
    server_id = fields.String()
    node_id = fields.Integer()
    is_valid = fields.String(validate=validate.OneOf([each.value for each in Validity]))
    reason = fields.String(allow_none=True)
    created_at = fields.String()
    updated_at = fields.String(allow_none=True)


class GuardedServerShape(Schema):
    """What guarding its node would do with a server."""

    server_id = fields.String()
    name = fields.String()
    status = fields.String()
    lock = fields.String()


class GuardPlanShape(Schema):
    """What would be done; nothing has been started."""

    action = fields.String()
    node_id = fields.Integer()
    host = fields.String(allow_none=True)
    servers = fields.List(fields.Nested(GuardedServerShape()))


def shown(session: Session, row: Any, keys: SigningKeys) -> dict[str, Any]:
    """A record, believed as far as its signature goes."""
    validity, reason = validity_of(session, row, keys)
    return {
        "id": row.id,
        "instance_name": row.instance_name,
        "server_id": row.server_id,
        "node_id": row.node_id,
        "is_valid": validity.value,
        "reason": reason,
        "created_at": _moment(row.created_at),
        "updated_at": row.updated_at and _moment(row.updated_at),
    }


def _moment(time: datetime) -> str:
    return format_datetime(time.replace(tzinfo=UTC), usegmt=True)
