"""Which logical volumes of shared groups a machine sees, and which locks it holds (lvmlockd(8))."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from cloudmanager.errors import HostRefused

_LOCKED: Final = frozenset({"sanlock", "dlm", "idm"})
_HELD: Final = re.compile(r"r lvm_(?P<group>[^:\s]+):(?P<uuid>[^:\s]+):\S+ p -?\d+")

_JOINED: Final = re.compile(r"s lvm_(?P<group>[^:\s]+):\d+:[^\s]+:\d+")
"""While a host joins or leaves, a word like `ADD` follows."""


@dataclass(frozen=True)
class SharedVolume:
    """A logical volume; `locked`: its group is shared, and using it takes a lock."""

    group: str
    name: str
    uuid: str
    locked: bool
    active: bool


def read_volumes(text: str) -> list[SharedVolume]:
    """What `lvs --reportformat json` says (lvmreport(7)); `HostRefused` when it is no report."""
    try:
        rows = [row for report in json.loads(text)["report"] for row in report["lv"]]
        return [
            SharedVolume(
                group=row["vg_name"],
                name=row["lv_name"],
                uuid=row["lv_uuid"],
                locked=row["vg_lock_type"] in _LOCKED,
                active=row["lv_active"] == "active",
            )
            for row in rows
        ]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise HostRefused(f"lvs says what cannot be read: it begins with {text.strip()[:80]!r}") from None


def read_joined(text: str) -> set[str]:
    """The groups whose lockspaces `sanlock client status` lists as joined."""
    return {match["group"] for line in text.splitlines() if (match := _JOINED.fullmatch(line.rstrip()))}


def read_held(text: str) -> set[tuple[str, str]]:
    """(group, uuid of the volume) of each lock that `sanlock client status` lists."""
    return {(match["group"], match["uuid"]) for line in text.splitlines() if (match := _HELD.match(line))}
