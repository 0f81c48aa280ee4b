"""The headers that operations heed besides the token, and the errors that these can give, for OpenAPI."""

from __future__ import annotations

from typing import Any

from cloudmanager.idempotency import HEADER as IDEMPOTENCY_KEY

_KEY = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
_ONCE = "A key of your own, such as a UUID: the request is done once, however often it is sent with it."
_SEEN = "ETags of what the caller has seen: 412 when it is something else now."
_CONDITIONS = {
    "GET": ("If-None-Match", "ETags that the caller has: 304 when the object is still that."),
    "PUT": ("If-Match", _SEEN),
    "DELETE": ("If-Match", _SEEN),
}


def request_headers(method: str, *, keyed: bool, conditional: bool) -> list[dict[str, Any]]:
    """The parameters of an operation."""
    found = []
    if keyed:
        found.append(_header(IDEMPOTENCY_KEY, _ONCE, _KEY))
    if conditional:
        name, text = _CONDITIONS[method]
        found.append(_header(name, text, {"type": "string"}))
    return found


def statuses_of_headers(method: str, *, keyed: bool, conditional: bool) -> list[int]:
    """The errors."""
    return [*((409, 422) if keyed else ()), *((412,) if conditional and method != "GET" else ())]


def _header(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": text}
