"""The commands that a BMC executes. Section numbers are those of IPMI v2.0 revision 1.1."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.ipmi.session import SUITES, Session
from cloudmanager.simulators.world import Action, Cause, NotPossible, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.world import Account, Device, Node, World

CHASSIS = 0x00  # §5.1: network functions
APPLICATION = 0x06

ANYBODY, USER, OPERATOR, ADMINISTRATOR = 0, 2, 3, 4  # §6.8: privilege levels

OK = 0x00  # §5.2: completion codes
UNKNOWN_COMMAND = 0xC1
BAD_LENGTH = 0xC7
BAD_DATA = 0xCC
NO_PRIVILEGE = 0xD4
NOT_IN_THIS_STATE = 0xD5

OUTLET = "1"  # a BMC switches the one machine that it sits in
_CHANNEL = 0x01
_USER_IDS = 16
_ACTIONS = {0: Action.OFF, 1: Action.ON, 2: Action.CYCLE, 3: Action.RESET, 5: Action.SOFT_OFF}


class Failure(Exception):
    """The command ends with a completion code other than 00h."""

    def __init__(self, code: int) -> None:
        super().__init__(f"completion code {code:#04x}")
        self.code = code


@dataclass(slots=True)
class Target:
    """What a command works on: the world, this BMC's device in it, and the session that it came in."""

    world: World
    device: Device
    guid: bytes
    session: Session | None
    close_session: Callable[[int], bool]

    @property
    def node(self) -> Node:
        """The machine that the BMC sits in."""
        return self.world.wired(self.device.name, OUTLET)


# --- application ------------------------------------------------------------------------------------------


def _device_id(_target: Target, _data: bytes) -> bytes:
    """§20.1: a chassis device with IPMI 2.0, firmware 2.15, made by Supermicro (IANA 10876)."""
    return struct.pack("<BBBBBB", 0x20, 0x01, 0x02, 0x15, 0x02, 0x80) + b"\x7c\x2a\x00" + bytes(6)


def _system_guid(target: Target, _data: bytes) -> bytes:
    """§22.14."""
    return target.guid


def _authentication_capabilities(_target: Target, data: bytes) -> bytes:
    """§22.13: only RMCP+ (80h), named users, no BMC key."""
    _need_length(data, 2)
    wants_v2, level = data[0] & 0x80, data[1] & 0x0F
    if not ANYBODY < level <= ADMINISTRATOR:
        raise Failure(BAD_DATA)
    if not wants_v2:
        return bytes((_CHANNEL, 0x00, 0x04)) + bytes(5)
    return bytes((_CHANNEL, 0x80, 0x04, 0x02)) + bytes(4)


def _cipher_suites(_target: Target, data: bytes) -> bytes:
    """§22.15: records of the suites, 16 bytes at a time."""
    _need_length(data, 3)
    records = b"".join(
        bytes(
            (0xC0, suite.number, suite.authentication, 0x40 | suite.integrity, 0x80 | suite.confidentiality)
        )
        for suite in SUITES
    )
    start = (data[2] & 0x3F) * 16
    return bytes((_CHANNEL,)) + records[start : start + 16]


def _session_privilege(target: Target, data: bytes) -> bytes:
    """§22.18: 0 asks for the present level; more than the session may have is 81h."""
    _need_length(data, 1)
    session = _session(target)
    level = data[0] & 0x0F
    if level == 1 or level > ADMINISTRATOR:
        raise Failure(BAD_DATA)
    if level > session.allowed:
        raise Failure(0x81)
    session.privilege = level or session.privilege
    return bytes((session.privilege,))


def _close_session(target: Target, data: bytes) -> bytes:
    """§22.19: 87h for a session that does not exist."""
    if len(data) < struct.calcsize("<I"):
        raise Failure(BAD_LENGTH)
    if not target.close_session(struct.unpack_from("<I", data)[0]):
        raise Failure(0x87)
    return b""


