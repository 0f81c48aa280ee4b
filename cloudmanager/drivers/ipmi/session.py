"""An established RMCP+ session: seals what we send, opens what the BMC sends. Knows no time and no socket."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from . import packets
from .packets import BadPacket

if TYPE_CHECKING:
    from .ciphers import SessionKeys

_WINDOW_AHEAD: Final = 15
_WINDOW_BEHIND: Final = 16
_SEQUENCES: Final = 1 << 32
_RQ_SEQUENCES: Final = 64
_USER: Final = 2


class SequenceWindow:
    """The sliding window of §6.12.13: 15 ahead, 16 behind, each number once.

    It begins at the first number that comes with a good integrity code: some BMCs do not begin at 1, and a
    replay from another session cannot carry a code of this one.
    """

    __slots__ = ("_highest", "_seen")

    def __init__(self) -> None:
        self._highest = 0
        self._seen = 0

    def admit(self, sequence: int) -> bool:
        """Whether a packet with this number is new and inside the window; remembers it if so."""
        if not self._highest:
            self._highest, self._seen = sequence, 1
            return sequence != 0
        step = sequence - self._highest
        if step > 0:
            if step > _WINDOW_AHEAD:
                return False
            self._highest = sequence
            self._seen = (self._seen << step | 1) & ((1 << _WINDOW_BEHIND + 1) - 1)
            return True
        if -step > _WINDOW_BEHIND or self._seen >> -step & 1:
            return False
        self._seen |= 1 << -step
        return True


class Session:
    """One session as both ends agreed on it. A new one begins at privilege level User (§22.18)."""

    __slots__ = ("_keys", "_rq_seq", "_sequence", "_window", "bmc_id", "console_id", "privilege")

    def __init__(self, console_id: bytes, bmc_id: bytes, keys: SessionKeys) -> None:
        self.console_id = console_id
        self.bmc_id = bmc_id
        self.privilege = _USER
        self._keys = keys
        self._sequence = 0
        self._rq_seq = 0
        self._window = SequenceWindow()

    def next_request(self, netfn: int, command: int, data: bytes) -> bytes:
        """A new request. Sealing it again makes a repeat that the BMC can recognise by its rqSeq."""
        self._rq_seq = (self._rq_seq + 1) % _RQ_SEQUENCES
        if data:
            return packets.encode_request(netfn, command, self._rq_seq, data)
        return packets.encode_bare_request(netfn, command, self._rq_seq)

    def seal(self, message: bytes) -> bytes:
        """A packet with this message and the next session sequence number."""
        self._sequence = self._sequence % (_SEQUENCES - 1) + 1
        packet = packets.encode_in_session(self.bmc_id, self._sequence, self._keys.encrypt(message))
        return packet + self._keys.code(packet[len(packets.RMCP_HEADER) :])

    def open(self, packet: bytes) -> packets.Answer:
        """The answer in a packet; `BadPacket` if it is not from this session, new and whole."""
        sequence, covered, code, ciphertext = packets.split_in_session(packet, self._keys.code_size)
        if not hmac.compare_digest(code, self._keys.code(covered)):
            raise BadPacket("integrity")
        if not self._window.admit(sequence):
            raise BadPacket("sequence")
        answer = packets.decode_answer(self._keys.decrypt(ciphertext))
        if answer.rq_seq != self._rq_seq:
            raise BadPacket("stale")
        return answer
