"""Making responses: JSON in one form everywhere."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from flask import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON = "application/json"
_OPTIONS = orjson.OPT_OMIT_MICROSECONDS | orjson.OPT_NON_STR_KEYS


def dumps(value: Any) -> bytes:
    """JSON as the API writes it: UTF-8, times as 2018-10-17T12:18:35."""
    return orjson.dumps(value, option=_OPTIONS)


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON document."""
    return Response(dumps(value), status, headers, content_type=JSON)


def error_body(status: int, message: str, request_id: str | None, **details: Any) -> bytes:
    """The one form of an error."""
    error = {"code": status, "title": HTTPStatus(status).phrase, "message": message, "request_id": request_id}
    return dumps({"error": {**error, **details}})


def nothing(status: int = 204) -> Response:
    """Done, and there is nothing to say."""
    response = Response(status=status)
    response.headers.pop("Content-Type", None)
    return response


def accepted(task_id: str) -> Response:
    """The work goes on in a task."""
    response = nothing(202)
    response.headers["Location"] = task_location(task_id)
    return response


def task_location(task_id: str) -> str:
    """Where a task is read."""
    return f"/v1/tasks/{task_id}"
