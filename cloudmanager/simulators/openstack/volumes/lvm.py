"""The volume groups of the storage hosts: physical volumes, logical volumes, and which lies where.

LVM counts in extents of 4 MiB. A linear logical volume takes the first physical volumes that have room.
"""

from __future__ import annotations

import random
import string
from dataclasses import asdict, dataclass, field
from typing import Any

EXTENTS_PER_GIB = 256
_GROUPS = (6, 4, 4, 4, 4, 4, 6)  # LVM writes its uuids so

Segments = list[tuple[str, int]]
"""Pairs of a physical volume and extents on it."""


class NoRoom(Exception):
    """The volume group has fewer free extents than are wanted: so many are lacking."""

    def __init__(self, message: str, lacking: int = 0) -> None:
        super().__init__(message)
        self.lacking = lacking


def new_uuid() -> str:
    """A uuid in LVM's form."""
    letters = string.ascii_letters + string.digits
    return "-".join("".join(random.choices(letters, k=length)) for length in _GROUPS)


@dataclass(slots=True)
class PhysicalVolume:
    """A disk of a volume group; its size is in extents."""

    name: str
    extents: int
    uuid: str = field(default_factory=new_uuid)


@dataclass(slots=True)
class Move:
    """A pvmove under way: off which disk, to where, and since when."""

    source: str
    targets: Segments
    begun_at: float


@dataclass(slots=True)
class LogicalVolume:
    """A volume; `segments` are pairs of a physical volume and its extents, in their order.

    A mirrored one has `copies` of them, and an extent of `notes` beside each. Those from `filled` on are
    being filled since `filling_since`.
    """

    name: str
    segments: Segments = field(default_factory=list)
    uuid: str = field(default_factory=new_uuid)
    copies: list[Segments] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    filled: int = 0
    filling_since: float | None = None
    active: bool = True
    move: Move | None = None

    @property
    def extents(self) -> int:
        """Its size."""
        return sum(extents for _, extents in self.segments)

    @property
    def images(self) -> list[Segments]:
        """All that hold its data: the first, and the copies."""
        return [self.segments, *self.copies]

    def taken_on(self, disk: str) -> int:
        """The extents that it takes on a physical volume."""
        targets = self.move.targets if self.move else []
        lying = sum(n for image in (*self.images, targets) for name, n in image if name == disk)
        return lying + self.notes.count(disk)


@dataclass(slots=True)
class VolumeGroup:
    """A volume group on a storage host; `locks` of a shared one are {volume: who holds its lease}.

    `speed` is how many extents it copies in a second.
    """

    host: str
    name: str
    uuid: str = field(default_factory=new_uuid)
    physical: dict[str, PhysicalVolume] = field(default_factory=dict)
    logical: dict[str, LogicalVolume] = field(default_factory=dict)
    lock_type: str = ""
    locks: dict[str, list[str]] = field(default_factory=dict)
    speed: float = EXTENTS_PER_GIB

    @property
    def total_gib(self) -> float:
        """Its size."""
        return sum(pv.extents for pv in self.physical.values()) / EXTENTS_PER_GIB

    @property
    def free_gib(self) -> float:
        """What no logical volume has."""
        return sum(self.free_on(name) for name in self.physical) / EXTENTS_PER_GIB

    def add_disk(self, name: str, gib: int) -> None:
        """Make a physical volume; LVM's own data take one extent of it."""
        self.physical[name] = PhysicalVolume(name, gib * EXTENTS_PER_GIB - 1)

    def free_on(self, disk: str) -> int:
        """The free extents of one physical volume."""
        return self.physical[disk].extents - sum(lv.taken_on(disk) for lv in self.logical.values())

    def create(self, name: str, gib: int) -> LogicalVolume:
        """Make a linear volume; `NoRoom` when it does not fit, `ValueError` when there is one."""
        if name in self.logical:
            raise ValueError(f"there already is a logical volume {name}")
        made = LogicalVolume(name, self.find_room(gib * EXTENTS_PER_GIB))
        self.logical[name] = made
        return made

    def extend(self, name: str, gib: int) -> None:
        """Let a volume have this size; a smaller one changes nothing."""
        volume = self.logical[name]
        for disk, more in self.find_room(max(0, gib * EXTENTS_PER_GIB - volume.extents)):
            had = volume.segments.pop()[1] if volume.segments[-1][0] == disk else 0
            volume.segments.append((disk, had + more))

    def remove(self, name: str) -> None:
        """Free what a volume had."""
        self.logical.pop(name, None)

    def find_room(
        self, wanted: int, *, only: list[str] | None = None, without: set[str] | None = None
    ) -> Segments:
        """Free extents on the first physical volumes that have some, of all or only of these."""
        found = []
        lacking = wanted
        for name in only or self.physical:
            taken = min(lacking, self.free_on(name)) if name not in (without or ()) else 0
            if taken:
                found.append((name, taken))
                lacking -= taken
        if lacking:
            raise NoRoom(f"volume group {self.name} on {self.host} lacks {lacking} extents", lacking)
        return found

    def to_dict(self) -> dict[str, Any]:
        """In values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> VolumeGroup:
        """Build what `to_dict` described."""
        physical = {name: PhysicalVolume(**row) for name, row in kept["physical"].items()}
        logical = {name: _logical(row) for name, row in kept["logical"].items()}
        return cls(**{**kept, "physical": physical, "logical": logical})


def _logical(kept: dict[str, Any]) -> LogicalVolume:
    move = kept.get("move")
    return LogicalVolume(
        **{
            **kept,
            "segments": _segments(kept["segments"]),
            "copies": [_segments(each) for each in kept.get("copies", [])],
            "move": Move(**{**move, "targets": _segments(move["targets"])}) if move else None,
        }
    )


def _segments(kept: list[Any]) -> Segments:
    return [(disk, extents) for disk, extents in kept]
