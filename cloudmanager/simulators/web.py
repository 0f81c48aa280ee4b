"""HTTP of a simulated device: TLS with a certificate of its own, and the wire that its faults make."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cloudmanager.simulators.certificates import self_signed
from cloudmanager.simulators.http import Answer, Counters, Exchange, HttpListener, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.world import Device, World

TLS = "tls"  # key of a device's memory: whether it listens with TLS


class WebServer:
    """Serves `handle` for one device, through the wire that its faults make; None is no answer."""

    def __init__(self, world: World, device: Device, handle: Callable[[Request], Answer | None]) -> None:
        self.certificate = b""  # PEM, while it listens with TLS
        self._world = world
        self._device = device
        self._handle = handle
        self._listener = HttpListener(self._reply)

    @property
    def counters(self) -> Counters:
        """What really went over the wire."""
        return self._listener.counters

    async def start(self, host: str, port: int) -> int:
        """Listen, and answer the real port; `OSError` if the wanted one is taken."""
        context = None
        if self._device.memory.get(TLS):
            context, self.certificate = self_signed(self._device.name, host)
        return await self._listener.start(host, port, tls=context)

    async def stop(self) -> None:
        """Listen no more and cut all connections."""
        await self._listener.stop()

    async def _reply(self, request: Request, exchange: Exchange) -> bool:
        wire, faults = self._world.wire, self._device.faults
        if faults.dead:  # it keeps the connection and says nothing, even when it lives again
            return await exchange.fall_silent()
        if not wire.copies_arriving(faults):
            return False
        said = self._handle(request)
        if said is None:
            return await exchange.fall_silent()
        answer = exchange.encode(said)
        if faults.lag:
            await asyncio.sleep(faults.lag)
        arriving = wire.through_stream(faults, answer)
        if arriving is None:
            return False
        await exchange.send(arriving)
        return arriving == answer
