"""What iscsiadm(8) says of targets and sessions, and the names of targets (RFC 7143, section 4.2.7)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PORTAL: Final = r"(?:\[(?P<ip6>[^\]\s]+)\]|(?P<address>[^\s:\[\],]+)):(?P<port>\d+),(?P<group>-?\d+)"
_RECORD: Final = re.compile(rf"{_PORTAL} (?P<target>\S+)")
_SESSION: Final = re.compile(rf"\S+: \[\d+\] {_PORTAL} (?P<target>\S+)")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]{0,222}")

LONGEST_NAME: Final = 223
"""Characters that the name of a target has at most."""


@dataclass(frozen=True, order=True)
class Target:
    """A target behind the address of a portal. IPv6 addresses stand without brackets."""

    address: str
    name: str
    port: int = 3260


def read_targets(text: str) -> list[Target]:
    """What a discovery found, or the targets that are noted: `10.0.0.1:3260,1 iqn…` in each line."""
    return list(_found(_RECORD, text))


def read_sessions(text: str) -> list[Target]:
    """The sessions: `tcp: [1] 10.0.0.1:3260,1 iqn… (non-flash)` in each line."""
    return list(_found(_SESSION, text))


def is_target_name(name: str) -> bool:
    """Whether it can be the name of a target, or the end of one after its prefix."""
    return _NAME.fullmatch(name) is not None


def portal(address: str) -> str:
    """An address as iscsiadm takes it: one of IPv6 in brackets."""
    try:
        return f"[{address}]" if ipaddress.ip_address(address).version == 6 else address  # noqa: PLR2004
    except ValueError:
        return address


def _found(pattern: re.Pattern[str], text: str) -> Iterator[Target]:
    for line in text.splitlines():
        if match := pattern.match(line.strip()):
            address = _canonical(match["ip6"] or match["address"])
            yield Target(address, match["target"], int(match["port"]))


def _canonical(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address
