"""What LVM says of a volume group: `lvm fullreport --reportformat json --units b --nosuffix` (lvmreport(7)).

LVM counts in extents. A logical volume lies in pieces on physical volumes; a mirrored one lies so several
times, once for each image, through hidden volumes that are looked through here. So is the hidden `pvmoveN`
that a volume lies on while it is moved: what is being moved still counts as where it came from.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cloudmanager.errors import HostRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MIRRORED: Final = frozenset({"raid1", "mirror"})
"""Kinds of segments whose devices are copies of each other; `mirror` is the older of the two."""

_DEVICE: Final = re.compile(r"(.+)\(([0-9]+)\)")
_ACTIVE, _OPEN, _MISSING, _ALLOCATABLE = 4, 5, 2, 0  # places in lv_attr and pv_attr


@dataclass(frozen=True, slots=True)
class PhysicalVolume:
    """A disk of a volume group. Sizes are in bytes, `extents` and `free_extents` in extents."""

    name: str
    attr: str
    size: int
    free: int
    extents: int
    free_extents: int

    @property
    def usable(self) -> bool:
        """Whether new extents may be put on it."""
        return self.attr[_ALLOCATABLE : _ALLOCATABLE + 1] == "a" and self.attr[_MISSING:][:1] != "m"


@dataclass(frozen=True, slots=True)
class Piece:
    """So many extents on a physical volume."""

    disk: str
    extents: int


@dataclass(frozen=True, slots=True)
class Move:
    """A pvmove under way: its hidden volume, what it empties, and its percentage, when that is known."""

    name: str
    source: str
    percent: float | None


@dataclass(frozen=True, slots=True)
class LogicalVolume:
    """A volume. `images` are its copies in pieces; one that is thin has none.

    `percent` is how much is the same in all images; `move` is the pvmove that it takes part in.
    """

    name: str
    attr: str
    uuid: str
    size: int
    extents: int
    kind: str
    images: tuple[tuple[Piece, ...], ...]
    percent: float | None
    health: str
    move: Move | None = None

    @property
    def active(self) -> bool:
        """Whether this host uses it."""
        return self.attr[_ACTIVE : _ACTIVE + 1] not in ("", "-")

    @property
    def open(self) -> bool:
        """Whether something on this host has it open."""
        return self.attr[_OPEN : _OPEN + 1] == "o"

    @property
    def thin(self) -> bool:
        """Whether it lies in a thin pool."""
        return self.kind == "thin"

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """All pieces of all images, those on one disk and next to each other as one."""
        return tuple(_joined(piece for image in self.images for piece in image))

    @property
    def disks(self) -> tuple[str, ...]:
        """The physical volumes that it lies on."""
        return tuple(dict.fromkeys(piece.disk for piece in self.pieces))

    def extents_on(self, disk: str) -> int:
        """How much of it lies on a physical volume."""
        return sum(piece.extents for piece in self.pieces if piece.disk == disk)

    @property
    def synchronised(self) -> bool:
        """Whether all its images are the same; one image always is."""
        return len(self.images) < 2 or (self.percent or 0.0) >= 100.0  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class VolumeGroup:
    """A volume group; `extent` is one extent in bytes, `lock_type` is empty unless it is shared."""

    name: str
    lock_type: str
    size: int
    free: int
    extent: int
    disks: Mapping[str, PhysicalVolume]
    volumes: Mapping[str, LogicalVolume]
    moves: tuple[Move, ...] = ()


def read_report(text: str) -> tuple[VolumeGroup, ...]:
    """The volume groups of a full report; `HostRefused` when it is none."""
    try:
        return tuple(_group(part) for part in json.loads(text)["report"] if part.get("vg"))
    except (ValueError, LookupError, TypeError, AttributeError) as problem:
        raise HostRefused(f"LVM's report cannot be read: {problem!r}") from None


def gibibytes(size: int) -> str:
    """A size as `lvs --units g` writes it: 1.00g."""
    return f"{size / 2**30:.2f}g"


def _group(part: Mapping[str, Any]) -> VolumeGroup:
    (row,) = part["vg"]
    moves = {
        name: Move(name, each["move_pv"], _percent(each["copy_percent"]))
        for each in part["lv"]
        if each["move_pv"] and (name := _bare(each["lv_name"]))
    }
    segments = _Segments(part["seg"], moves)
    return VolumeGroup(
        name=row["vg_name"],
        lock_type=row["vg_lock_type"],
        size=int(row["vg_size"]),
        free=int(row["vg_free"]),
        extent=int(row["vg_extent_size"]),
        disks={each["pv_name"]: _disk(each) for each in part["pv"]},
        volumes={
            each["lv_name"]: _volume(each, segments, moves)
            for each in part["lv"]
            if not each["lv_name"].startswith("[")
        },
        moves=tuple(moves.values()),
    )


def _disk(row: Mapping[str, str]) -> PhysicalVolume:
    extents = int(row["pv_pe_count"])
    return PhysicalVolume(
        name=row["pv_name"],
        attr=row["pv_attr"],
        size=int(row["pv_size"]),
        free=int(row["pv_free"]),
        extents=extents,
        free_extents=extents - int(row["pv_pe_alloc_count"]),
    )


def _volume(row: Mapping[str, str], segments: _Segments, moves: Mapping[str, Move]) -> LogicalVolume:
    name = row["lv_name"]
    below = segments.below(name)
    return LogicalVolume(
        name=name,
        attr=row["lv_attr"],
        uuid=row["lv_uuid"],
        size=int(row["lv_size"]),
        extents=segments.extents_of(name),
        kind=segments.kind_of(name),
        images=segments.images_of(name),
        percent=_percent(row["copy_percent"]),
        health=row["lv_health_status"],
        move=next((move for each, move in moves.items() if each in below), None),
    )


@dataclass(frozen=True, slots=True)
class _Segment:
    start: int
    extents: int
    kind: str
    devices: tuple[tuple[str, int], ...]
    each: int


class _Segments:
    """The segments of all volumes of a group, hidden ones included, by their names without brackets."""

    def __init__(self, rows: Iterable[Mapping[str, str]], moves: Mapping[str, Move]) -> None:
        self._moves = moves
        self._of: dict[str, list[_Segment]] = defaultdict(list)
        for row in rows:
            self._of[_bare(row["lv_name"])].append(_segment(row))
        for segments in self._of.values():
            segments.sort(key=lambda segment: segment.start)

    def extents_of(self, name: str) -> int:
        return sum(segment.extents for segment in self._of[name])

    def kind_of(self, name: str) -> str:
        return next((segment.kind for segment in self._of[name]), "")

    def below(self, name: str) -> set[str]:
        """The hidden volumes that a volume lies on, however deep."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            for segment in self._of[waiting.pop()]:
                new = {device for device, _ in segment.devices if device in self._of} - found
                found |= new
                waiting += new
        return found

    def images_of(self, name: str) -> tuple[tuple[Piece, ...], ...]:
        """Each copy in its pieces."""
        segments = self._of[name]
        if segments and all(segment.kind in MIRRORED for segment in segments):
            count = min(len(segment.devices) for segment in segments)
            return tuple(
                tuple(piece for each in segments for piece in self._pieces(*each.devices[n], each.each))
                for n in range(count)
            )
        pieces = tuple(
            piece
            for each in segments
            for device in each.devices
            for piece in self._pieces(*device, each.each)
        )
        return (pieces,) if pieces else ()

    def _pieces(self, device: str, start: int, extents: int) -> Iterator[Piece]:
        """Where these extents of a device lie; of a hidden volume, where that lies.

        LVM does not tell which extents of a move are whose, but all of them count where they come from.
        """
        if move := self._moves.get(device):
            yield Piece(move.source, extents)
            return
        if device not in self._of:
            yield Piece(device, extents)
            return
        for segment in self._of[device]:
            first = max(start, segment.start)
            last = min(start + extents, segment.start + segment.extents)
            if first < last and segment.devices:
                below, offset = segment.devices[0]
                yield from self._pieces(below, offset + first - segment.start, last - first)


def _segment(row: Mapping[str, str]) -> _Segment:
    extents, kind = int(row["seg_size_pe"]), row["segtype"]
    found = (_DEVICE.fullmatch(device) for device in row["devices"].split(","))
    devices = tuple((match[1], int(match[2])) for match in found if match)
    striped = len(devices) if kind == "striped" else 1
    return _Segment(int(row["seg_start_pe"]), extents, kind, devices, extents // striped)


def _bare(name: str) -> str:
    return name.strip("[]")


def _percent(text: str) -> float | None:
    return float(text.replace(",", ".")) if text else None  # some locales write 44,00


def _joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    last: Piece | None = None
    for piece in pieces:
        if last is not None and last.disk == piece.disk:
            last = Piece(last.disk, last.extents + piece.extents)
            continue
        if last is not None:
            yield last
        last = piece
    if last is not None:
        yield last
