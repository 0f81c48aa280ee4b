"""One attempt to deliver an event: a POST, of whose answer only the status counts."""

from __future__ import annotations

import asyncio
import enum
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpcore
import orjson

from cloudmanager import __version__
from cloudmanager.webhooks import signature
from cloudmanager.webhooks.addresses import AddressRefused, GuardedNetwork, Networks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudmanager.config import Config

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
_LATER = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
)
_LONGEST_ERROR = 300


class Outcome(enum.StrEnum):
    """What an attempt came to."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    """The receiver does not take this event; it may take others."""
    BUSY = "busy"
    """It answers that it cannot take anything now."""
    UNREACHABLE = "unreachable"
    """There was no answer."""


@dataclass(frozen=True)
class Attempt:
    """What came of it; `retry_after` in seconds, when the receiver has said."""

    outcome: Outcome
    status: int | None = None
    error: str | None = None
    retry_after: float = 0.0


class Sender:
    """Sends as `[webhooks]` says. Redirects are not followed, bodies of answers are not read."""

    def __init__(self, config: Config, clock: Callable[[], float]) -> None:
        self._options = config.webhooks
        self._network = GuardedNetwork(Networks.from_config(config))
        self._clock = clock

    async def send(self, url: str, secret: str, event: Mapping[str, Any]) -> Attempt:
        """One attempt, bounded in time; never raises for what the receiver or the network does."""
        body = orjson.dumps({**event, "source": self._options.source})
        headers = {
            "content-type": CONTENT_TYPE,
            "user-agent": f"CloudManager/{__version__}",
            **signature.headers(secret, event["id"], self._clock(), body),
        }
        try:
            async with asyncio.timeout(self._options.timeout):
                return await self._post(url, headers, body)
        except TimeoutError:
            return _unreachable(f"no answer within {self._options.timeout:g} s")
        except AddressRefused as error:
            return _unreachable(str(error))
        except (
            OSError,
            UnicodeError,
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.TimeoutException,
        ) as error:
            return _unreachable(f"{type(error).__name__}: {error}")

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> Attempt:
        context = None
        if url.startswith("https:"):
            context = ssl.create_default_context(cafile=self._options.cafile or None)
        async with (
            httpcore.AsyncConnectionPool(ssl_context=context, network_backend=self._network) as pool,
            pool.stream("POST", url, headers=list(headers.items()), content=body) as response,
        ):
            said = {name.lower(): value for name, value in response.headers}
            return _judge(response.status, said.get(b"retry-after", b""))


def _judge(status: int, retry_after: bytes) -> Attempt:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Attempt(Outcome.DELIVERED, status)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _LATER:
        seconds = float(retry_after) if retry_after.isdigit() and len(retry_after) < len("100000") else 0.0
        return Attempt(Outcome.BUSY, status, f"answered {status}", seconds)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Attempt(Outcome.REFUSED, status, f"answered {status}: redirects are not followed")
    return Attempt(Outcome.REFUSED, status, f"answered {status}")


def _unreachable(why: str) -> Attempt:
    plain = "".join(character for character in why if character.isprintable())
    return Attempt(Outcome.UNREACHABLE, None, plain[:_LONGEST_ERROR])
