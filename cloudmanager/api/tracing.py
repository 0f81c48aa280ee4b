"""What surrounds every request: its id, its line in the log, its place in the metrics."""

from __future__ import annotations

import re
import time
import uuid
from typing import TYPE_CHECKING

import structlog
from flask import abort, g, request

from cloudmanager.api import metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask, Response

log = structlog.get_logger(__name__)

HEADER = "X-Openstack-Request-Id"
MAX_URL = 8000
"""Characters of path and query; the server below accepts a little more, so that the refusal has our form."""

_WATCHING = frozenset({"/healthz", "/readyz", "/metrics"})
"""Paths that are asked every few seconds, by programs."""

_REQUEST_ID = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def register(app: Flask) -> None:
    """Trace every request of the application."""
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    g.request_id = f"req-{uuid.uuid4()}"
    g.began = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)
    caller_id = request.headers.get(HEADER, "")
    if _REQUEST_ID.fullmatch(caller_id):
        structlog.contextvars.bind_contextvars(global_request_id=caller_id)
    if len(request.path) + len(request.query_string) > MAX_URL:
        abort(414, f"the URL is longer than {MAX_URL} characters: ask in several requests")


def _end(response: Response) -> Response:
    response.headers[HEADER] = g.request_id
    account = _accountant(response.status_code)
    if response.is_streamed:
        response.call_on_close(account)
    else:
        account()
    return response


def _accountant(status: int) -> Callable[[], None]:
    """What writes the request's line and counts it; it outlives the request, for a streamed answer."""
    began: float = g.began
    endpoint = request.url_rule.rule if request.url_rule else "(unknown)"
    line = {
        "method": request.method,
        "path": request.path,
        "status": status,
        "user": g.caller.name if "caller" in g else None,
        "request_id": g.request_id,
    }

    def account() -> None:
        seconds = time.perf_counter() - began
        metrics.observe(line["method"], endpoint, status, seconds)
        write = log.debug if endpoint in _WATCHING else log.info
        write("request", duration_ms=round(seconds * 1000, 1), **line)

    return account
