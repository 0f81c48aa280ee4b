"""Prometheus: which alerts are there now, and the values that a query finds. It is asked over its HTTP API.

Raises `Unavailable` when it gives no answer that can be believed, and `InvalidInput` when it does not
understand the query.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import ssl
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import httpcore

from cloudmanager.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LONGEST = 32 << 20
"""Bytes of an answer: more than a query finds for every server of a large cloud."""
_SAID = 300
_NOT_UNDERSTOOD = (400, 422)
_OK = 200
_UNREADABLE = "Prometheus answered with a vector that cannot be read"

# Its debug messages contain headers, and with them tokens.
logging.getLogger("httpcore").setLevel(logging.WARNING)


class Sample(NamedTuple):
    """What a query finds of one series; the value may be no number, or infinite."""

    labels: Mapping[str, str]
    value: float


class Vector(NamedTuple):
    """What a query finds, and what Prometheus warns of: that it may be incomplete, for example."""

    samples: Sequence[Sample]
    warnings: Sequence[str]


class Prometheus:
    """As [prometheus] of a configuration says. Each question has a connection of its own: they are rare.

    `timeout` in seconds is for callers whose answers may take longer.
    """

    def __init__(self, options: Any, *, timeout: float | None = None) -> None:
        self._url: str = (options.url or "").rstrip("/")
        self._timeout: float = timeout or options.timeout
        self._cafile: str | None = options.cafile
        self._headers = _headers(options)

    async def found_by(self, query: str) -> list[str]:
        """What the query finds, each as Prometheus writes it: `ALERTS{alertname="DiskFull", …}`."""
        return _found(await self._answer(query))

    async def vector(self, query: str) -> Vector:
        """What the query finds, with values."""
        document = await self._answer(query)
        warnings = document.get("warnings")
        said = [_plain(str(each)) for each in warnings] if isinstance(warnings, list) else []
        return Vector(_samples(document), said)

    async def _answer(self, query: str) -> Mapping[str, Any]:
        if not self._url:
            raise Unavailable("Prometheus is not configured: set [prometheus] url")
        try:
            async with asyncio.timeout(self._timeout):
                status, body = await self._ask(query)
        except TimeoutError:
            raise Unavailable(f"Prometheus did not answer within {self._timeout:g} s") from None
        except (
            OSError,
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.UnsupportedProtocol,
        ) as error:
            raise Unavailable(f"Prometheus cannot be reached: {_plain(str(error))}") from None
        return _read(status, body)

    async def _ask(self, query: str) -> tuple[int, bytes]:
        context = None
        if self._url.startswith("https:"):
            context = ssl.create_default_context(cafile=self._cafile or None)
        url = f"{self._url}/api/v1/query?{urlencode({'query': query})}"
        body = bytearray()
        async with (
            httpcore.AsyncConnectionPool(ssl_context=context) as pool,
            pool.stream("GET", url, headers=self._headers) as response,
        ):
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) > _LONGEST:
                    raise Unavailable(f"Prometheus answered with more than {_LONGEST} bytes")
            return response.status, bytes(body)


def _headers(options: Any) -> list[tuple[bytes | str, bytes | str]]:
    if options.bearer_token:
        return [("Authorization", f"Bearer {options.bearer_token}")]
    if options.username:
        pair = f"{options.username}:{options.password or ''}".encode()
        return [("Authorization", f"Basic {base64.b64encode(pair).decode()}")]
    return []


def _read(status: int, body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Unavailable(f"Prometheus answered {status}, and not with what its API answers")
    if status in _NOT_UNDERSTOOD and document.get("status") == "error":
        said = _plain(str(document.get("error")))
        raise InvalidInput(f"Prometheus does not understand the query: {said}", {"query": [said]})
    if status != _OK or document.get("status") != "success":
        raise Unavailable(f"Prometheus answered {status}: {_plain(str(document.get('error')))}")
    return document


def _found(document: Mapping[str, Any]) -> list[str]:
    try:
        return [_in_words(element["metric"]) for element in _elements(document)]
    except (KeyError, TypeError, AttributeError):
        raise Unavailable(_UNREADABLE) from None


def _samples(document: Mapping[str, Any]) -> list[Sample]:
    try:
        return [Sample(dict(each["metric"]), float(each["value"][1])) for each in _elements(document)]
    except (KeyError, IndexError, TypeError, ValueError):
        raise Unavailable(_UNREADABLE) from None


def _elements(document: Mapping[str, Any]) -> Any:
    """Those of a vector. A number or a text says nothing of what is there: such a query is no good."""
    data = document.get("data")
    kind = data.get("resultType") if isinstance(data, dict) else None
    if not isinstance(data, dict) or kind != "vector":
        message = f"the query must find a vector, such as ALERTS{{…}}; it finds a {_plain(str(kind))}"
        raise InvalidInput(message, {"query": ["Does not find a vector."]})
    return data["result"]


def _in_words(labels: Mapping[str, Any]) -> str:
    pairs = ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if name != "__name__")
    return _plain(f"{labels.get('__name__', '')}{{{pairs}}}")


def _plain(said: str) -> str:
    return "".join(character for character in said if character.isprintable())[:_SAID] or "no reason given"