def _user_access(target: Target, data: bytes) -> bytes:
    """§22.27."""
    _need_length(data, 2)
    account = _account(target, data[1])
    enabled = sum(each.enabled for each in target.device.accounts.values())
    if account is None:
        return bytes((_USER_IDS, enabled, 0, 0x0F))
    status = 0x40 if account.enabled else 0x80
    return bytes((_USER_IDS, status | enabled, 0, 0x10 | account.privilege))


def _user_name(target: Target, data: bytes) -> bytes:
    """§22.29."""
    _need_length(data, 1)
    account = _account(target, data[0])
    return (account.name.encode() if account else b"").ljust(16, b"\0")


def _user_password(target: Target, data: bytes) -> bytes:
    """§22.30: disable, enable, set or test; 80h if the tested password differs."""
    if len(data) < 2:  # noqa: PLR2004 - user and operation
        raise Failure(BAD_LENGTH)
    number, operation = data[0] & 0x3F, data[1] & 0x03
    account = _account(target, number)
    if account is None:
        raise Failure(BAD_DATA)
    if operation < 2:  # noqa: PLR2004 - 0 disable, 1 enable
        target.world.enable_account(target.device.name, number, operation == 1)
        return b""
    _need_length(data, 22 if data[0] & 0x80 else 18)
    password = data[2:].rstrip(b"\0").decode(errors="surrogateescape")
    if operation == 2:  # noqa: PLR2004 - set
        target.world.set_password(target.device.name, number, password)
    elif account.password != password:
        raise Failure(0x80)
    return b""


# --- chassis ----------------------------------------------------------------------------------------------


def _chassis_capabilities(_target: Target, _data: bytes) -> bytes:
    """§28.1: all its devices are at the BMC's own address."""
    return b"\x00\x20\x20\x20\x20"


def _chassis_status(target: Target, _data: bytes) -> bytes:
    """§28.2: power, restore policy "previous state", whether the last start was by a command."""
    on = target.world.read(target.device.name, OUTLET)
    by_command = target.node.started_by is Cause.COMMAND
    return bytes((0x20 | on, 0x10 if by_command else 0x00, 0x00, 0x00))


def _chassis_control(target: Target, data: bytes) -> bytes:
    """§28.3: returns when the command is accepted, not when it is done."""
    _need_length(data, 1)
    action = _ACTIONS.get(data[0] & 0x0F)
    if action is None:
        raise Failure(BAD_DATA)
    try:
        target.world.switch(target.device.name, OUTLET, action)
    except NotPossible:
        raise Failure(NOT_IN_THIS_STATE) from None
    except Refused as refusal:
        raise Failure(refusal.code) from None
    return b""


def _restart_cause(target: Target, _data: bytes) -> bytes:
    """§28.11."""
    causes = {Cause.UNKNOWN: 0x00, Cause.COMMAND: 0x01, Cause.BUTTON: 0x03}
    return bytes((causes[target.node.started_by], _CHANNEL))


_BOOT_FLAGS = 5
_BOOT_PARAMETERS = {0: 1, 3: 1, 4: 2, _BOOT_FLAGS: 5}  # §28.13: selector and length of what is kept
_VALID, _PERSISTENT = 0x80, 0x40
_VALID_BIT_CLEARING = 3
_NOT_BY_TIME_OUT = 0x08
_BOOT_FLAGS_LAST = 60.0  # seconds, parameter 3
_NO_SUCH_PARAMETER = 0x80


def _set_boot_option(target: Target, data: bytes) -> bytes:
    """§28.12. A parameter without data is only marked valid or invalid, which changes nothing here."""
    if not data:
        raise Failure(BAD_LENGTH)
    selector, value = data[0] & 0x7F, data[1:]
    if selector not in _BOOT_PARAMETERS:
        raise Failure(_NO_SUCH_PARAMETER)
    if value:
        _need_length(value, _BOOT_PARAMETERS[selector])
        kept: dict[str, Any] = {
            "value": value.hex(),
            "boot_id": target.node.boot_id,
            "at": target.world.clock.now(),
        }
        target.world.remember(target.device.name, f"boot option {selector}", kept)
    return b""


