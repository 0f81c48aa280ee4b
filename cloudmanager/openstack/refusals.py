"""From what the cloud answers, or fails to answer, to our errors."""

from __future__ import annotations

import re
from typing import Any

from keystoneauth1 import exceptions as problems

from cloudmanager.errors import CloudError, CloudManagerError, CloudRefused, CloudUnreachable, NotFound

NOT_FOUND = 404
UNAUTHORIZED, _FORBIDDEN = 401, 403
_MARKUP = re.compile(r"<[^>]+>")
_LATER = frozenset({408, 429})
_BROKEN, _NOT_IMPLEMENTED = 500, 501
_LONGEST = 500
"""Characters of an answer that go into a message."""

_WAY_OUT = {
    UNAUTHORIZED: "the user of [nova] is not let in: check [nova] username and password",
    _FORBIDDEN: "the user of [nova] lacks the role admin: check [nova] username and project_name",
}


def refusal(
    service: str, status: int, body: Any, request_id: str | None, *, is_tenants: bool = False
) -> CloudManagerError:
    """Our error for an answer that is no success. A tenant is not told what only its operator can change."""
    said = said_in(body) or f"HTTP {status}"
    message = f"{service}: {said}" + (f" ({request_id})" if request_id else "")
    if status == NOT_FOUND:
        return NotFound(message)
    if status in _LATER or (status >= _BROKEN and status != _NOT_IMPLEMENTED):
        return CloudUnreachable(message, request_id=request_id)
    if status in _WAY_OUT and not is_tenants:
        message = f"{message}; {_WAY_OUT[status]}"
    return CloudRefused(message, status=status, request_id=request_id)


def said_in(body: Any) -> str | None:
    """What people are to read in an answer of Nova, Cinder, Placement or Glance; None: nothing."""
    if isinstance(body, dict):
        inner = next(iter(body.values()), None)
        if isinstance(inner, list):
            inner = next(iter(inner), None)
        for part in (inner, body):
            if isinstance(part, dict):
                for name in ("message", "detail", "title"):
                    if isinstance(part.get(name), str) and part[name]:
                        return " ".join(_MARKUP.sub(" ", part[name]).split())[:_LONGEST]
    return None


def failure(service: str, error: problems.ClientException, *, is_tenants: bool = False) -> CloudError:
    """Our error for what keystoneauth raised instead of an answer: no connection, no log-in, no endpoint."""
    request_id = getattr(error, "request_id", None)
    if isinstance(error, problems.HttpError):
        status = error.http_status or _BROKEN
        if status < _BROKEN and status not in _LATER:
            said = f"Keystone: {error.message or f'HTTP {status}'}"
            way_out = _WAY_OUT.get(status, "check the log-in options of [nova]")
            message = said if is_tenants else f"{said}; {way_out}"
            return CloudRefused(message, status=status, request_id=request_id)
        return CloudUnreachable(f"Keystone: {error.message or status}", request_id=request_id)
    if isinstance(error, problems.VersionNotAvailable | problems.CatalogException):
        where = "check [nova] interface and region_name, and the catalogue"
        return CloudRefused(f"{service} has no endpoint that fits: {error}; {where}", status=NOT_FOUND)
    if isinstance(error, problems.SSLError):
        return CloudUnreachable(f"{service}: {error}; check [nova] cafile, certfile and keyfile")
    if isinstance(error, problems.ConnectionError | problems.DiscoveryFailure | problems.InvalidResponse):
        return CloudUnreachable(f"{service}: {error}")
    return CloudRefused(f"{service}: cannot log in: {error}; check [nova]", status=UNAUTHORIZED)
