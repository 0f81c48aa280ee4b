"""Who holds the leases of a shared volume group: `sanlock direct dump` of its lease area, read (sanlock(8)).

The area begins with a line for each host that has joined, then comes one for each lease; the hosts that share
a lease follow it. lvmlockd names the lease of a logical volume by the volume's uuid (lvmlockd(8)).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cloudmanager.errors import HostRefused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HEADINGS: Final = ["offset", "lockspace", "resource", "timestamp", "own", "gen", "lver"]
_CUT: Final = "…"
_HOST, _LEASE, _SHARER = 6, 7, 3  # how many words a line has
_NOBODY = 0
_LONGEST = 47
"""Characters of a host's name that a dump shows: longer ones are cut."""
_MADE_UP: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.")
"""What sanlock puts before the host's own name unless `our_host_name` is configured."""


@dataclass(frozen=True, slots=True)
class Lock:
    """Who holds a lease, and whether one has it alone. A name that sanlock has cut ends with `…`."""

    hosts: tuple[str, ...] = ()
    exclusive: bool = False


@dataclass
class _Area:
    hosts: dict[int, tuple[str, int]] = field(default_factory=dict)
    """{number of a host: its name and generation}."""
    owners: dict[str, tuple[int, int] | None] = field(default_factory=dict)
    sharers: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def name(self, number: int, generation: int) -> str | None:
        """The name of a holder; None when that host has joined anew since, which freed its leases."""
        name, now = self.hosts.get(number, (f"host {number}", generation))
        return name if now == generation else None

    def lock(self, resource: str) -> Lock:
        """Who holds a lease now."""
        sharers, owner = self.sharers.get(resource, []), self.owners[resource]
        holders = sharers or ([owner] if owner else [])
        names = [name for holder in holders if (name := self.name(*holder))]
        return Lock(tuple(names), exclusive=bool(names) and not sharers)


def read_leases(text: str) -> Mapping[str, Lock]:
    """{lease: who holds it}; `HostRefused` when this is no lease area."""
    first, *rows = [line.split() for line in text.splitlines() if line.strip()] or [[]]
    if first != _HEADINGS:
        raise HostRefused(f"sanlock's lease area cannot be read: it begins with {' '.join(first)[:80]!r}")
    area, last = _Area(), ""
    try:
        for row in rows:
            last = _take(area, row, last)
    except (ValueError, LookupError):
        raise HostRefused("sanlock's lease area has a line that cannot be read") from None
    return {resource: area.lock(resource) for resource in area.owners}


def is_name_of(name: str, host: str) -> bool:
    """Whether a name in a lock may be this host's."""
    return host.startswith(name[:-1]) if name.endswith(_CUT) else name == host


def _own_name(told: str) -> str:
    return _MADE_UP.sub("", told) + (_CUT if len(told) >= _LONGEST else "")


def _take(area: _Area, row: Sequence[str], last: str) -> str:
    """Take one line; answers the lease that the next lines may belong to."""
    if len(row) == _SHARER:
        area.sharers.setdefault(last, []).append((int(row[0]), int(row[1])))
        return last
    _, _, name, timestamp, owner, generation, *_ = row
    if len(row) == _HOST:
        area.hosts[int(owner)] = (_own_name(name), int(generation))
        return ""
    if len(row) != _LEASE:
        raise ValueError(row)
    area.owners[name] = (int(owner), int(generation)) if int(timestamp) != _NOBODY else None
    return name
