"""UDP for a fleet: one socket per address family serves every BMC of an event loop; no task per BMC."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import struct
import weakref
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

from cloudmanager.errors import DeviceUnreachable

from .bmc import Bmc
from .packets import HEADER_SIZE, MAX_PACKET, PAYLOAD_TYPE, RMCP_HEADER, RMCP_PLUS, BadPacket, Payload
from .timers import Timers

if TYPE_CHECKING:
    from collections.abc import Callable

    from .ciphers import Suite
    from .logon import Account
    from .wire import Address

_BURST: Final = 32
"""Packets sent before we look for answers: the kernel keeps only a few hundred unread packets of a socket."""

_DRAIN: Final = 256
"""Packets taken from a socket before the rest of the event loop has its turn."""

_RECEIVE_BUFFER: Final = 4 << 20
_SESSION_ID_SIZE: Final = 4
_NAME_IS_GOOD_FOR: Final = 60.0
"""Seconds for which the address of a host name is remembered."""

_IPV6_FIELDS: Final = 4
_RECVERR: Final = {
    socket.AF_INET: (socket.IPPROTO_IP, 11),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 25),
}
"""Linux: IP_RECVERR and IPV6_RECVERR, which Python does not name: they tell whose packet did not arrive."""

_SETUP_ANSWERS: Final = frozenset({Payload.OPEN_ANSWER, Payload.RAKP2, Payload.RAKP4})


class Transport:
    """Sockets, timers and session ids of one event loop. `ignored` counts packets not taken, by reason."""

    _of_loops: Final[weakref.WeakValueDictionary[asyncio.AbstractEventLoop, Transport]] = (
        weakref.WeakValueDictionary()
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.ignored: Counter[str] = Counter()
        self._loop = loop
        self._timers: Timers[Bmc] = Timers(loop, self._wake)
        self._sockets: dict[socket.AddressFamily, socket.socket] = {}
        self._sessions: dict[bytes, Bmc] = {}
        self._outgoing: deque[tuple[Address, bytes]] = deque()
        self._pump_is_due = False
        self._bmcs: dict[Address, dict[tuple[Account, tuple[Suite, ...]], Bmc]] = {}
        self._users: Counter[Bmc] = Counter()
        self._names: dict[tuple[str, int], tuple[float, Address]] = {}
        self._literals: dict[tuple[str, int], Address] = {}

    @classmethod
    def current(cls) -> Transport:
        """The transport of the running event loop. It lives as long as somebody holds it."""
        loop = asyncio.get_running_loop()
        transport = cls._of_loops.get(loop)
        if transport is None:
            transport = cls._of_loops[loop] = cls(loop)
        return transport

    # For users.

    def acquire(self, title: str, address: Address, account: Account, suites: tuple[Suite, ...]) -> Bmc:
        """The BMC with this address and account, shared by all who ask; each must `release` it."""
        accounts = self._bmcs.setdefault(address, {})
        bmc = accounts.get((account, suites))
        if bmc is None:
            bmc = accounts[account, suites] = Bmc(self, title, address, account, suites)
        self._users[bmc] += 1
        return bmc

    def release(self, bmc: Bmc, on_released: Callable[[], None]) -> None:
        """Give up one use; the last logs out. `on_released` is called when that is done, within a second."""
        self._users[bmc] -= 1
        if self._users[bmc]:
            on_released()
            return

        def closed() -> None:
            if not self._users[bmc]:
                self._remove(bmc)
            on_released()

        bmc.close(closed)

    async def resolve(self, host: str, port: int) -> Address:
        """The address of a host; a name is asked of the system's resolver and remembered for a minute."""
        if (literal := self.literal(host, port)) is not None:
            return literal
        expires, address = self._names.get((host, port), (0.0, ()))
        if expires <= self._loop.time():
            try:
                found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            except (OSError, ValueError) as error:
                raise DeviceUnreachable(f"the host name {host!r} cannot be resolved: {error}") from error
            address = found[0][4]
            self._names[host, port] = self._loop.time() + _NAME_IS_GOOD_FOR, address
        return address

    def literal(self, host: str, port: int) -> Address | None:
        """The address that `host` is, or None when it is a name."""
        found = self._literals.get((host, port))
        if found is None:
            found = _literal(host, port)
            if found is not None:
                self._literals[host, port] = found
        return found

    def forget_name(self, host: str, port: int) -> None:
        """Ask the resolver again next time."""
        self._names.pop((host, port), None)

    # For `Bmc` (see `Wire`).

    def now(self) -> float:
        """The event loop's clock."""
        return self._loop.time()

    def send(self, bmc: Bmc, packet: bytes) -> None:
        """Queue a packet; it leaves in the next turn of the loop or, behind many others, a bit later."""
        self._outgoing.append((bmc.address, packet))
        if not self._pump_is_due:
            self._pump_is_due = True
            self._loop.call_soon(self._pump)

    def wake_at(self, bmc: Bmc, when: float) -> None:
        """Set, move or (`inf`) clear the one timer of a BMC."""
        self._timers.set(bmc, when)

    def new_session_id(self, bmc: Bmc) -> bytes:
        """An unpredictable id, other than 0, that no other session of ours has."""
        session_id = bytes(_SESSION_ID_SIZE)
        while not any(session_id) or session_id in self._sessions:
            session_id = secrets.token_bytes(_SESSION_ID_SIZE)
        self._sessions[session_id] = bmc
        return session_id

    def drop_session_id(self, session_id: bytes) -> None:
        """Packets with this id are unknown from now on."""
        del self._sessions[session_id]

    # The sockets.

    def _wake(self, bmc: Bmc) -> None:
        bmc.wake(self._loop.time())

    def _pump(self) -> None:
        """Send a burst, take what has come, leave the rest to the next turn of the loop."""
        try:
            for _ in range(min(_BURST, len(self._outgoing))):
                self._send_next()
        finally:
            self._pump_is_due = bool(self._outgoing)
            if self._pump_is_due:
                self._loop.call_soon(self._pump)
        if self._pump_is_due:
            for opened in tuple(self._sockets.values()):
                self._drain(opened)

    def _send_next(self) -> None:
        address, packet = self._outgoing.popleft()
        opened = self._socket(socket.AF_INET6 if len(address) == _IPV6_FIELDS else socket.AF_INET)
        try:
            try:
                opened.sendto(packet, address)
            except BlockingIOError:
                self.ignored["send_buffer_full"] += 1  # as good as lost on the way; it is sent again in time
            except OSError:
                opened.sendto(packet, address)  # the first error may have been that of an earlier packet
        except OSError as error:
            self._unreachable(address, error.strerror or str(error))

    def _socket(self, family: socket.AddressFamily) -> socket.socket:
        opened = self._sockets.get(family)
        if opened is None:
            opened = self._sockets[family] = _open_socket(family)
            self._loop.add_reader(opened.fileno(), self._readable, opened)
        return opened

    def _readable(self, opened: socket.socket) -> None:
        self._drain(opened)
        self._drain_errors(opened)

    def _drain(self, opened: socket.socket) -> None:
        for _ in range(_DRAIN):
            try:
                packet, address = opened.recvfrom(MAX_PACKET)
            except BlockingIOError:
                return
            except OSError:
                continue  # the error of a packet that we sent; `_drain_errors` learns whose
            self._receive(packet, address)

    def _drain_errors(self, opened: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while opened.fileno() >= 0:
                _, ancillary, _, address = opened.recvmsg(0, 512, socket.MSG_ERRQUEUE)
                for level, kind, data in ancillary:
                    if (level, kind) == _RECVERR[opened.family]:
                        (number,) = struct.unpack_from("=I", data)
                        self._unreachable(address, os.strerror(number))

    def _unreachable(self, address: Address, words: str) -> None:
        for bmc in self._at(address):
            bmc.unreachable(words)

    def _at(self, address: Address) -> tuple[Bmc, ...]:
        return tuple(self._bmcs.get(address, {}).values())

    def _receive(self, packet: bytes, address: Address) -> None:
        if len(packet) < HEADER_SIZE or not packet.startswith(RMCP_HEADER):
            self.ignored["not_ipmi"] += 1
            return
        if packet[4] != RMCP_PLUS:
            for bmc in self._at(address):
                bmc.receive_outside_session()
            return
        setup = packet[5] & PAYLOAD_TYPE in _SETUP_ANSWERS
        addressee = self._sessions.get(packet[20:24] if setup else packet[6:10])
        if addressee is None:
            self.ignored["unknown_session"] += 1
        elif addressee.address != address:
            self.ignored["other_address"] += 1
        else:
            try:
                addressee.receive(packet)
            except BadPacket as bad:
                self.ignored[bad.reason] += 1

    def _remove(self, bmc: Bmc) -> None:
        if self._users.pop(bmc, None) is None:
            return
        accounts = self._bmcs[bmc.address]
        del accounts[bmc.account, bmc.suites]
        if not accounts:
            del self._bmcs[bmc.address]
        if not self._bmcs:
            self._shut_down()

    def _shut_down(self) -> None:
        while self._outgoing:
            self._send_next()
        for opened in self._sockets.values():
            self._loop.remove_reader(opened.fileno())
            opened.close()
        self._sockets.clear()
        self._timers.stop()
        self._names.clear()
        self._literals.clear()


def _literal(host: str, port: int) -> Address | None:
    with contextlib.suppress(OSError, ValueError):
        socket.inet_pton(socket.AF_INET, host)
        return host, port
    with contextlib.suppress(OSError, ValueError):
        flags = socket.AI_NUMERICHOST  # knows scopes of IPv6 as well
        return socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=flags)[0][4]
    return None


def _open_socket(family: socket.AddressFamily) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_DGRAM)
    opened.setblocking(False)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    with contextlib.suppress(OSError):
        opened.setsockopt(*_RECVERR[family], 1)
    return opened
