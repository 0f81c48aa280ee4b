"""What may be done with a logical volume, as far as its volume group tells: all that LVM would refuse anyway.

A mirror of LVM needs for each new copy the volume's extents and one for its notes, on physical volumes that
no other copy lies on. The first copy of a volume gets notes beside it as well (lvmraid(7), and tried).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloudmanager.host.lvm import MIRRORED, gibibytes
from cloudmanager.host.sanlock import is_name_of

if TYPE_CHECKING:
    from cloudmanager.host.lvm import LogicalVolume, VolumeGroup
    from cloudmanager.host.sanlock import Lock

MOST_COPIES: Final = 9
"""Copies besides the first that raid1 can have."""

_NOTES: Final = 1
_MOVABLE: Final = frozenset({"linear", "striped"}) | MIRRORED


def why_not_mirror(group: VolumeGroup, volume: LogicalVolume, copies: int) -> str | None:
    """Why a volume cannot have so many copies besides the first; None when it can."""
    if volume.thin:
        return f"{volume.name} is thin: LVM mirrors the pool of a thin volume, not the volume"
    if volume.kind not in MIRRORED | {"linear"}:
        return f"{volume.name} is {volume.kind}: LVM mirrors linear volumes only"
    more = copies + 1 - len(volume.images)
    if more <= 0:
        return None
    if volume.kind == "mirror":
        return f"{volume.name} is a mirror of the older kind: set mirror_count 0 first, then mirror it anew"
    return _why_no_room(group, volume, more)


def _why_no_room(group: VolumeGroup, volume: LogicalVolume, more: int) -> str | None:
    free = {disk.name: disk.free_extents for disk in group.disks.values() if disk.usable}
    each = volume.extents + _NOTES
    fitting = filled = 0
    for count in sorted((free[name] for name in free if name not in volume.disks), reverse=True):
        filled += count
        if filled >= each:
            fitting, filled = fitting + 1, 0
    if fitting < more:
        size = gibibytes(each * group.extent)
        rest = ", ".join(f"{name} {gibibytes(free[name] * group.extent)}" for name in sorted(free))
        return (
            f"{group.name} has room for {fitting} of {more} more copies of {size}, each on physical volumes "
            f"of its own; free are {rest or 'none'}"
        )
    if volume.kind == "linear" and not any(free.get(name) for name in volume.disks):
        return f"{' and '.join(volume.disks)} has no free extent for the notes that a mirror needs there"
    return None


def why_not_move(
    group: VolumeGroup, volume: LogicalVolume, source: str, destination: str | None
) -> str | None:
    """Why what a volume has on a physical volume cannot be moved; None when it can."""
    if volume.thin:
        return f"{volume.name} is thin: LVM moves the pool of a thin volume, not the volume"
    if volume.kind not in _MOVABLE:
        return f"{volume.name} is {volume.kind}, which LVM does not move by name"
    extents = volume.extents_on(source)
    if not extents:
        return f"{volume.name} has nothing on {source}; it lies on {', '.join(volume.disks)}"
    names = targets(group, volume, source, destination)
    room = sum(group.disks[name].free_extents for name in names)
    if room < extents:
        where = destination or "the other physical volumes that no copy of it lies on"
        return (
            f"{gibibytes(extents * group.extent)} of {volume.name} on {source} do not fit on {where}: "
            f"free are {gibibytes(room * group.extent)}"
        )
    return None


def targets(group: VolumeGroup, volume: LogicalVolume, source: str, destination: str | None) -> list[str]:
    """The physical volumes that take it: those of other copies would do away with what mirroring is for."""
    others = set(volume.disks) if len(volume.images) > 1 else set()
    names = [destination] if destination else [name for name in group.disks if name != source]
    return [name for name in names if group.disks[name].usable and name not in others]


def why_held(lock: Lock, host: str) -> str | None:
    """Why this host may not touch a volume of a shared group; None when it may."""
    elsewhere = [name for name in lock.hosts if not is_name_of(name, host)]
    if not elsewhere:
        return None
    how = "alone" if lock.exclusive else "together"
    return f"its lock is held {how} by {', '.join(elsewhere)}: detach the volume there first"
