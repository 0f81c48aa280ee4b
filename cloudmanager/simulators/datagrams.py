"""A UDP socket on the event loop, shared by the simulators whose protocol runs over UDP."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class DatagramSocket:
    """Closed until `open`; `on_packet` gets each packet and who sent it."""

    __slots__ = ("_largest", "_loop", "_on_packet", "_socket")

    def __init__(self, largest: int, on_packet: Callable[[bytes, Any], None]) -> None:
        self._largest = largest
        self._on_packet = on_packet
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self, host: str, port: int) -> int:
        """Listen, and answer the real port; `OSError` if the wanted one is taken."""
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            opened.bind((host, port))
        except OSError:
            opened.close()
            raise
        self._socket = opened
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(opened, self._receive)
        real_port: int = opened.getsockname()[1]
        return real_port

    def close(self) -> None:
        """Listen no more; harmless when closed."""
        if self._socket is not None and self._loop is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def send(self, packet: bytes, peer: Any) -> bool:
        """Send a packet; whether it left us."""
        if self._socket is None:
            return False
        try:
            self._socket.sendto(packet, peer)
        except OSError:  # a full buffer or a client that is gone: UDP loses the packet
            return False
        return True

    def _receive(self) -> None:
        if self._socket is None:
            return
        try:
            packet, peer = self._socket.recvfrom(self._largest)
        except OSError:  # nothing there after all
            return
        self._on_packet(packet, peer)
