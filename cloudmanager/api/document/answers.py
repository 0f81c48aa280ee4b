"""Answers in the document: their headers, and the errors with an example each."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cloudmanager.api.answers import JSON
from cloudmanager.api.document.glossary.tasks import REQUEST_ID, TASK_ID

if TYPE_CHECKING:
    from apispec import APISpec
    from marshmallow import Schema

REQUEST_ID_HEADER = "X-Openstack-Request-Id"
_REQUEST_ID_FORM = "^req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


def _header(text: str, example: str, *, required: bool = True, **schema: Any) -> dict[str, Any]:
    return {
        "description": text,
        "required": required,
        "schema": {"type": "string", **schema},
        "example": example,
    }


HEADERS = {
    REQUEST_ID_HEADER: _header(
        "Id of the request; the log, tasks and errors have it too.", REQUEST_ID, pattern=_REQUEST_ID_FORM
    ),
    "X-Request-Id": _header("The same, as OneCloud calls it.", REQUEST_ID, pattern=_REQUEST_ID_FORM),
    "X-Subject-Token": _header("The token.", "gAAAAABbRyeaDF-FJj_roQXFXA2KLILvQbAxUcQ4TjT65UGL"),
    "Location": _header("Where to read what was created or started.", f"/v1/tasks/{TASK_ID}", pattern="^/"),
    "Link": _header(
        "The next page, while there is one.",
        '</v1/nodes/?offset=100&limit=100>; rel="next"',
        required=False,
        pattern='^<[^>]+>; rel="next"$',
    ),
    "ETag": _header("Names this version.", '"5f1d7a84db00d2fce00b31a7fc73224f"', pattern='^(?:W/)?"[^"]*"$'),
    "Idempotency-Replayed": _header(
        "That this is the answer to the first request with this key.", "true", required=False, enum=["true"]
    ),
    "Retry-After": _header("Seconds after which to try again.", "5", pattern="^[0-9]+$"),
    "WWW-Authenticate": _header("How to show who you are.", 'X-Auth-Token realm="cloudmanager"'),
}
"""Every header that an answer can have of ours."""


@dataclass(frozen=True)
class Answer:
    """One documented answer of an operation, where its schema alone does not say all."""

    schema: Schema | dict[str, Any] | None
    text: str | None = None
    headers: tuple[str, ...] = ()
    sometimes: tuple[str, ...] = ()
    content_type: str = JSON


_TEXTS = {
    200: "Done.",
    201: "Created. `Location` is where it is read.",
    202: "Started. `Location` names the task; there is no body.",
    204: "Done; there is no body.",
    304: "The caller has it already; there is no body.",
}
_LOCATED = (201, 202)

ERRORS: dict[int, tuple[str, str]] = {
    400: (
        "The request cannot be read: its body is no JSON, or it is not HTTP.",
        "the body is not JSON that can be read: unexpected end of data",
    ),
    401: (
        "There is no token, or one that is unknown or has expired.",
        "the token is unknown or has expired: get another one",
    ),
    403: ("The caller may not do this.", "this needs the role admin; the token of night shift is member"),
    404: ("There is no such object.", "there is no node 61"),
    405: (
        "The path does not take this method; `Allow` names those that it takes.",
        "The method is not allowed here.",
    ),
    409: (
        "It contradicts what is there, or another task works on it; `task_id` names that task.",
        f"task {TASK_ID} (power-off) works on node 1: wait for it or cancel it",
    ),
    412: (
        "It is no longer what `If-Match` says.",
        "it has changed since it was read, or If-Match has no tag of it: read it again",
    ),
    413: ("The body is too large.", "the body is larger than this server takes"),
    414: ("The URL is too long.", "the URL is longer than 8000 characters: ask in several requests"),
    415: ("The body is not JSON in UTF-8.", "send the body as application/json, not as text/xml"),
    422: (
        "It can be read, but a field or parameter is wrong or unknown; `errors` names it.",
        "the body has wrong values: rack_number",
    ),
    429: (
        "The caller asks too often; `Retry-After` says when to go on.",
        "too many requests with tokens of this user: [portal] rate allows 10 a second",
    ),
    500: (
        "Our mistake; the log has the details under the request id.",
        "internal error: report it with the request id",
    ),
    501: (
        "This installation is not set up for it.",
        "OpenStack is not configured: set [nova] auth_url, username and password, or [nova] cloud",
    ),
    502: (
        "The power device or OpenStack refused.",
        "ipmi://SupermicroRackDevice@192.0.2.107:623 refused the credentials",
    ),
    503: ("Something that the request needs is away for the moment.", "the database is away: try again"),
    504: (
        "The power device or OpenStack did not answer.",
        "ipmi://SupermicroRackDevice@192.0.2.107:623 is not reachable",
    ),
}
"""What each status means, and the message of its example."""

_DETAILS: dict[int, dict[str, Any]] = {
    409: {"task_id": TASK_ID},
    422: {"errors": {"rack_number": ["Must be greater than or equal to 1 and less than or equal to 99."]}},
}
_ERROR_HEADERS = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}


def answer_document(status: int, answer: Any) -> dict[str, Any]:
    """One answer of an operation, declared as an `Answer`, a schema, or nothing at all."""
    if not isinstance(answer, Answer):
        answer = Answer(answer)
    located = status in _LOCATED and "Location" not in answer.sometimes
    names = [*(("Location",) if located else ()), *answer.headers]
    optional = {name: {**HEADERS[name], "required": False} for name in answer.sometimes}
    document: dict[str, Any] = {
        "description": answer.text or _TEXTS[status],
        "headers": _headers(names) | optional,
    }
    if answer.schema is not None:
        document["content"] = {answer.content_type: {"schema": answer.schema}}
    return document


def register(spec: APISpec, shape: Schema) -> None:
    """Give the document its headers, and one answer per status of errors, `Error<status>`."""
    for name, header in HEADERS.items():
        spec.components.header(name, header)
    for status in ERRORS:
        spec.components.response(f"Error{status}", _error(status, shape))


def _error(status: int, shape: Schema) -> dict[str, Any]:
    text, message = ERRORS[status]
    error = {"code": status, "title": HTTPStatus(status).phrase, "message": message, "request_id": REQUEST_ID}
    example = {"error": {**error, **_DETAILS.get(status, {})}}
    headers = _headers([_ERROR_HEADERS[status]] if status in _ERROR_HEADERS else [])
    content = {"application/json": {"schema": shape, "example": example}}
    return {"description": text, "headers": headers, "content": content}


def _headers(names: list[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (REQUEST_ID_HEADER, *names)}