def _get_boot_option(target: Target, data: bytes) -> bytes:
    """§28.13. Boot flags that are not persistent hold for one start: the firmware takes "valid" away.

    So does the BMC after 60 seconds, unless parameter 3 says otherwise; Chassis Control changes nothing here.
    """
    _need_length(data, 3)
    selector = data[0] & 0x7F
    if selector not in _BOOT_PARAMETERS:
        raise Failure(_NO_SUCH_PARAMETER)
    value = bytes(_BOOT_PARAMETERS[selector])
    if kept := target.device.memory.get(f"boot option {selector}"):
        value = bytes.fromhex(kept["value"])
        if selector == _BOOT_FLAGS and (_were_used(target, kept) or _are_too_old(target, kept)):
            value = bytes((value[0] & ~_VALID,)) + value[1:]
    return bytes((0x01, selector)) + value


def _were_used(target: Target, flags: dict[str, Any]) -> bool:
    is_persistent = int(flags["value"][:2], 16) & _PERSISTENT
    return not is_persistent and flags["boot_id"] != target.node.boot_id


def _are_too_old(target: Target, flags: dict[str, Any]) -> bool:
    clearing = target.device.memory.get(f"boot option {_VALID_BIT_CLEARING}", {"value": "00"})
    if int(clearing["value"], 16) & _NOT_BY_TIME_OUT:
        return False
    return bool(target.world.clock.now() - flags["at"] > _BOOT_FLAGS_LAST)


COMMANDS: dict[tuple[int, int], tuple[Callable[[Target, bytes], bytes], int]] = {  # Appendix G: privileges
    (APPLICATION, 0x01): (_device_id, USER),
    (APPLICATION, 0x37): (_system_guid, ANYBODY),
    (APPLICATION, 0x38): (_authentication_capabilities, ANYBODY),
    (APPLICATION, 0x3B): (_session_privilege, USER),
    (APPLICATION, 0x3C): (_close_session, USER),
    (APPLICATION, 0x44): (_user_access, OPERATOR),
    (APPLICATION, 0x46): (_user_name, OPERATOR),
    (APPLICATION, 0x47): (_user_password, ADMINISTRATOR),
    (APPLICATION, 0x54): (_cipher_suites, ANYBODY),
    (CHASSIS, 0x00): (_chassis_capabilities, USER),
    (CHASSIS, 0x01): (_chassis_status, USER),
    (CHASSIS, 0x02): (_chassis_control, OPERATOR),
    (CHASSIS, 0x07): (_restart_cause, USER),
    (CHASSIS, 0x08): (_set_boot_option, OPERATOR),
    (CHASSIS, 0x09): (_get_boot_option, OPERATOR),
}


def execute(target: Target, net_fn: int, command: int, data: bytes) -> tuple[int, bytes]:
    """Execute a command: its completion code and answer data."""
    run, needed = COMMANDS.get((net_fn, command), (None, ANYBODY))
    if run is None:
        return UNKNOWN_COMMAND, b""
    if (target.session.privilege if target.session else ANYBODY) < needed:
        return NO_PRIVILEGE, b""
    try:
        return OK, run(target, data)
    except Failure as failure:
        return failure.code, b""


def _need_length(data: bytes, length: int) -> None:
    if len(data) != length:
        raise Failure(BAD_LENGTH)


def _session(target: Target) -> Session:
    if target.session is None:
        raise Failure(NO_PRIVILEGE)
    return target.session


def _account(target: Target, number: int) -> Account | None:
    """Find an account by its user id; None for a free one, CCh for an id that no BMC has."""
    if not 1 <= number & 0x3F <= _USER_IDS:
        raise Failure(BAD_DATA)
    return target.device.accounts.get(number & 0x3F)
