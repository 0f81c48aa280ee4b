"""Documents of the issuer, fetched over HTTP: bounded in size and time, no redirect is followed."""

from __future__ import annotations

import json
import ssl
from time import monotonic
from typing import Any

import httpcore

from cloudmanager.errors import Unavailable

LONGEST = 256 << 10
"""Bytes of an answer: a realm with a dozen keys and their certificates takes 30 thousand."""
_OK = 200


def fetch(url: str, *, cafile: str | None, deadline: float) -> dict[str, Any]:
    """The JSON object at an address; `deadline` is a moment of the monotonic clock. Raises `Unavailable`."""
    try:
        status, body = _ask(url, cafile, deadline)
    except (
        OSError,
        ValueError,  # the address is none
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.UnsupportedProtocol,
    ) as error:
        raise Unavailable(f"{url} cannot be reached: {error or type(error).__name__}") from None
    try:
        document = json.loads(body) if status == _OK else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Unavailable(f"{url} answered {status}, and not with a JSON object")
    return document


def _ask(url: str, cafile: str | None, deadline: float) -> tuple[int, bytes]:
    context = ssl.create_default_context(cafile=cafile or None) if url.startswith("https:") else None
    left = max(0.01, deadline - monotonic())
    timeout = dict.fromkeys(("connect", "read", "write", "pool"), left)
    body = bytearray()
    with (
        httpcore.ConnectionPool(ssl_context=context) as pool,
        pool.stream(
            "GET", url, headers={"Accept": "application/json"}, extensions={"timeout": timeout}
        ) as response,
    ):
        for chunk in response.iter_stream():
            body += chunk
            if len(body) > LONGEST or monotonic() > deadline:
                raise Unavailable(f"{url} answers with too much, or too slowly")
        return response.status, bytes(body)
