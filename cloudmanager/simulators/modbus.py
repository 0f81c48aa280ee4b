"""ICP DAS ET-7067: eight relays behind Modbus/TCP.

Frames and exceptions after "MODBUS Messaging on TCP/IP Implementation Guide V1.0b" and "MODBUS Application
Protocol V1.1b3"; registers after the manual of the ET-7000 family.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.listener import Connections, Listener, cut
from cloudmanager.simulators.relays import RELAYS, RelayBoard
from cloudmanager.simulators.world import Refused

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from cloudmanager.simulators.world import World

HEADER = struct.Struct(">HHHB")  # transaction, protocol, length with the unit, unit: guide §3.1.3
LARGEST_PDU = 253  # guide §3.1.2
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE = 1, 2, 3, 4  # protocol §7
EXCEPTION = 0x80
ON, OFF = 0xFF00, 0x0000  # protocol §6.5
MOST_BITS, MOST_REGISTERS = 2000, 125  # protocol §6.1, §6.3
STORE_POWER_ON, STORE_SAFE = 431, 432
POWER_ON_VALUES, SAFE_VALUES = 435, 515
NET_ID = 271
ANY_UNIT = (0, 255)  # guide §4.4.1.2: units that stand for the device itself
_INPUT_REGISTERS = {
    310: RELAYS,
    311: RELAYS,
    312: RELAYS,
    **dict.fromkeys(range(352, 358), 0x0123),  # versions: 1.2.3
    358: 0,
    360: 0,
}


class _Exception(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class Counters(Connections):
    """What the board saw, with what it said."""

    requests: int = 0
    answers: int = 0
    exceptions: int = 0
    functions: Counter[int] = field(default_factory=Counter)


class Et7067:
    """One board: decodes requests, asks the world, encodes answers.

    The power-on and safe values of the EEPROM can be read and written, but do nothing: this board never
    restarts by itself.
    """

    def __init__(self, world: World, device: str) -> None:
        self.counters = Counters()
        self._world = world
        self._device = world.device(device)
        self.relays = RelayBoard(world, device)
        self._listener = Listener(self._serve, self.counters)
        self._functions: dict[int, Callable[[bytes], bytes]] = {
            0x01: self._read_coils,
            0x02: self._read_nothing,
            0x03: self._read_holding,
            0x04: self._read_inputs,
            0x05: self._write_coil,
            0x06: self._write_register,
            0x0F: self._write_coils,
            0x10: self._write_registers,
        }

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen, and answer the real port; `OSError` if the wanted one is taken."""
        return await self._listener.start(host, port)

    async def stop(self) -> None:
        """Listen no more and cut all connections."""
        await self._listener.stop()

    def report(self) -> dict[str, Any]:
        """The counters in values that JSON can hold; functions by their code in hexadecimal."""
        functions = {f"{code:02x}": count for code, count in self.counters.functions.items()}
        return {**asdict(self.counters), "functions": functions}

    def receive(self, frame: bytes, transmit: Callable[[bytes], None]) -> None:
        """Let one request come over the wire of this device, and its answer go back."""
        wire, faults = self._world.wire, self._device.faults
        self.counters.requests += 1
        for _ in range(wire.copies_arriving(faults)):
            answer = self.answer(frame)
            if answer is not None:
                self.counters.answers += 1
                wire.send(faults, answer, transmit)

    def answer(self, frame: bytes) -> bytes | None:
        """Answer one sound frame; None when it is for another unit."""
        transaction, protocol, _, unit = HEADER.unpack_from(frame)
        if unit != self._net_id and unit not in ANY_UNIT:
            return None
        pdu = self._execute(frame[HEADER.size], frame[HEADER.size + 1 :])
        return HEADER.pack(transaction, protocol, len(pdu) + 1, unit) + pdu

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Cut what comes into frames; a client that sends none is cut off: no border can be found again."""
        if self._device.faults.refuse_connections:
            cut(writer)
            return

        def transmit(answer: bytes) -> None:
            if not writer.is_closing():
                writer.write(answer)

        while True:
            header = await reader.readexactly(HEADER.size)
            _, protocol, length, _ = HEADER.unpack(header)
            if protocol != 0 or not 2 <= length <= LARGEST_PDU + 1:  # noqa: PLR2004 - unit and function
                cut(writer)
                return
            self.receive(header + await reader.readexactly(length - 1), transmit)
            await writer.drain()

    @property
    def _net_id(self) -> int:
        return int(self._device.memory.get("net id", 1))

    def _execute(self, function: int, data: bytes) -> bytes:
        self.counters.functions[function] += 1
        try:
            return bytes([function]) + self._functions.get(function, _illegal)(data)
        except (_Exception, Refused) as problem:
            self.counters.exceptions += 1
            return bytes([function | EXCEPTION, problem.code])
        except struct.error:  # shorter than its function needs
            self.counters.exceptions += 1
            return bytes([function | EXCEPTION, ILLEGAL_VALUE])

    # --- coils ----------------------------------------------------------------------------------------------

    def _read_coils(self, data: bytes) -> bytes:
        start, count = _range(data, MOST_BITS)
        bits = sum(self._coil(start + i) << i for i in range(count))
        content = bits.to_bytes((count + 7) // 8, "little")
        return bytes([len(content)]) + content

    def _read_nothing(self, data: bytes) -> bytes:
        _range(data, MOST_BITS)
        raise _Exception(ILLEGAL_ADDRESS)  # this model has no inputs

    def _write_coil(self, data: bytes) -> bytes:
        address, value = struct.unpack(">HH", data)
        if value not in (ON, OFF):
            raise _Exception(ILLEGAL_VALUE)
        self._coil(address)
        self._set_coil(address, value == ON)
        return data

    def _write_coils(self, data: bytes) -> bytes:
        start, count = _range(data[:4], MOST_BITS)
        content = data[5:]
        if len(content) != data[4] or len(content) != (count + 7) // 8:
            raise _Exception(ILLEGAL_VALUE)
        bits = int.from_bytes(content, "little")
        for address in range(start, start + count):
            self._coil(address)
        for i in range(count):
            self._set_coil(start + i, bool(bits >> i & 1))
        return data[:4]

    def _coil(self, address: int) -> int:
        if address < RELAYS:
            return self.relays.told >> address & 1
        if address in (STORE_POWER_ON, STORE_SAFE):
            return 0
        block = _block(address)
        return int(self._device.memory.get(f"coils {block}", 0)) >> address - block & 1

    def _set_coil(self, address: int, on: bool) -> None:
        if address < RELAYS:
            self.relays.switch(address + 1, on)
        elif address not in (STORE_POWER_ON, STORE_SAFE):
            key, bit = f"coils {_block(address)}", 1 << address - _block(address)
            before = int(self._device.memory.get(key, 0))
            self._world.remember(self._device.name, key, before | bit if on else before & ~bit)

    # --- registers ------------------------------------------------------------------------------------------

    def _read_inputs(self, data: bytes) -> bytes:
        return self._read_words(data, _INPUT_REGISTERS)

    def _read_holding(self, data: bytes) -> bytes:
        return self._read_words(data, {NET_ID: self._net_id})

    def _read_words(self, data: bytes, words: dict[int, int]) -> bytes:
        start, count = _range(data, MOST_REGISTERS)
        wanted = range(start, start + count)
        if not words.keys() >= set(wanted):
            raise _Exception(ILLEGAL_ADDRESS)
        return struct.pack(f">B{count}H", 2 * count, *(words[address] for address in wanted))

    def _write_register(self, data: bytes) -> bytes:
        address, value = struct.unpack(">HH", data)
        if address != NET_ID:
            raise _Exception(ILLEGAL_ADDRESS)
        if not 1 <= value <= 255:  # noqa: PLR2004 - the ids of units
            raise _Exception(ILLEGAL_VALUE)
        self._world.remember(self._device.name, "net id", value)
        return data

    def _write_registers(self, data: bytes) -> bytes:
        start, count, length = struct.unpack(">HHB", data[:5])
        if count != 1 or length != 2 or len(data) != 7:  # noqa: PLR2004 - there is one register
            raise _Exception(ILLEGAL_ADDRESS if count > 1 else ILLEGAL_VALUE)
        self._write_register(struct.pack(">H", start) + data[5:])
        return data[:4]


def _illegal(_data: bytes) -> bytes:
    raise _Exception(ILLEGAL_FUNCTION)


def _range(data: bytes, most: int) -> tuple[int, int]:
    start, count = struct.unpack(">HH", data)
    if not 1 <= count <= most:
        raise _Exception(ILLEGAL_VALUE)
    return start, count


def _block(address: int) -> int:
    for block in (POWER_ON_VALUES, SAFE_VALUES):
        if block <= address < block + RELAYS:
            return block
    raise _Exception(ILLEGAL_ADDRESS)
