"""A small HTTP/1.1 server for simulated services, which can be slow or broken on demand."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudmanager.simulators.http_faults import HttpFaults

MAX_BODY = 1 << 20


@dataclass(frozen=True)
class Request:
    """What a client asked. Names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    def json(self) -> Any:
        """The body as JSON; `ValueError` if it is none."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """A status, and JSON unless there is nothing to say."""

    status: int
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class HttpServer:
    """Serves `handle` on a real socket. `faults` is asked at each request."""

    def __init__(self, handle: Callable[[Request], Answer], faults: Callable[[], HttpFaults]) -> None:
        self._handle = handle
        self._faults = faults
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self.requests: list[str] = []

    async def start(self, host: str, port: int) -> int:
        """Listen, and answer the real port."""
        self._server = await asyncio.start_server(self._serve, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listen no more and drop all connections."""
        if self._server is not None:
            self._server.close()
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving)
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._serving.add(task)
        try:
            while await self._serve_one(reader, writer):
                pass
        except (OSError, EOFError, ValueError, asyncio.CancelledError):
            pass  # the client left, or does not speak HTTP, or we stop
        finally:
            self._serving.discard(task)
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; false ends the connection."""
        request = await _read(reader)
        if request is None:
            return False
        self.requests.append(f"{request.method} {request.path}")
        faults = self._faults()
        await asyncio.sleep(faults.lag)
        if faults.down:
            return False
        writer.write(_encoded(request, self._answer(request, faults)))
        await writer.drain()
        return True

    def _answer(self, request: Request, faults: HttpFaults) -> Answer:
        if faults.status is None:
            return self._handle(request)
        title = HTTPStatus(faults.status).phrase
        error = {"code": faults.status, "title": title, "message": "this service has a fault"}
        return Answer(faults.status, {"error": error})


async def _read(reader: asyncio.StreamReader) -> Request | None:
    line = await reader.readline()
    if not line.strip():
        return None
    method, target, _ = line.decode("latin-1").split()
    headers: dict[str, str] = {}
    while (line := await reader.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= MAX_BODY:
        raise ValueError("too large")
    url = urlsplit(target)
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    return Request(method, url.path, query, headers, await reader.readexactly(length))


def _encoded(request: Request, answer: Answer) -> bytes:
    body = b"" if answer.document is None else json.dumps(answer.document).encode()
    headers = {**answer.headers, "Content-Length": str(len(body))}
    if body:
        headers["Content-Type"] = "application/json"
    if answer.status == HTTPStatus.NO_CONTENT:
        del headers["Content-Length"]
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head if request.method == "HEAD" else head + body
