"""HTTP/1.1 of simulated services: requests in, answers out, and services that are slow or broken on demand.

h11 reads and writes the protocol (RFC 9112): connections that stay, chunked bodies, HEAD, malformed requests.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

from cloudmanager.simulators.listener import Connections, Listener

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from cloudmanager.simulators.http_faults import HttpFaults

LOG = logging.getLogger(__name__)
MAX_BODY = 8 << 20  # bytes of a request; a larger one is answered with 413
REMEMBERED = 1000  # the last requests, by method and path
_WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
_CHUNK = 65536
_FAREWELL = (
    1.0  # seconds for which a body that nobody wants is still read, so that its client sees the answer
)


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked: the path decoded, names of headers in lower case.

    A parameter that is given several times has its last value in `query`, all in `pairs`.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    pairs: Sequence[tuple[str, str]] = ()

    def json(self) -> Any:
        """The body as JSON; `ValueError` if it is none."""
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("nested too deep") from None

    def values(self, name: str) -> list[str]:
        """All values of one parameter of the query."""
        return [value for key, value in self.pairs if key == name]


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and what is said: bytes as they are, None is nothing, all else is a JSON document.

    A header with several values is sent once for each.
    """

    status: int = 200
    document: Any = None
    headers: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """What is sent."""
        if self.document is None:
            return b""
        return self.document if isinstance(self.document, bytes) else json.dumps(self.document).encode()

    def lines(self) -> Iterator[tuple[str, str]]:
        """The headers, one pair for each value."""
        for name, given in self.headers.items():
            yield from ((name, value) for value in ([given] if isinstance(given, str) else given))


@dataclass(slots=True)
class Counters(Connections):
    """What a server saw, with what it said."""

    requests: int = 0
    answers: int = 0


class HttpListener:
    """Connections that speak HTTP. `reply` sends what is said to a request; false ends the connection."""

    def __init__(self, reply: Callable[[Request, Exchange], Awaitable[bool]]) -> None:
        self.counters = Counters()
        self.requests: deque[str] = deque(maxlen=REMEMBERED)
        self._reply = reply
        self._listener = Listener(self._serve, self.counters)

    async def start(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> int:
        """Listen, and answer the real port; `OSError` if the wanted one is taken."""
        return await self._listener.start(host, port, tls=tls)

    async def stop(self) -> None:
        """Listen no more and cut all connections."""
        await self._listener.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        exchange = Exchange(reader, writer, self.counters)
        try:
            while (request := await exchange.next()) is not None:
                self.counters.requests += 1
                self.requests.append(f"{request.method} {request.path}")
                if not await self._reply(request, exchange):
                    return
        except h11.RemoteProtocolError as problem:
            await exchange.refuse(problem.error_status_hint)


class Exchange:
    """One connection: requests one after another, each answered with `encode` and `send`."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counters: Counters
    ) -> None:
        self._counters = counters
        self._method = b""
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER)

    async def next(self) -> Request | None:
        """The next request, None when there will be none; `h11.RemoteProtocolError` for what is not HTTP."""
        if self._http.our_state is h11.DONE:
            self._http.start_next_cycle()
        elif self._http.our_state is h11.MUST_CLOSE:
            return None
        head = await self._event()
        if not isinstance(head, h11.Request):
            return None
        self._method = head.method
        body = bytearray()
        while isinstance(part := await self._event(), h11.Data):
            body += part.data
            if len(body) > MAX_BODY:
                raise h11.RemoteProtocolError("the body is too large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return _request(head, bytes(body))

    def encode(self, answer: Answer) -> bytes:
        """An answer as it goes over the wire."""
        body = answer.body
        lines = list(answer.lines())
        given = {name.lower() for name, _ in lines}
        if body and "content-type" not in given and not isinstance(answer.document, bytes):
            lines.append(("Content-Type", "application/json"))
        if answer.status != HTTPStatus.NO_CONTENT and "content-length" not in given:
            lines.append(("Content-Length", str(len(body))))
        event = h11.Response(status_code=answer.status, headers=lines, reason=_phrase(answer.status))
        sent = [self._http.send(event)]
        if body and self._method != b"HEAD" and answer.status not in _WITHOUT_BODY:
            sent.append(self._http.send(h11.Data(data=body)))
        sent.append(self._http.send(h11.EndOfMessage()))
        return b"".join(part for part in sent if part)

    async def send(self, data: bytes) -> None:
        """Let an answer go to the client, or what became of it on the way."""
        self._writer.write(data)
        await self._writer.drain()
        self._counters.answers += 1

    async def fall_silent(self) -> bool:
        """Say no more: take what comes until the client has enough; false, as the connection then ends."""
        while await self._reader.read(_CHUNK):
            pass
        return False

    async def refuse(self, status: int) -> None:
        """Tell a client that it does not speak HTTP; then the connection ends."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self.send(self.encode(Answer(status, headers={"Connection": "close"})))
            if self._writer.can_write_eof():
                self._writer.write_eof()
            async with asyncio.timeout(_FAREWELL):  # its end is a TimeoutError, which is an OSError
                await self.fall_silent()

    async def _event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[], reason="Continue")
                self._writer.write(self._http.send(go_on) or b"")
            self._http.receive_data(await self._reader.read(_CHUNK))
        return event


class HttpServer:
    """A service: answers with `handle`. `faults` is asked at each request."""

    def __init__(self, handle: Callable[[Request], Answer], faults: Callable[[], HttpFaults]) -> None:
        self._handle = handle
        self._faults = faults
        self._listener = HttpListener(self._reply)

    async def start(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> int:
        """Listen, and answer the real port; `OSError` if the wanted one is taken."""
        return await self._listener.start(host, port, tls=tls)

    async def stop(self) -> None:
        """Listen no more and cut all connections."""
        await self._listener.stop()

    @property
    def counters(self) -> Counters:
        """How much it was asked."""
        return self._listener.counters

    @property
    def requests(self) -> deque[str]:
        """What it was asked last: method and path of each request."""
        return self._listener.requests

    async def _reply(self, request: Request, exchange: Exchange) -> bool:
        faults = self._faults()
        status = None
        if faults.concerns(request):
            await asyncio.sleep(faults.lag)
            if faults.down:
                return False
            status = faults.struck()
        broken = failure(status, "this service has a fault") if status is not None else None
        await exchange.send(exchange.encode(broken or self._answer(request)))
        return True

    def _answer(self, request: Request) -> Answer:
        try:
            return self._handle(request)
        except Exception:
            LOG.exception("%s %s", request.method, request.path)
            return failure(500, "the simulator stumbled; its log says where")


def failure(status: int, message: str) -> Answer:
    """An error in the form of OpenStack's services."""
    title = _phrase(status)
    return Answer(status, {"error": {"code": status, "title": title, "message": message}})


def _request(head: h11.Request, body: bytes) -> Request:
    try:
        url = urlsplit(head.target.decode("latin-1"))
    except ValueError:
        raise h11.RemoteProtocolError("the target is no URL") from None
    pairs = parse_qsl(url.query, keep_blank_values=True)
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    method = head.method.decode("latin-1")
    return Request(method, unquote(url.path), dict(pairs), headers, body, pairs)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
