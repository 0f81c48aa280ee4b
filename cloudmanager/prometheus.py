"""Prometheus: which alerts, or whatever a query finds, are there now. It is asked over its HTTP API.

Raises `Unavailable` when it gives no answer that can be believed, and `InvalidInput` when it does not
understand the query.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpcore

from cloudmanager.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 4 << 20
_SAID = 300
_NOT_UNDERSTOOD = (400, 422)
_OK = 200

# Its debug messages contain headers, and with them tokens.
logging.getLogger("httpcore").setLevel(logging.WARNING)


class Prometheus:
    """As [prometheus] of a configuration says. Each question has a connection of its own: they are rare."""

    def __init__(self, options: Any) -> None:
        self._url: str = (options.url or "").rstrip("/")
        self._timeout: float = options.timeout
        self._cafile: str | None = options.cafile
        self._headers = _headers(options)

    async def found_by(self, query: str) -> list[str]:
        """What the query finds, each as Prometheus writes it: `ALERTS{alertname="DiskFull", …}`."""
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


def _read(status: int, body: bytes) -> list[str]:
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
    return _found(document.get("data"))


def _found(data: Any) -> list[str]:
    """A vector's elements. A number or a text says nothing of what is there: such a query is no good."""
    kind = data.get("resultType") if isinstance(data, dict) else None
    if kind != "vector":
        message = f"the query must find a vector, such as ALERTS{{…}}; it finds a {_plain(str(kind))}"
        raise InvalidInput(message, {"query": ["Does not find a vector."]})
    try:
        return [_in_words(element["metric"]) for element in data["result"]]
    except (KeyError, TypeError, AttributeError):
        raise Unavailable("Prometheus answered with a vector that cannot be read") from None


def _in_words(labels: Mapping[str, Any]) -> str:
    pairs = ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if name != "__name__")
    return _plain(f"{labels.get('__name__', '')}{{{pairs}}}")


def _plain(said: str) -> str:
    return "".join(character for character in said if character.isprintable())[:_SAID] or "no reason given"
