"""Who may log on to a machine: rules for sshd(8), and what sshd says that holds (sshd_config(5))."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from cloudmanager.errors import HostRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

MARK = "# Written by CloudManager: disable-ssh. Remove this file and reload sshd to open the way in again.\n"


def admitting_only(addresses: Iterable[str]) -> str:
    """Rules that let nobody in but from these addresses and networks.

    A denial is stronger than any AllowUsers elsewhere. `Match all` ends the block for what may follow.
    """
    patterns = ",".join(["*", *(f"!{address}" for address in addresses)])
    return f"{MARK}Match Address {patterns}\n    DenyUsers *\nMatch all\n"


def denies(effective: str) -> bool:
    """Whether `sshd -T -C …` says that nobody gets in; `HostRefused` when this is no configuration."""
    lines = [line.strip().lower() for line in effective.splitlines()]
    if not any(line.startswith("port ") for line in lines):
        raise HostRefused(f"sshd says what cannot be read: it begins with {effective.strip()[:80]!r}")
    return "denyusers *" in lines


def client_of(ssh_connection: str) -> str:
    """The address that a machine sees us come from, in what `SSH_CONNECTION` holds."""
    try:
        address = ipaddress.ip_address(ssh_connection.split(maxsplit=1)[0].partition("%")[0])
    except (ValueError, IndexError):
        raise HostRefused(f"the node does not say where we come from, but {ssh_connection[:80]!r}") from None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
