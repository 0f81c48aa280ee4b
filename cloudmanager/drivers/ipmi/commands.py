"""The IPMI commands that power needs, and what their completion codes mean."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Final

USER: Final = 2
OPERATOR: Final = 3
ADMINISTRATOR: Final = 4

_CHASSIS: Final = 0x00
_APPLICATION: Final = 0x06
_POWER_IS_ON: Final = 0x01


class Repeat(enum.Enum):
    """Whether a request whose answer did not come may be sent again."""

    ALWAYS = enum.auto()  # it only reads
    IN_SESSION = enum.auto()  # twice is the same as once, and the BMC knows the repeat by its rqSeq
    NEVER = enum.auto()  # twice is not the same as once


@dataclass(frozen=True)
class Command:
    """A request: network function, number, data, which may be secret; the privilege level that it needs.

    The levels are those of §6.8 and appendix G.
    """

    title: str
    netfn: int
    number: int
    data: bytes = field(default=b"", repr=False)
    privilege: int = USER
    repeat: Repeat = Repeat.ALWAYS


def _chassis_control(title: str, value: int, repeat: Repeat) -> Command:
    return Command(title, _CHASSIS, 0x02, bytes((value,)), OPERATOR, repeat)


DEVICE_ID: Final = Command("Get Device ID", _APPLICATION, 0x01)
"""§20.1."""

CHASSIS_STATUS: Final = Command("Get Chassis Status", _CHASSIS, 0x01)
"""§28.2."""

POWER_OFF: Final = _chassis_control("Chassis Control: power down", 0, Repeat.IN_SESSION)
POWER_ON: Final = _chassis_control("Chassis Control: power up", 1, Repeat.IN_SESSION)
HARD_RESET: Final = _chassis_control("Chassis Control: hard reset", 3, Repeat.NEVER)
SOFT_SHUTDOWN: Final = _chassis_control("Chassis Control: soft shutdown", 5, Repeat.NEVER)
"""§28.3. Up and down twice are harmless, so they are repeated like any request. A second reset, or a second
press of the ACPI button, is not, and not every BMC recognises a repeat: these two leave us once."""

KEEP_BOOT_FLAGS: Final = Command(
    "Set System Boot Options: no time-out", _CHASSIS, 0x08, bytes((0x03, 0x08)), OPERATOR, Repeat.IN_SESSION
)
"""§28.12, parameter 3: boot flags stay valid, which else end after 60 s without Chassis Control."""

BOOT_FROM_NETWORK_ONCE: Final = Command(
    "Set System Boot Options: network once",
    _CHASSIS,
    0x08,
    bytes((0x05, 0x80, 0x04, 0x00, 0x00, 0x00)),
    OPERATOR,
    Repeat.IN_SESSION,
)
"""§28.12, parameter 5 (boot flags): valid, for the next boot only, the machine's own firmware type, PXE."""


def _set_privilege(level: int) -> Command:
    return Command("Set Session Privilege Level", _APPLICATION, 0x3B, bytes((level,)))


RAISE_PRIVILEGE: Final = _set_privilege(OPERATOR)
RAISE: Final = {OPERATOR: RAISE_PRIVILEGE, ADMINISTRATOR: _set_privilege(ADMINISTRATOR)}
"""§22.18, by the level that the session was opened for."""

_THIS_CHANNEL: Final = 0x0E
SHORT_PASSWORD: Final = 16
_LONG_PASSWORD: Final = 20
_IS_LONG: Final = 0x80
_SET_PASSWORD: Final = 0x02

USER_ACCESS: Final = Command(
    "Get User Access", _APPLICATION, 0x44, bytes((_THIS_CHANNEL, 1)), OPERATOR, Repeat.ALWAYS
)
"""§22.27, of the first user: it also tells how many numbers of users there are."""


def user_name(number: int) -> Command:
    """§22.29."""
    return Command("Get User Name", _APPLICATION, 0x46, bytes((number,)), OPERATOR)


def set_password(number: int, password: bytes) -> Command:
    """§22.30. A password of up to 16 bytes is set as such: IPMI 1.5 clients cannot use the longer form."""
    is_long = len(password) > SHORT_PASSWORD
    padded = password.ljust(_LONG_PASSWORD if is_long else SHORT_PASSWORD, b"\0")
    data = bytes((number | _IS_LONG * is_long, _SET_PASSWORD)) + padded
    return Command("Set User Password", _APPLICATION, 0x47, data, ADMINISTRATOR, Repeat.IN_SESSION)


