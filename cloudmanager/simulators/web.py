"""HTTP/1.1 of a simulated device: connections, TLS with a certificate of its own, and the device's faults."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
import tempfile
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudmanager.simulators.world import Device, World

MAX_BODY = 1 << 16
MAX_HEADERS = 64
TLS = "tls"  # key of a device's memory: whether it listens with TLS


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked; names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What it is told."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Counters:
    """What the server saw; tests read it to know what really went over the wire."""

    connections: int = 0
    connections_open: int = 0
    requests: int = 0
    answers: int = 0


class WebServer:
    """Serves `handle` for one device, through the wire that its faults make; None is no answer."""

    def __init__(self, world: World, device: Device, handle: Callable[[Request], Answer | None]) -> None:
        self.counters = Counters()
        self.certificate = b""  # PEM, while it listens with TLS
        self._world = world
        self._device = device
        self._handle = handle
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen, and answer the real port; `OSError` if the wanted one is taken."""
        context = self._context(host) if self._device.memory.get(TLS) else None
        self._server = await asyncio.start_server(self._accept, host, port, ssl=context)
        real_port: int = self._server.sockets[0].getsockname()[1]
        return real_port

    async def stop(self) -> None:
        """Listen no more and cut all connections."""
        if self._server is None:
            return
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._serving.add(task)
        self.counters.connections += 1
        self.counters.connections_open += 1
        try:
            while await self._serve_one(reader, writer):
                pass
        except (OSError, EOFError, ValueError, asyncio.CancelledError):
            pass  # the client left, or does not speak HTTP, or we stop
        finally:
            self._serving.discard(task)
            self.counters.connections_open -= 1
            writer.transport.abort()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; false ends the connection."""
        request = await _read(reader)
        if request is None:
            return False
        wire, faults = self._world.wire, self._device.faults
        self.counters.requests += 1
        if faults.dead:  # it keeps the connection and says nothing, even when it lives again
            return True
        if not wire.copies_arriving(faults):
            return False
        said = self._handle(request)
        if said is None:
            return True
        answer = _encoded(said)
        if faults.lag:
            await asyncio.sleep(faults.lag)
        arriving = wire.through_stream(faults, answer)
        if arriving is None:
            return False
        writer.write(arriving)
        await writer.drain()
        self.counters.answers += 1
        return arriving == answer

    def _context(self, host: str) -> ssl.SSLContext:
        """A fresh certificate for `host`, signed by itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self._device.name)])
        addresses = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        now = dt.datetime.now(dt.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=3650))
            .add_extension(addresses, critical=False)
            .sign(key, hashes.SHA256())
        )
        self.certificate = made.public_bytes(serialization.Encoding.PEM)
        plain = serialization.NoEncryption()
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as directory:  # `ssl` loads from files only
            chain = Path(directory) / "chain.pem"
            chain.touch(mode=0o600)
            chain.write_bytes(self.certificate + secret)
            context.load_cert_chain(chain)
        return context


async def _read(reader: asyncio.StreamReader) -> Request | None:
    """The next request, None at the end; `ValueError` for what is not HTTP."""
    line = await reader.readline()
    if not line.strip():
        return None
    method, path, _ = line.decode("latin-1").split()
    headers: dict[str, str] = {}
    while (line := await reader.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
        if len(headers) > MAX_HEADERS:
            raise ValueError("too many headers")
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= MAX_BODY:
        raise ValueError("too large")
    return Request(method, path, headers, await reader.readexactly(length))


def _encoded(answer: Answer) -> bytes:
    phrase = ""
    with contextlib.suppress(ValueError):
        phrase = HTTPStatus(answer.status).phrase
    lines = [f"HTTP/1.1 {answer.status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    if answer.status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Length: {len(answer.body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body
