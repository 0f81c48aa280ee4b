"""What LVM does to volumes that are used: mirrors of them, and moves between physical volumes.

Both copy extents, which takes time; what is due is done when somebody looks. Each refusal is one that LVM
2.03.16 has given, in its words (recorded on the machine of tests/peers/storage_machine.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.openstack.volumes.lvm import Move, NoRoom

if TYPE_CHECKING:
    from cloudmanager.simulators.openstack.volumes.lvm import LogicalVolume, Segments, VolumeGroup


class Refused(Exception):
    """LVM does not do it, and says why."""


class Copying:
    """Mirrors and moves of one volume group at one time."""

    def __init__(self, group: VolumeGroup, now: float) -> None:
        self.group, self.now = group, now
        for volume in group.logical.values():
            self._settle(volume)

    def filled(self, volume: LogicalVolume) -> float:
        """The percentage of a mirrored volume that is the same in all its copies."""
        if volume.filling_since is None:
            return 100.0
        return self._share(volume.filling_since, volume.extents)

    def moved(self, move: Move) -> float:
        """The percentage of a move that is done."""
        return self._share(move.begun_at, sum(extents for _, extents in move.targets))

    # --- mirrors --------------------------------------------------------------------------------------------

    def mirror(self, name: str, copies: int, disk: str | None = None) -> None:
        """Let a volume have so many copies besides the first; of fewer, the one on this disk goes."""
        volume = self._volume(name)
        if volume.move:
            raise Refused(
                f"Command on LV {self._path(name)} is invalid on LV with properties: lv_is_locked ."
            )
        if not volume.active:
            raise Refused(f"{self._path(name)} must be active to perform this operation.")
        if copies > len(volume.copies):
            self._add_copies(volume, copies - len(volume.copies))
        while copies < len(volume.copies):
            self._drop_copy(volume, disk)

    def _add_copies(self, volume: LogicalVolume, count: int) -> None:
        if volume.filling_since is not None:
            raise Refused("Can't add image to RAID LV that is still initializing.")
        made: list[Segments] = []
        notes: list[str] = []
        if not volume.notes:
            own = dict.fromkeys(disk for disk, _ in volume.segments)
            try:
                notes.append(self.group.find_room(1, only=list(own))[0][0])
            except NoRoom:
                raise Refused("Insufficient free space: 1 extents needed, but only 0 available") from None
        taken = {disk for image in volume.images for disk, _ in image}
        for _ in range(count):
            try:
                place = self.group.find_room(volume.extents + 1, without=taken)
            except NoRoom as problem:
                lacking = problem.lacking
                message = (
                    f"Insufficient suitable allocatable extents for logical volume : {lacking} more required"
                )
                raise Refused(message) from None
            taken |= {disk for disk, _ in place}
            notes.append(place[0][0])
            rest = [(place[0][0], place[0][1] - 1), *place[1:]]
            made.append([(disk, extents) for disk, extents in rest if extents])
        volume.filled = len(volume.images)
        volume.copies += made
        volume.notes += notes
        volume.filling_since = self.now

    def _drop_copy(self, volume: LogicalVolume, disk: str | None) -> None:
        images = volume.images
        wanted = [n for n, image in enumerate(images) if disk in (None, *(name for name, _ in image))]
        if not wanted:
            raise Refused("Failed to extract images from " + self._path(volume.name) + ".")
        place = wanted[-1]
        is_first_filling = volume.filling_since is not None and volume.filled == 1
        if is_first_filling and (place == 0 or (disk is None and len(images) - 1 == 1)):
            raise Refused("Unable to remove all primary source devices")
        del images[place]
        del volume.notes[place]
        volume.segments, volume.copies = images[0], images[1:]
        if place < volume.filled:
            volume.filled -= 1
        if volume.filled >= len(images):
            volume.filling_since = None
        if not volume.copies:
            volume.notes, volume.filled, volume.filling_since = [], 0, None

    # --- moves ----------------------------------------------------------------------------------------------

    def begin_move(self, name: str, source: str, target: str | None = None) -> str:
        """Begin to move what a volume has on a disk; LVM says so when it has begun with that disk already."""
        if any(each.move and each.move.source == source for each in self.group.logical.values()):
            return (
                f"  Detected pvmove in progress for {source}.\n"
                "  WARNING: Ignoring remaining command line arguments.\n"
            )
        if target is not None and target not in self.group.physical:
            raise Refused(f'Physical Volume "{target}" not found in Volume Group "{self.group.name}".')
        volume = self._volume(name)
        extents = volume.taken_on(source)
        if not extents or volume.move:
            raise Refused(f"No data to move for {self.group.name}.")
        others = {source} | {
            disk for image in volume.images[1:] for disk, _ in image if len(volume.images) > 1
        }
        try:
            targets = self.group.find_room(extents, only=[target] if target else None, without=others)
        except NoRoom:
            raise Refused("No extents available for allocation.") from None
        volume.move, volume.active = Move(source, targets, self.now), True
        return ""

    def abort_move(self, source: str) -> str:
        """End the move off a disk; what is copied of it, in whole segments, stays where it was copied to."""
        for volume in self.group.logical.values():
            if volume.move and volume.move.source == source:
                extents = sum(count for _, count in volume.move.targets)
                self._end_move(volume, volume.move, int(extents * self.moved(volume.move) / 100))
                return ""
        return f"  {source}: No pvmove in progress - already finished or aborted.\n"

    # --- the rest -------------------------------------------------------------------------------------------

    def activate(self, name: str, *, active: bool) -> None:
        """Let the host use a volume, or not."""
        self._volume(name).active = active

    def _volume(self, name: str) -> LogicalVolume:
        if name not in self.group.logical:
            raise Refused(f'Failed to find logical volume "{self._path(name)}"')
        return self.group.logical[name]

    def _path(self, name: str) -> str:
        return f"{self.group.name}/{name}"

    def _settle(self, volume: LogicalVolume) -> None:
        """Do what is due."""
        if volume.filling_since is not None and self.filled(volume) >= 100.0:  # noqa: PLR2004
            volume.filling_since, volume.filled = None, len(volume.images)
        move = volume.move
        if move and self.moved(move) >= 100.0:  # noqa: PLR2004
            self._end_move(volume, move, sum(extents for _, extents in move.targets))

    def _end_move(self, volume: LogicalVolume, move: Move, copied: int) -> None:
        volume.move = None
        left = _take(list(move.targets), copied)
        notes = [_replaced([(disk, 1)], move.source, left) for disk in volume.notes]
        volume.notes = [place for [(place, _)] in notes]
        images = [_replaced(image, move.source, left) for image in volume.images]
        volume.segments, volume.copies = images[0], images[1:]

    def _share(self, since: float, extents: int) -> float:
        done = max(0.0, self.now - since) * self.group.speed
        return min(100.0, 100.0 * done / extents) if extents else 100.0


def _replaced(image: Segments, source: str, targets: Segments) -> Segments:
    """The segments of an image, of which those on one disk have gone to others, as far as that has come."""
    found: Segments = []
    for disk, extents in image:
        goes = disk == source and sum(count for _, count in targets) >= extents
        for place, count in _take(targets, extents) if goes else [(disk, extents)]:
            had = found.pop()[1] if found and found[-1][0] == place else 0
            found.append((place, had + count))
    return found


def _take(segments: Segments, extents: int) -> Segments:
    """The first so many extents of segments, which lose them."""
    found: Segments = []
    while extents:
        disk, count = segments.pop(0)
        found.append((disk, min(count, extents)))
        if count > extents:
            segments.insert(0, (disk, count - extents))
        extents -= found[-1][1]
    return found
