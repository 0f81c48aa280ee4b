"""LVM of a simulated storage host: its reports, mirrors and moves, in the words of LVM 2.03.16.

The volume groups are those of the simulated Cinder whose host is this node.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.openstack.volumes.copying import Copying, Refused
from cloudmanager.simulators.ssh.answer import Answer, Failed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudmanager.simulators.node_os.system import System
    from cloudmanager.simulators.openstack.volumes.lvm import LogicalVolume, Segments, VolumeGroup

EXTENT = 4 << 20
_BAD_ARGUMENTS, _FAILED = 3, 5
_BACKUP = "  WARNING: This metadata update is NOT backed up.\n"
_WITH_VALUE = {"--type", "--mirrors", "--activate", "--name", "--interval"}

Row = dict[str, str]


def lvm(system: System, words: Sequence[str], _stdin: bytes) -> str:
    """`lvm fullreport … GROUP` with the fields that are asked for."""
    if list(words[:1]) != ["fullreport"]:
        raise Failed(f"  WARNING: {' '.join(words[:1])}: not a command of this LVM", _BAD_ARGUMENTS)
    copying = _copying(system, words[-1])
    wanted = _fields(words)
    tables = {name: rows for name, rows in _report(copying).items() if name in wanted}
    picked = {
        name: [{key: row[key] for key in wanted[name]} for row in rows] for name, rows in tables.items()
    }
    return json.dumps({"report": [picked]}, indent=4)


def lvchange(system: System, words: Sequence[str], _stdin: bytes) -> Answer:
    """`lvchange --activate ey|n GROUP/VOLUME`."""
    options, (path,) = _parsed(words)
    copying, name = _volume(system, path)
    return _done(system, lambda: copying.activate(name, active=options["--activate"] != "n"))


def lvconvert(system: System, words: Sequence[str], _stdin: bytes) -> Answer:
    """`lvconvert --yes [--type raid1] --mirrors COPIES GROUP/VOLUME [DISK]`."""
    options, (path, *disks) = _parsed(words)
    copying, name = _volume(system, path)
    copies, disk = int(options["--mirrors"]), disks[0] if disks else None
    done = _done(system, lambda: copying.mirror(name, copies, disk))
    return done._replace(out=f"  Logical volume {path} successfully converted.\n")


def pvmove(system: System, words: Sequence[str], _stdin: bytes) -> Answer:
    """`pvmove --background --name VOLUME SOURCE [TARGET]`, `pvmove --abort SOURCE`, `pvmove --background`."""
    options, disks = _parsed(words)
    if not disks:
        return Answer()  # moves go on by themselves here
    copying = _copying_of_disk(system, disks[0])
    if "--abort" in options:
        return _done(system, lambda: copying.abort_move(disks[0]))
    target = disks[1] if len(disks) > 1 else None
    return _done(system, lambda: copying.begin_move(options["--name"], disks[0], target))


def _done(system: System, act: Any) -> Answer:
    try:
        said = act()
    except Refused as problem:
        raise Failed(f"  {problem}", _FAILED) from None
    system.changed()
    return Answer(out=said or "", err="" if said else _BACKUP)


def _parsed(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    rest: list[str] = []
    left = iter(words)
    for word in left:
        if word in _WITH_VALUE:
            options[word] = next(left, "")
        elif word.startswith("-"):
            options[word] = ""
        else:
            rest.append(word)
    return options, rest


def _groups(system: System) -> list[VolumeGroup]:
    found = system.cloud.volumes.groups.values() if system.cloud else ()
    return [group for group in found if group.host == system.node.name]


def _copying(system: System, name: str) -> Copying:
    for group in _groups(system):
        if group.name == name:
            return Copying(group, system.world.clock.now())
    raise Failed(f'  Volume group "{name}" not found\n  Cannot process volume group {name}', _FAILED)


def _volume(system: System, path: str) -> tuple[Copying, str]:
    group, _, name = path.partition("/")
    return _copying(system, group), name


def _copying_of_disk(system: System, disk: str) -> Copying:
    for group in _groups(system):
        if disk in group.physical:
            return Copying(group, system.world.clock.now())
    raise Failed(f"  Cannot use {disk}: device not found", _BAD_ARGUMENTS)


# --- reports ------------------------------------------------------------------------------------------------


def _fields(words: Sequence[str]) -> dict[str, list[str]]:
    """{report: the fields asked for}."""
    found: dict[str, list[str]] = {}
    report = ""
    for word, value in itertools.pairwise(words):
        if word == "--configreport":
            report = value
        elif word == "--options":
            found[report] = value.split(",")
    return found


def _report(copying: Copying) -> dict[str, list[Row]]:
    group = copying.group
    volumes = [_lv_rows(copying, each) for _, each in sorted(group.logical.items())]
    return {
        "vg": [_vg_row(group)],
        "pv": [_pv_row(group, name) for name in group.physical],
        "lv": [row for rows, _ in volumes for row in rows],
        "pvseg": [],
        "seg": [row for _, rows in volumes for row in rows],
    }


def _vg_row(group: VolumeGroup) -> Row:
    total = sum(disk.extents for disk in group.physical.values())
    free = sum(group.free_on(name) for name in group.physical)
    return {
        "vg_name": group.name,
        "vg_lock_type": group.lock_type,
        "vg_extent_size": str(EXTENT),
        "vg_size": str(total * EXTENT),
        "vg_free": str(free * EXTENT),
    }


def _pv_row(group: VolumeGroup, name: str) -> Row:
    extents, free = group.physical[name].extents, group.free_on(name)
    return {
        "pv_name": name,
        "pv_attr": "a--",
        "pv_size": str(extents * EXTENT),
        "pv_free": str(free * EXTENT),
        "pv_pe_count": str(extents),
        "pv_pe_alloc_count": str(extents - free),
    }


def _lv_rows(copying: Copying, volume: LogicalVolume) -> tuple[list[Row], list[Row]]:
    """The rows of a volume and of those hidden below it: as volumes, and as segments."""
    use = "a" if volume.active else "-"
    move = f"pvmove{list(copying.group.logical).index(volume.name)}" if volume.move else None
    if not volume.copies:
        kind = "I" if move else "i"
        row = _lv_row(volume.name, f"-w{kind}-{use}-----", volume.extents, uuid=volume.uuid)
        rows, segments = [row], list(_seg_rows(volume.name, volume.segments, volume, move))
    else:
        rows, segments = _mirrored_rows(copying, volume, use, move)
    if move and volume.move:
        extents = sum(count for _, count in volume.move.targets)
        done = f"{copying.moved(volume.move):.2f}"
        hidden = _lv_row(f"[{move}]", "p-C-aom---", extents, percent=done, source=volume.move.source)
        rows.append(hidden)
        devices = f"{volume.move.source}(0),{volume.move.targets[0][0]}(0)"
        segments.append(_seg_row(f"[{move}]", "mirror", 0, extents, devices))
    return rows, segments


def _mirrored_rows(
    copying: Copying, volume: LogicalVolume, use: str, move: str | None
) -> tuple[list[Row], list[Row]]:
    name, images = volume.name, volume.images
    percent = f"{copying.filled(volume):.2f}" if volume.active else ""
    rows = [_lv_row(name, f"rwi-{use}-r---", volume.extents, uuid=volume.uuid, percent=percent)]
    devices = ",".join(f"{name}_rimage_{number}(0)" for number in range(len(images)))
    segments = [_seg_row(name, "raid1", 0, volume.extents, devices)]
    for number, image in enumerate(images):
        hidden = f"[{name}_rimage_{number}]"
        mark = "i" if number < volume.filled or volume.filling_since is None else "I"
        rows.append(_lv_row(hidden, f"{mark}wi-{use}or---", volume.extents))
        segments += _seg_rows(hidden, image, volume, move)
    for number, disk in enumerate(volume.notes):
        hidden = f"[{name}_rmeta_{number}]"
        rows.append(_lv_row(hidden, f"ewi-{use}or---", 1))
        segments += _seg_rows(hidden, [(disk, 1)], volume, move)
    return rows, segments


def _seg_rows(name: str, image: Segments, volume: LogicalVolume, move: str | None) -> Iterator[Row]:
    start = 0
    for disk, extents in image:
        moves = move if volume.move and volume.move.source == disk else None
        yield _seg_row(name, "linear", start, extents, f"{moves or disk}(0)")
        start += extents


def _lv_row(
    name: str, attr: str, extents: int, *, uuid: str = "", percent: str = "", source: str = ""
) -> Row:
    return {
        "lv_name": name,
        "lv_attr": attr,
        "lv_uuid": uuid,
        "lv_size": str(extents * EXTENT),
        "copy_percent": percent,
        "move_pv": source,
        "lv_health_status": "",
    }


def _seg_row(name: str, kind: str, start: int, extents: int, devices: str) -> Row:
    return {
        "lv_name": name,
        "segtype": kind,
        "seg_start_pe": str(start),
        "seg_size_pe": str(extents),
        "devices": devices,
    }
