"""`/v1/audit-log`: who did what, for administrators. It can only be read."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields
from sqlalchemy import select

from cloudmanager.api import filters
from cloudmanager.api.reading import Source
from cloudmanager.api.resource import Resource
from cloudmanager.models import AuditRecord
from cloudmanager.tokens import Role

blueprint = Blueprint("audit-log", __name__, url_prefix="/v1", description="Who did what")


class AuditLogEntryShape(Schema):
    """One request that changed something, or was to."""

    id = fields.Integer()
    time = fields.DateTime()
    request_id = fields.String()
    user_name = fields.String(allow_none=True)
    user_id = fields.String(allow_none=True)
    project_id = fields.String(allow_none=True)
    roles = fields.String(allow_none=True)
    address = fields.String(allow_none=True)
    action = fields.String()
    method = fields.String()
    path = fields.String()
    subject = fields.String(allow_none=True)
    status = fields.Integer()
    outcome = fields.String()
    detail = fields.String(allow_none=True)


_NUMBERS = ("id", "status")
_COLUMNS = {name: getattr(AuditRecord, name) for name in AuditLogEntryShape().fields}


def _filter(name: str) -> filters.Filter:
    if name == "time":
        return filters.moment(AuditRecord.time)
    return (filters.integer if name in _NUMBERS else filters.text)(_COLUMNS[name])


def present(row: Any) -> dict[str, Any]:
    """A record as the API shows it."""
    return dict(zip(_COLUMNS, row, strict=True))


audit_log = Resource(
    blueprint=blueprint,
    path="/audit-log/",
    noun="audit_log_entry",
    plural="audit_log",
    model=AuditRecord,
    source=Source(select(*_COLUMNS.values()), key=AuditRecord.id, present=present),
    shape=AuditLogEntryShape(),
    fields={name: _filter(name) for name in _COLUMNS},
    read_role=Role.ADMIN,
).register()
