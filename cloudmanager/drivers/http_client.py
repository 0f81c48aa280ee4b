"""HTTP/1.1 to one device: one kept connection, a deadline for everything, answers of bounded size.

It stands on httpcore, the engine of httpx, without httpx's client around it: a request costs a third of the
CPU time (docs/decisions/). Paths, never addresses, come from devices: what they say cannot send us elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import httpcore

from cloudmanager.errors import DeviceRefused, DeviceUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloudmanager.drivers.base import Settings

MAX_BODY: Final = 1 << 20
MAX_PATH: Final = 1024
KEEP_ALIVE: Final = 30.0  # seconds; a longer idle connection is likely to be closed just when it is used
_FIRST_PAUSE: Final = 0.05  # seconds between two attempts; doubles
_SENDING: Final = "http11.send_request_headers.started"

# Its debug messages contain headers, and with them tokens.
logging.getLogger("httpcore").setLevel(logging.WARNING)


class Effect(enum.Enum):
    """What a request does, and so whether it may be sent again when its answer is lost."""

    READ = "read"
    STATE = "state"  # asks for a state: twice is harmless
    ONCE = "once"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; names of headers are in lower case. Headers may hold tokens."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class HttpClient:
    """One device. Not for two requests at once. Raises `DeviceUnreachable` and `DeviceRefused` only."""

    def __init__(self, title: str, settings: Settings, context: ssl.SSLContext | None) -> None:
        self._title = title
        scheme = b"http" if context is None else b"https"
        try:
            host = settings.host.encode("ascii" if settings.host.isascii() else "idna")
        except UnicodeError:
            raise DeviceUnreachable(f"{title}: {settings.host!r} cannot be the name of a host") from None
        self._origin = httpcore.Origin(scheme, host, settings.port)
        self._host = b"[%s]" % host if b":" in host else host
        self._context = context
        self._connection: httpcore.AsyncHTTPConnection | None = None
        self._network = _Network()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        deadline: float,
        effect: Effect = Effect.READ,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        attempt: float | None = None,
    ) -> Answer:
        """Send a request and return its answer, whatever its status.

        A lost answer is asked for again until `deadline` (loop time), unless the request acts `ONCE` and
        may have arrived. `attempt` bounds each try, in seconds, for devices that must be woken.
        """
        request = _Request(self._request(method, path, headers or {}, body), effect)
        loop, pause = asyncio.get_running_loop(), _FIRST_PAUSE
        while True:
            until = deadline if attempt is None else min(deadline, loop.time() + attempt)
            try:
                async with asyncio.timeout_at(until):
                    return await self._exchange(request.request)
            except TimeoutError:
                problem = "did not answer in time"
            except httpcore.ConnectError as error:
                raise self._not_connected(error, request) from None
            except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ConnectionNotAvailable) as error:
                problem = f"broke the connection: {_plain(error)}"
            if loop.time() + pause >= deadline or request.must_not_be_repeated:
                raise DeviceUnreachable(f"{self._title} {problem}", maybe_applied=request.maybe_applied)
            await asyncio.sleep(pause)
            pause *= 2

    async def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(httpcore.NetworkError, httpcore.ProtocolError, OSError):
                await connection.aclose()
            await self._network.close()

    async def _exchange(self, request: httpcore.Request) -> Answer:
        connection = await self._connected()
        done = False
        try:
            response = await connection.handle_async_request(request)
            try:
                body = await self._read(response)
            finally:
                await response.aclose()
            done = True
        finally:
            if not done:
                await self.close()
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
        }
        return Answer(response.status, headers, body)

    async def _connected(self) -> httpcore.AsyncHTTPConnection:
        connection = self._connection
        if connection is not None and (connection.has_expired() or not connection.is_available()):
            await self.close()
            connection = None
        if connection is None:
            connection = httpcore.AsyncHTTPConnection(
                self._origin,
                ssl_context=self._context,
                keepalive_expiry=KEEP_ALIVE,
                network_backend=self._network,
            )
            self._connection = connection
        return connection

    async def _read(self, response: httpcore.Response) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_stream():
            body += chunk
            if len(body) > MAX_BODY:
                raise DeviceRefused(f"{self._title} answered with more than {MAX_BODY} bytes")
        return bytes(body)

    def _request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> httpcore.Request:
        if not path.startswith("/") or len(path) > MAX_PATH or not path.isascii() or not path.isprintable():
            raise DeviceRefused(f"{self._title} named {path[:60]!r} where a path of its own should be")
        host = b"%s:%d" % (self._host, self._origin.port)
        sent: list[tuple[bytes, bytes]] = [(b"Host", host), (b"Content-Length", b"%d" % len(body))]
        sent += [
            (name.encode("ascii"), value.encode("latin-1", "replace")) for name, value in headers.items()
        ]
        target = path.replace(" ", "%20").encode("ascii")
        origin = self._origin
        url = httpcore.URL(scheme=origin.scheme, host=origin.host, port=origin.port, target=target)
        return httpcore.Request(method, url, headers=sent, content=body)

    def _not_connected(self, error: Exception, request: _Request) -> DeviceUnreachable | DeviceRefused:
        reason = _root_of(error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            why = reason.verify_message if hasattr(reason, "verify_message") else str(reason)
            return DeviceRefused(
                f"{self._title} is not trusted, so no password was sent: {why}. Give it a certificate of a "
                "known authority, or set `ca_file`, `fingerprint` or `tls`"
            )
        if isinstance(reason, ssl.SSLError):
            return DeviceUnreachable(f"{self._title} does not speak TLS with us: {_plain(reason)}")
        return DeviceUnreachable(
            f"{self._title} cannot be reached: {_plain(error)}", maybe_applied=request.maybe_applied
        )


class _Network(httpcore.AnyIOBackend):
    """Remembers the stream: httpcore leaves it open when it is cancelled in the middle of a TLS handshake."""

    def __init__(self) -> None:
        self._stream: httpcore.AsyncNetworkStream | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self._stream = await super().connect_tcp(host, port, timeout, local_address, socket_options)
        return self._stream

    async def close(self) -> None:
        """Close the stream, once more if httpcore did."""
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(OSError):
                await stream.aclose()


class _Request:
    """A request and whether any of it has left us."""

    def __init__(self, request: httpcore.Request, effect: Effect) -> None:
        self.request = request
        self._effect = effect
        self._left = False
        if effect is not Effect.READ:
            request.extensions["trace"] = self._trace

    @property
    def maybe_applied(self) -> bool:
        return self._left and self._effect is not Effect.READ

    @property
    def must_not_be_repeated(self) -> bool:
        return self._left and self._effect is Effect.ONCE

    async def _trace(self, event: str, _info: Mapping[str, Any]) -> None:
        if event == _SENDING:
            self._left = True


def _root_of(error: BaseException) -> BaseException:
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    return error


def _plain(error: BaseException) -> str:
    said = "".join(character for character in str(error) if character.isprintable())
    return said[:200] or type(error).__name__
