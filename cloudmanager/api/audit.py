"""Who did what: a record of every request that changes something, or was to. Never a body, never a secret.

It is written when the answer is decided and before it is sent, in a transaction of its own: a request that
failed leaves a record too. Flows end later than their request; `detail` names the task.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import structlog
from flask import g, request

from cloudmanager import audit
from cloudmanager.api.caller import client_address
from cloudmanager.api.nouns import singular
from cloudmanager.api.services import services
from cloudmanager.models import utc_now

if TYPE_CHECKING:
    from flask import Flask, Response

log = structlog.get_logger(__name__)

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_ACTS_BY_GET = frozenset({"signs.guard_node_by_get"})
"""What the reference documents as a GET, and changes something."""

_LONGEST = 1000
_TASKS = "/v1/tasks/"


def register(app: Flask) -> None:
    """Record what the application is asked to change."""
    app.after_request(_keep)


def _keep(response: Response) -> Response:
    """Write the record; when that fails it goes to the log, because what has happened cannot be undone."""
    acts = request.method not in _READING or request.endpoint in _ACTS_BY_GET
    if acts and request.endpoint is not None:
        record = _record(request.endpoint, response)
        try:
            audit.write(services().database, record)
        except Exception as error:  # noqa: BLE001 - the answer is decided, whatever is wrong with the log
            log.error("audit record not written", error=type(error).__name__, **record)  # noqa: TRY400
    return response


def _record(endpoint: str, response: Response) -> dict[str, Any]:
    caller = g.get("caller")
    return {
        "time": utc_now(),
        "request_id": g.request_id,
        "user_name": caller and caller.name,
        "user_id": caller and caller.user_id,
        "project_id": caller and caller.project_id,
        "roles": caller and ",".join(caller.roles),
        "address": client_address(services().config.api.trusted_proxies),
        "action": endpoint.rpartition(".")[2],
        "method": request.method,
        "path": _storable(request.path),
        "subject": _subject(response),
        "status": response.status_code,
        "outcome": _outcome(response.status_code),
        "detail": _detail(response),
    }


def _outcome(status: int) -> str:
    if status < HTTPStatus.BAD_REQUEST:
        return "success"
    return "refused" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "failed"


def _subject(response: Response) -> str | None:
    """What it was done to: the first object of the path, else what was created."""
    for name, value in (request.view_args or {}).items():
        return f"{name.removesuffix('_id')}:{value}"
    location = response.headers.get("Location", "")
    if response.status_code == HTTPStatus.CREATED and location:
        *_, plural, key = location.split("/")
        return f"{singular(plural)}:{key}"
    return None


def _detail(response: Response) -> str | None:
    """Why not, or which task goes on with it."""
    if response.status_code >= HTTPStatus.BAD_REQUEST:
        error = (response.get_json(silent=True) or {}).get("error", {})
        return _storable(str(error.get("message", "")))
    location = response.headers.get("Location", "")
    return f"task {location.removeprefix(_TASKS)}" if location.startswith(_TASKS) else None


def _storable(text: str) -> str:
    """As a database takes it, and no longer than anybody reads."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()[:_LONGEST]
