"""One TCP port of a simulated device or service, and the connections to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

_FAREWELL = 1.0  # seconds that a client has to take what was said before the connection ended
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: what was not sent is thrown away, the client sees a reset


@dataclass(slots=True)
class Connections:
    """Counters of what came; tests read them to know what really went over the wire."""

    connections: int = 0
    connections_open: int = 0


class Listener:
    """Lets `serve` speak with each client; when it returns or the client is gone the connection ends."""

    def __init__(
        self,
        serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
        counters: Connections,
    ) -> None:
        self._serve = serve
        self._counters = counters
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> int:
        """Listen, and answer the real port; `OSError` if the wanted one is taken."""
        self._server = await asyncio.start_server(self._accept, host, port, ssl=tls)
        real_port: int = self._server.sockets[0].getsockname()[1]
        return real_port

    async def stop(self) -> None:
        """Listen no more and cut all connections; harmless when it does not listen."""
        if self._server is None:
            return
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving)
        await self._server.wait_closed()
        self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._serving.add(task)
        self._counters.connections += 1
        self._counters.connections_open += 1
        try:
            await self._serve(reader, writer)
            writer.close()
            async with asyncio.timeout(_FAREWELL):
                await writer.wait_closed()
        except (OSError, EOFError, asyncio.CancelledError):
            pass  # the client left, or takes nothing, or we stop
        finally:
            self._serving.discard(task)
            self._counters.connections_open -= 1
            writer.transport.abort()


def cut(writer: asyncio.StreamWriter) -> None:
    """End a connection at once, without a word to the client."""
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    writer.transport.abort()
