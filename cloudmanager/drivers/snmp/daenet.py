"""`DaenetIP2`: eight relays behind SNMP v1 (Denkovi DAEnetIP2 with its relay module).

The objects are under the enterprise 19865; each message names one of them, as the maker asks for. Port P5 has
the relays, P3 eight digital lines and P6 eight analog inputs; object 33 of P3 and P5 is all lines in a byte.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final

from cloudmanager.drivers.base import Action, Driver, PowerState, Settings
from cloudmanager.errors import DeviceRefused, DeviceUnreachable

from .client import Client, NoAnswer
from .message import Response, object_id

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_ENTERPRISE: Final = "1.3.6.1.4.1.19865.1.2"
_WHOLE_PORT = 33
OPEN, CLOSED = 0, 1

_ERRORS: Final[dict[int, str]] = {  # RFC 1157 §4.1.2
    1: "the answer would be too big",
    2: "it has no such object, or the community may not write it",
    3: "it does not take this value",
    4: "the object can only be read",
    5: "it failed and does not say why",
}


def digital(number: int) -> bytes:
    """Line `number` (1..8) of port P3."""
    return object_id(f"{_ENTERPRISE}.1.{number}.0")


def relay(number: int) -> bytes:
    """Relay `number` (1..8), on port P5."""
    return object_id(f"{_ENTERPRISE}.2.{number}.0")


def analog(number: int) -> bytes:
    """Channel `number` (1..8) of port P6: 0..1023."""
    return object_id(f"{_ENTERPRISE}.3.{number}.0")


ALL_DIGITAL: Final = digital(_WHOLE_PORT)
ALL_RELAYS: Final = relay(_WHOLE_PORT)


class DaenetBoard(Driver):
    """What both ways of wiring such a board share. One socket, kept.

    `password` is the community that may write; `login` that for reading, if it is another one.
    """

    protocol_type: ClassVar[str] = "snmp"
    default_port: ClassVar[int] = 161
    coils_count: ClassVar[int] = 8

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._client = Client(settings.host, settings.port)

    @abstractmethod
    async def _read_states(self, outlets: Collection[str]) -> Mapping[str, PowerState]: ...

    async def _close(self) -> None:
        self._client.close()
        await asyncio.sleep(0)  # the loop closes the socket in its next turn

    async def _get(self, oid: bytes, deadline: float, *, largest: int) -> int:
        """Read a number from 0 to `largest`."""
        community = (self.settings.login or self.settings.password).encode()
        try:
            response = await self._client.get(community, oid, deadline)
        except NoAnswer as problem:
            raise self._unreachable(problem, maybe_applied=False) from None
        value = self._value(response)
        if not 0 <= value <= largest:
            raise DeviceRefused(f"{self} answered {value}, which such an object cannot be")
        return value

    async def _set(self, oid: bytes, value: int, deadline: float, *, repeat: bool = True) -> None:
        community = self.settings.password.encode()
        try:
            response = await self._client.set(community, oid, value, deadline, repeat=repeat)
        except NoAnswer as problem:
            raise self._unreachable(problem, maybe_applied=problem.sent) from None
        if (kept := self._value(response)) != value:
            raise DeviceRefused(f"{self} was told to set {value} and answered {kept}")

    def _value(self, response: Response) -> int:
        if status := response.error_status:
            words = _ERRORS.get(status, "the code is unknown")
            raise DeviceRefused(f"{self} refused with SNMP error {status}: {words}")
        if response.value is None:
            raise DeviceRefused(f"{self} answered with something that is not a number")
        return response.value

    def _unreachable(self, problem: NoAnswer, *, maybe_applied: bool) -> DeviceUnreachable:
        if problem.sent:
            message = (
                f"{self} did not answer within {self.settings.timeout:g} s; it is also silent when the "
                "credentials are wrong: password is the community for writing, login that for reading"
            )
        else:
            message = f"{self} cannot be reached: {problem}"
        return DeviceUnreachable(message, maybe_applied=maybe_applied)

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self.settings.timeout


class DaenetIP2(DaenetBoard):
    """A board whose relays carry mains: closed is on."""

    control_type: ClassVar[str] = "DaenetIP2"
    actions: ClassVar[frozenset[Action]] = frozenset({Action.ON, Action.OFF})

    async def _read_states(self, outlets: Collection[str]) -> Mapping[str, PowerState]:
        return states(await self._get(ALL_RELAYS, self._deadline(), largest=0xFF), outlets)

    async def _apply(self, outlet: str, action: Action) -> None:
        await self._set(relay(int(outlet)), CLOSED if action is Action.ON else OPEN, self._deadline())


def states(byte: int, outlets: Collection[str]) -> dict[str, PowerState]:
    """The states that the byte of a port tells: bit 0 is outlet 1."""
    return {outlet: PowerState.ON if byte >> int(outlet) - 1 & 1 else PowerState.OFF for outlet in outlets}
