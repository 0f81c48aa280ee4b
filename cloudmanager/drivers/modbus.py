"""`ET7067`: eight relays behind Modbus/TCP (ICP DAS ET-7067 and PET-7067).

Functions and exceptions after "MODBUS Application Protocol V1.1b3", frames after "MODBUS Messaging on TCP/IP
Implementation Guide V1.0b"; relay n is coil n-1 (manual of the ET-7000 family).
"""

from __future__ import annotations

import asyncio
import logging
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from cloudmanager.errors import DeviceError, DeviceRefused, DeviceUnreachable

from .base import Action, Driver, PowerState, Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from pymodbus.pdu import ModbusPDU

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # what it warns of is in our errors already

_HEADER: Final = struct.Struct(">HHHB")  # transaction, protocol, length with the unit, unit: guide §3.1.3
_LONGEST = 254  # the unit and the largest PDU: guide §3.1.2
_READ_COILS, _WRITE_COIL = 0x01, 0x05  # protocol §6.1, §6.5
_EXCEPTION = 0x80  # protocol §7


class _Meaning(NamedTuple):
    """What an exception says, whether asking again may help, and whether the device may yet obey."""

    words: str
    again: bool = False
    may_obey: bool = False


_EXCEPTIONS: Final[dict[int, _Meaning]] = {  # protocol §7
    1: _Meaning("it does not know this function"),
    2: _Meaning("it has no such coil"),
    3: _Meaning("it does not take this value"),
    4: _Meaning("its hardware failed"),
    5: _Meaning("it took the request and needs longer for it", again=True, may_obey=True),
    6: _Meaning("it is busy", again=True),
    8: _Meaning("its memory is damaged"),
    10: _Meaning("the gateway has no path to it", again=True),
    11: _Meaning("it did not answer the gateway", again=True, may_obey=True),
}


@dataclass(frozen=True, kw_only=True)
class ModbusSettings(Settings):
    """Adds the unit."""

    unit_id: int = field(
        default=1,
        metadata={
            "help": "Modbus unit (the device's Net ID); behind a gateway, whose.",
            "minimum": 0,
            "maximum": 255,
        },
    )


class ET7067(Driver):
    """A board of eight relays that carry mains. One connection, kept; Modbus knows no credentials."""

    control_type: ClassVar[str] = "ET7067"
    protocol_type: ClassVar[str] = "modbus"
    default_port: ClassVar[int] = 502
    coils_count: ClassVar[int] = 8
    actions: ClassVar[frozenset[Action]] = frozenset({Action.ON, Action.OFF})
    settings_type: ClassVar[type[Settings]] = ModbusSettings

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._unit = settings.unit_id if isinstance(settings, ModbusSettings) else ModbusSettings.unit_id
        self._line: _Line | None = None

    async def _read_states(self, outlets: Collection[str]) -> Mapping[str, PowerState]:
        answer = await self._ask(
            lambda client: client.read_coils(0, count=self.coils_count, device_id=self._unit), acts=False
        )
        if answer.function_code != _READ_COILS or len(answer.bits) != self.coils_count:
            raise DeviceRefused(f"{self} answered a read of {self.coils_count} coils with something else")
        return {
            outlet: PowerState.ON if answer.bits[int(outlet) - 1] else PowerState.OFF for outlet in outlets
        }

    async def _apply(self, outlet: str, action: Action) -> None:
        address, closed = int(outlet) - 1, action is Action.ON
        answer = await self._ask(
            lambda client: client.write_coil(address, closed, device_id=self._unit), acts=True
        )
        echo = (answer.function_code, answer.address, answer.bits)
        if echo != (_WRITE_COIL, address, [closed]):
            raise DeviceRefused(f"{self} answered the order to switch port {outlet} with another one")

    async def _close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
            await asyncio.sleep(0)  # the loop closes the socket in its next turn

    async def _ask(self, request: _Request, *, acts: bool) -> ModbusPDU:
        """Answer of the device; a kept connection that the device has ended is opened again, once.

        The request is then sent again: it reads, or asks for a state. `acts`: the device may have
        obeyed although the answer is missing.
        """
        again, sent = self._line is not None, False
        try:
            async with asyncio.timeout(self.settings.timeout):
                while True:
                    line = await self._connected()
                    sent = acts
                    try:
                        answer = await line.ask(request)
                        break
                    except _Broken:
                        await self._close()
                        if not again:
                            raise
                        again = False
        except TimeoutError:
            await self._close()
            message = f"{self} did not answer within {self.settings.timeout:g} s"
            raise DeviceUnreachable(message, maybe_applied=sent) from None
        except _Broken as problem:
            raise DeviceUnreachable(f"{self} {problem}", maybe_applied=sent) from None
        except BaseException:  # cancelled: its answer must not meet the next request
            await self._close()
            raise
        if answer.isError():
            raise self._refusal(answer.exception_code, acts=acts)
        return answer

    async def _connected(self) -> _Line:
        if self._line is None:
            self._line = _Line(self.settings.host, self.settings.port, self.settings.timeout)
            if not await self._line.connect():
                await self._close()
                raise _Broken("cannot be connected to; is it on, and is this its address?")
        return self._line

    def _refusal(self, code: int, *, acts: bool) -> DeviceError:
        meaning = _EXCEPTIONS.get(code, _Meaning("the code is unknown"))
        message = f"{self} refused with Modbus exception {code}: {meaning.words}"
        if meaning.again:
            return DeviceUnreachable(message, maybe_applied=acts and meaning.may_obey)
        return DeviceRefused(message)


