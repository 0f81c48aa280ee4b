"""sanlock of a simulated storage host: the lease area of a shared volume group, as sanlock 3.8.5 dumps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.ssh.answer import Failed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudmanager.simulators.node_os.system import System
    from cloudmanager.simulators.openstack.volumes.lvm import VolumeGroup

_LINE = "{:>8} {:>36} {:>48} {:>10} {:>4} {:>4} {}"
_AREA = 1 << 20
_HEADINGS = ("offset", "lockspace", "resource", "timestamp", "own", "gen", "lver")


def sanlock(system: System, words: Sequence[str], _stdin: bytes) -> str:
    """`sanlock direct dump /dev/mapper/GROUP-lvmlock`."""
    if list(words[:2]) != ["direct", "dump"] or len(words) != 3:  # noqa: PLR2004
        raise Failed("unknown action", 1)
    for group in system.cloud.volumes.groups.values() if system.cloud else ():
        area = f"/dev/mapper/{group.name.replace('-', '--')}-lvmlock"
        if group.host == system.node.name and group.lock_type == "sanlock" and words[2] == area:
            return "".join(f"{line.rstrip()}\n" for line in _dump(group))
    raise Failed(f"Device {words[2]} not found.", 1)


def _dump(group: VolumeGroup) -> Iterator[str]:
    space = f"lvm_{group.name}"
    hosts = sorted({group.host, *(host for holders in group.locks.values() for host in holders)})
    numbers = {host: number for number, host in enumerate(hosts, start=1)}
    yield _LINE.format(*_HEADINGS)
    for host, number in numbers.items():
        offset = f"{512 * (number - 1):08}"
        yield _LINE.format(offset, space, host, f"{31:010}", f"{number:04}", f"{1:04}", "")
    for place, (name, volume) in enumerate(sorted(group.logical.items()), start=65):
        holders = group.locks.get(name, [])
        alone = len(holders) == 1
        owner, timestamp = (numbers[holders[0]], 24 if alone else 0) if holders else (0, 0)
        resource = (volume.uuid, f"{timestamp:010}", f"{owner:04}", f"{min(owner, 1):04}", "1")
        yield _LINE.format(f"{place * _AREA:08}", space, *resource)
        for holder in () if alone else holders:
            yield f"{'':106}{numbers[holder]:04} {1:04} SH"
