"""Asks one SNMP v1 agent, one question at a time."""

from __future__ import annotations

import asyncio
import secrets
from typing import cast

from .message import Kind, Request, Response, Unsound, decode

_FIRST_REPEAT = 0.5
"""Seconds until a question that may be repeated is; then twice as long, and so on."""

_LARGEST_ID = 2**31 - 1


class NoAnswer(Exception):
    """The agent did not answer; `sent` tells whether the question left us."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


class Client:
    """One connected UDP socket, opened when first needed: packets from other addresses never come through."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._line: _Line | None = None

    async def get(self, community: bytes, oid: bytes, deadline: float) -> Response:
        """Read an object. Raises `NoAnswer` at the deadline, a time of the event loop."""
        return await self._ask(_request(Kind.GET, community, oid, None), deadline, repeat=True)

    async def set(
        self, community: bytes, oid: bytes, value: int, deadline: float, *, repeat: bool = True
    ) -> Response:
        """Set an object; a setting whose repetition could come too late is sent once."""
        return await self._ask(_request(Kind.SET, community, oid, value), deadline, repeat=repeat)

    def close(self) -> None:
        """Close the socket; the next question opens another one."""
        if self._line is not None:
            self._line.close()
            self._line = None

    async def _ask(self, request: Request, deadline: float, *, repeat: bool) -> Response:
        sent = False
        try:
            async with asyncio.timeout_at(deadline):
                line = await self._opened()
                sent = True
                return await line.ask(request, repeat=repeat)
        except TimeoutError:
            self.close()  # the name may have another address next time
            raise NoAnswer("silence", sent=sent) from None
        except OSError as problem:
            self.close()
            # With "refused", nobody was there to obey.
            raise NoAnswer(str(problem.strerror or problem), sent=False) from None

    async def _opened(self) -> _Line:
        if self._line is None:
            loop = asyncio.get_running_loop()
            _, self._line = await loop.create_datagram_endpoint(_Line, remote_addr=self._address)
        return self._line


class _Line(asyncio.DatagramProtocol):
    """The socket, and the one answer that is waited for."""

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._request: Request | None = None
        self._answer: asyncio.Future[Response] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    async def ask(self, request: Request, *, repeat: bool) -> Response:
        """Send until the answer to this request comes; waits for ever if none does."""
        self._request, self._answer = request, asyncio.get_running_loop().create_future()
        packet, pause = request.encode(), _FIRST_REPEAT
        try:
            while True:
                self._send(packet)
                await asyncio.wait({self._answer}, timeout=pause if repeat else None)
                if self._answer.done():
                    return self._answer.result()
                pause *= 2
        finally:
            if self._answer.done():
                self._answer.exception()  # it may have come when nobody waited any more
            self._request = self._answer = None

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - the socket is connected
        """Take what answers the request; RFC 1157 §4.1 has everything else discarded."""
        if self._request is None or self._answer is None or self._answer.done():
            return
        try:
            response = decode(data)
        except Unsound:
            return
        if (response.request_id, response.oid) == (self._request.request_id, self._request.oid):
            self._answer.set_result(response)

    def error_received(self, exc: Exception) -> None:
        """Hear from the network that nobody listens there."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc)

    def close(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.abort()

    def _send(self, packet: bytes) -> None:
        if self._transport is not None:
            self._transport.sendto(packet)


def _request(kind: Kind, community: bytes, oid: bytes, value: int | None) -> Request:
    return Request(kind, community, secrets.randbelow(_LARGEST_ID) + 1, oid, value)
