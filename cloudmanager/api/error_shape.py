"""The shape of errors, for OpenAPI."""

from __future__ import annotations

from marshmallow import Schema, fields


class ErrorDetails(Schema):
    """What went wrong, and how to get out of it."""

    code = fields.Integer(required=True)
    title = fields.String(required=True)
    message = fields.String(required=True)
    request_id = fields.String(required=True)
    errors = fields.Dict(keys=fields.String(), values=fields.List(fields.String()))
    task_id = fields.String()


class ErrorShape(Schema):
    """Every error."""

    error = fields.Nested(ErrorDetails, required=True)
