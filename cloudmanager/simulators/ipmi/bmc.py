"""A BMC on a UDP socket."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.datagrams import DatagramSocket
from cloudmanager.simulators.ipmi import packets
from cloudmanager.simulators.ipmi.commands import CHASSIS, OK, Target, execute
from cloudmanager.simulators.ipmi.handshake import Handshake
from cloudmanager.simulators.ipmi.session import Peer, Session, SessionTable

if TYPE_CHECKING:
    from cloudmanager.simulators.world import World

LARGEST_PACKET = 1024
SESSION_TIMEOUT = 60.0  # §6.12.15
HANDSHAKE_TIMEOUT = 10.0  # the standard leaves it open; real BMCs free half-open sessions after some seconds
_CONTROL = (CHASSIS, 0x02)
_RESTARTS = (2, 3)  # chassis control: cycle and hard reset


@dataclass(slots=True)
class Counters:
    """What a BMC saw; tests read it to know what really went over the wire."""

    packets_in: int = 0
    packets_out: int = 0
    sessions_opened: int = 0
    sessions_closed: int = 0
    sessions_open: int = 0
    resets_accepted: int = 0
    commands: Counter[tuple[int, int]] = field(default_factory=Counter)  # by network function and command


class Bmc:
    """One BMC: decodes packets, asks the world, encodes answers. It switches outlet "1" of its device."""

    __slots__ = (
        "_counters",
        "_device",
        "_guid",
        "_handshake",
        "_sessions",
        "_socket",
        "_world",
    )

    def __init__(
        self,
        world: World,
        device: str,
        *,
        session_timeout: float = SESSION_TIMEOUT,
        handshake_timeout: float = HANDSHAKE_TIMEOUT,
    ) -> None:
        self._world = world
        self._device = world.device(device)
        self._guid = uuid.uuid5(uuid.NAMESPACE_DNS, device).bytes
        self._sessions = SessionTable(session_timeout, handshake_timeout)
        self._handshake = Handshake(self._device, self._guid, self._sessions)
        self._counters = Counters()
        self._socket = DatagramSocket(LARGEST_PACKET, self._receive)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen, and answer the real port; `OSError` if the wanted one is taken."""
        return self._socket.open(host, port)

    async def stop(self) -> None:
        """Fall silent and forget all sessions, as a BMC does when it restarts."""
        self._socket.close()
        self._sessions.clear()

    @property
    def counters(self) -> Counters:
        """What happened so far."""
        self._counters.sessions_open = self._sessions.active(self._world.clock.now())
        self._counters.sessions_opened = self._sessions.opened
        self._counters.sessions_closed = self._sessions.closed
        return self._counters

    def report(self) -> dict[str, Any]:
        """The counters in values that JSON can hold; commands as "netfn/cmd" in hexadecimal."""
        commands = {
            f"{net_fn:02x}/{command:02x}": n for (net_fn, command), n in self.counters.commands.items()
        }
        return {**asdict(self._counters), "commands": commands}

    def answer(self, packet: bytes, peer: Peer) -> bytes | None:
        """Answer one packet; None when a BMC stays silent, as it does for everything that is not sound."""
        if not packets.is_ipmi(packet):
            return packets.answer_ping(packet)
        if packet[len(packets.RMCP_IPMI)] != packets.FORMAT_RMCP_PLUS:
            body = packets.decode_old(packet)
            answer = None if body is None else self._execute(body, None)
            return None if answer is None else packets.encode_old(answer)
        payload = packets.decode_plus(packet)
        if payload is None:
            return None
        if payload.session_id != 0:
            return self._answer_in_session(packet, payload)
        if payload.kind == packets.PAYLOAD_MESSAGE:  # ipmitool asks for the cipher suites in this form
            answer = self._execute(payload.body, None)
            return None if answer is None else packets.encode_plus(packets.PAYLOAD_MESSAGE, answer)
        return self._handshake.answer(payload, peer, self._world.clock.now())

    def _answer_in_session(self, packet: bytes, payload: packets.Payload) -> bytes | None:
        now = self._world.clock.now()
        session = self._sessions.find(payload.session_id, now)
        if session is None or not session.active:
            return None
        request = session.open(packet, payload)
        if request is None:
            return None
        session.last_used = now
        answer = session.answer_once(request, now, lambda: self._execute(request, session))
        return None if answer is None else session.seal(answer)

    def _execute(self, body: bytes, session: Session | None) -> bytes | None:
        """Execute one request in or outside a session."""
        request = packets.decode_message(body)
        if request is None:
            return None
        self._counters.commands[request.net_fn, request.command] += 1
        target = Target(self._world, self._device, self._guid, session, self._close)
        code, data = execute(target, request.net_fn, request.command, request.data)
        is_control = (request.net_fn, request.command) == _CONTROL
        if is_control and code == OK and request.data[0] & 0x0F in _RESTARTS:
            self._counters.resets_accepted += 1
        return packets.encode_answer(request, code, data)

    def _close(self, session_id: int) -> bool:
        session = self._sessions.find(session_id, self._world.clock.now())
        if session is None:
            return False
        self._sessions.close(session)
        return True

    def _receive(self, packet: bytes, peer: Peer) -> None:
        self._counters.packets_in += 1
        wire, faults = self._world.wire, self._device.faults
        for _ in range(wire.copies_arriving(faults)):
            answer = self.answer(packet, peer)
            if answer is not None:
                wire.send(faults, answer, lambda final: self._transmit(final, peer))

    def _transmit(self, packet: bytes, peer: Peer) -> None:
        if self._socket.send(packet, peer):
            self._counters.packets_out += 1