class _Broken(Exception):
    """The connection ended, or what came over it is no Modbus."""


class _Line:
    """One connection. By itself pymodbus waits on when it breaks, and believes a transaction id of 0."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self._asking = False
        self._client = AsyncModbusTcpClient(
            host,
            port=port,
            timeout=2 * timeout,  # the deadlines are ours
            retries=0,
            reconnect_delay=0,
            trace_packet=self._watch_packet,
            trace_connect=self._watch_connection,
        )

    async def connect(self) -> bool:
        """Open the connection; False if nobody takes it."""
        return await self._client.connect()

    async def ask(self, request: _Request) -> ModbusPDU:
        """Answer of the device, which is the one to this request; `_Broken` if there will be none."""
        if not self._client.connected:
            raise _Broken("has ended the connection")
        self._asking = True
        try:
            answer = await request(self._client)
        except ModbusException:
            raise _Broken("answered with something that is not Modbus") from None
        finally:
            self._asking = False
        if answer.transaction_id != self._client.ctx.request_transaction_id:
            raise _Broken("answered another request than ours")
        return answer

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def _watch_connection(self, connected: bool) -> None:
        if not connected:
            self._break("has ended the connection")

    def _watch_packet(self, sending: bool, packet: bytes) -> bytes:
        """Let pymodbus see only what it can decode: it logs a traceback for anything else."""
        if sending or _is_sound(packet):
            return packet
        self._break("answered with something that is not Modbus")
        return b""

    def _break(self, reason: str) -> None:
        answer = self._client.ctx.response_future
        if self._asking and not answer.done():
            answer.set_exception(_Broken(reason))


def _is_sound(packet: bytes) -> bool:
    """Whether the beginning of what came is, or can still become, an answer to a request of ours."""
    if len(packet) <= _HEADER.size:
        return True
    _, protocol, length, _ = _HEADER.unpack_from(packet)
    if protocol != 0 or not 3 <= length <= _LONGEST:  # noqa: PLR2004 - unit, function and a byte
        return False
    pdu = packet[_HEADER.size : _HEADER.size - 1 + length]
    if len(pdu) < length - 1:
        return True
    if pdu[0] == _READ_COILS:
        return len(pdu) == 2 + pdu[1]
    if pdu[0] == _WRITE_COIL:
        return len(pdu) == 5  # noqa: PLR2004 - function, address, value
    return pdu[0] > _EXCEPTION and len(pdu) == 2  # noqa: PLR2004 - function and code


if TYPE_CHECKING:
    _Request = Callable[[AsyncModbusTcpClient], Awaitable[ModbusPDU]]