def count_of_users(user_access: bytes) -> int:
    """The highest number that a user can have, in the answer to Get User Access."""
    return user_access[0] & 0x3F if user_access else 0


def close_session(bmc_id: bytes) -> Command:
    """§22.19."""
    return Command("Close Session", _APPLICATION, 0x3C, bmc_id)


def power_is_on(chassis_status: bytes) -> bool | None:
    """Bit 0 of the first octet of Get Chassis Status; None when the octet is missing."""
    return bool(chassis_status[0] & _POWER_IS_ON) if chassis_status else None


class Verdict(enum.Enum):
    """What a completion code says of the request."""

    REFUSED = enum.auto()
    NOT_NOW = enum.auto()  # not carried out; another time it may be
    NOBODY_KNOWS = enum.auto()  # it may have been carried out
    NEEDS_PRIVILEGE = enum.auto()


_CODES: Final[dict[int, tuple[Verdict, str]]] = {
    0xC0: (Verdict.NOT_NOW, "node busy"),
    0xC1: (Verdict.REFUSED, "unknown command"),
    0xC2: (Verdict.REFUSED, "command unknown for this logical unit"),
    0xC3: (Verdict.NOBODY_KNOWS, "timed out inside the BMC"),
    0xC4: (Verdict.NOT_NOW, "out of space"),
    0xC5: (Verdict.REFUSED, "reservation cancelled or wrong"),
    0xC6: (Verdict.REFUSED, "request data truncated"),
    0xC7: (Verdict.REFUSED, "request data length wrong"),
    0xC8: (Verdict.REFUSED, "request data too long"),
    0xC9: (Verdict.REFUSED, "parameter out of range"),
    0xCA: (Verdict.REFUSED, "cannot return that many octets"),
    0xCB: (Verdict.REFUSED, "requested sensor, data or record not present"),
    0xCC: (Verdict.REFUSED, "invalid data in the request"),
    0xCD: (Verdict.REFUSED, "command not allowed for this sensor or record"),
    0xCE: (Verdict.NOBODY_KNOWS, "answer could not be provided"),
    0xCF: (Verdict.NOBODY_KNOWS, "duplicate of a request whose answer is gone"),
    0xD0: (Verdict.NOT_NOW, "sensor repository is being updated"),
    0xD1: (Verdict.NOT_NOW, "firmware is being updated"),
    0xD2: (Verdict.NOT_NOW, "BMC is still starting"),
    0xD3: (Verdict.NOT_NOW, "destination not available"),
    0xD4: (Verdict.NEEDS_PRIVILEGE, "privilege level too low or command disabled for this channel"),
    0xD5: (Verdict.REFUSED, "not possible in the present state"),
    0xD6: (Verdict.REFUSED, "part of the function is disabled or not available"),
    0xFF: (Verdict.REFUSED, "unspecified error"),
}
"""The generic completion codes of table 5-2."""

_OF_COMMANDS: Final[dict[tuple[int, int], dict[int, str]]] = {
    (_CHASSIS, 0x08): {
        0x80: "boot parameter not supported",
        0x81: "boot parameter is being set by somebody else",
        0x82: "boot parameter can only be read",
    },
    (_APPLICATION, 0x3B): {
        0x80: "the account may not have this privilege level",
        0x81: "the channel or the account is limited to a lower privilege level",
        0x82: "authentication below this level cannot be switched off",
    },
    (_APPLICATION, 0x3C): {
        0x87: "session id does not exist",
        0x88: "session handle does not exist",
    },
}
"""Codes 80h to BEh mean something else for every command."""


def explain(command: Command, code: int) -> tuple[Verdict, str]:
    """What a completion code other than 0 means for this command: what to do, and words with the code."""
    verdict, words = _CODES.get(code, (Verdict.REFUSED, ""))
    words = words or _OF_COMMANDS.get((command.netfn, command.number), {}).get(code, "") or _range(code)
    return verdict, f"{words} (completion code 0x{code:02X})"


def _range(code: int) -> str:
    if 0x01 <= code <= 0x7E:  # noqa: PLR2004 - bounds of table 5-2
        return "the manufacturer's own error"
    if 0x80 <= code <= 0xBE:  # noqa: PLR2004 - bounds of table 5-2
        return "an error of this command only"
    return "a reserved completion code"
