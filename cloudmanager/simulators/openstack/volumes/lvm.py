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


class NoRoom(Exception):
    """The volume group has fewer free extents than are wanted."""


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
class LogicalVolume:
    """A volume; `segments` are pairs of a physical volume and its extents, in their order."""

    name: str
    segments: list[tuple[str, int]] = field(default_factory=list)
    uuid: str = field(default_factory=new_uuid)

    @property
    def extents(self) -> int:
        """Its size."""
        return sum(extents for _, extents in self.segments)


@dataclass(slots=True)
class VolumeGroup:
    """A volume group on a storage host."""

    host: str
    name: str
    uuid: str = field(default_factory=new_uuid)
    physical: dict[str, PhysicalVolume] = field(default_factory=dict)
    logical: dict[str, LogicalVolume] = field(default_factory=dict)

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
        used = sum(n for lv in self.logical.values() for name, n in lv.segments if name == disk)
        return self.physical[disk].extents - used

    def create(self, name: str, gib: int) -> LogicalVolume:
        """Make a linear volume; `NoRoom` when it does not fit, `ValueError` when there is one."""
        if name in self.logical:
            raise ValueError(f"there already is a logical volume {name}")
        made = LogicalVolume(name, self._free(gib * EXTENTS_PER_GIB))
        self.logical[name] = made
        return made

    def extend(self, name: str, gib: int) -> None:
        """Let a volume have this size; a smaller one changes nothing."""
        volume = self.logical[name]
        for disk, more in self._free(max(0, gib * EXTENTS_PER_GIB - volume.extents)):
            had = volume.segments.pop()[1] if volume.segments[-1][0] == disk else 0
            volume.segments.append((disk, had + more))

    def remove(self, name: str) -> None:
        """Free what a volume had."""
        self.logical.pop(name, None)

    def _free(self, wanted: int) -> list[tuple[str, int]]:
        """Free extents on the first physical volumes that have some."""
        found = []
        for name in self.physical:
            taken = min(wanted, self.free_on(name))
            if taken:
                found.append((name, taken))
                wanted -= taken
        if wanted:
            raise NoRoom(f"volume group {self.name} on {self.host} lacks {wanted} extents")
        return found

    def to_dict(self) -> dict[str, Any]:
        """In values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> VolumeGroup:
        """Build what `to_dict` described."""
        physical = {name: PhysicalVolume(**row) for name, row in kept["physical"].items()}
        logical = {
            name: LogicalVolume(**{**row, "segments": [(disk, n) for disk, n in row["segments"]]})
            for name, row in kept["logical"].items()
        }
        return cls(kept["host"], kept["name"], kept["uuid"], physical, logical)
