"""The shape of errors, for OpenAPI."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from marshmallow import Schema, fields

from cloudmanager.api.errors import STATUS

if TYPE_CHECKING:
    from apispec import APISpec

_OF_THE_FRAMEWORK = (405, 413, 414, 415)


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


def document_errors(spec: APISpec) -> None:
    """One response per status, which operations refer to as `Error<status>`."""
    for status in sorted({*STATUS.values(), *_OF_THE_FRAMEWORK}):
        content = {"application/json": {"schema": ErrorShape()}}
        spec.components.response(
            f"Error{status}", {"description": HTTPStatus(status).phrase, "content": content}
        )
