"""Volume groups that several nodes share over lvmlockd and sanlock, as one of these nodes sees them.

They stand under `GROUPS` in the state of a node: {group: {volume: {"uuid", "active", "held", "elsewhere"}}}.
For all other groups LVM and sanlock are those of the storage host.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.node_os import lvm, sanlock
from cloudmanager.simulators.ssh.answer import Answer, Failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.simulators.node_os.system import System

GROUPS = "shared groups"
JOIN_SECONDS = 2.0  # that sanlock takes; real ones take twenty and more
_FAILED = 5


def share(system: System, group: str, volume: str, uuid: str, *, held: bool, elsewhere: bool = False) -> None:
    """Let a node see a volume of a shared group; `elsewhere`: another host has its lock."""
    row = {"uuid": uuid, "active": held, "held": held, "elsewhere": elsewhere}
    system.part(GROUPS, {}).setdefault(group, {})[volume] = row
    system.changed()


def lvs(system: System, _words: Sequence[str], _stdin: bytes) -> str:
    """`lvs --reportformat json --options vg_name,vg_lock_type,lv_name,lv_uuid,lv_active`."""
    rows = [
        {
            "vg_name": group,
            "vg_lock_type": "sanlock",
            "lv_name": name,
            "lv_uuid": row["uuid"],
            "lv_active": "active" if row["active"] else "",
        }
        for group, volumes in _groups(system).items()
        for name, row in volumes.items()
    ]
    return json.dumps({"report": [{"lv": rows}]}, indent=4) + "\n"


def vgchange(system: System, words: Sequence[str], _stdin: bytes) -> str:
    """`vgchange --lock-start --lock-opt nowait GROUP`: sanlock has joined a moment later."""
    match words:
        case ["--lock-start", "--lock-opt", "nowait", group] if group in _groups(system):
            joined = system.volatile("lockspaces", {})
            joined.setdefault(group, system.world.clock.now() + JOIN_SECONDS)
            system.changed()
            return f"  VG {group} starting sanlock lockspace\n"
    raise Failed(f'  Volume group "{words[-1] if words else ""}" not found', _FAILED)


def lvchange(system: System, words: Sequence[str], stdin: bytes) -> Answer:
    """`lvchange --activate ey GROUP/VOLUME` takes the lock."""
    group, _, name = (words[-1] if words else "").partition("/")
    if group not in _groups(system):
        return lvm.lvchange(system, words, stdin)
    if name not in _groups(system)[group]:
        raise Failed(f'  Failed to find logical volume "{group}/{name}"', _FAILED)
    row = _groups(system)[group][name]
    if row["elsewhere"]:
        raise Failed(f"  LV locked by other host: {group}/{name}\n  Failed to lock logical volume.", _FAILED)
    row["active"] = row["held"] = "ey" in words
    system.changed()
    return Answer()


def sanlock_status(system: System, words: Sequence[str], stdin: bytes) -> str:
    """`sanlock client status`; other words are for the storage host."""
    if list(words) != ["client", "status"]:
        return sanlock.sanlock(system, words, stdin)
    lines = ["daemon 9d8f1c06-6a4b-4b0c-8a0e-0c1f8d8f6a11.demo\n", "p -1 helper\n", "p -1 listener\n"]
    for group, volumes in _groups(system).items():
        area = f"/dev/mapper/{group.replace('-', '--')}-lvmlock"
        joined_at = system.volatile("lockspaces", {}).get(group)
        if joined_at is None:
            continue
        joins = " ADD" if system.world.clock.now() < joined_at else ""
        lines.append(f"s lvm_{group}:1:{area}:0{joins}\n")
        lines += [
            f"r lvm_{group}:{row['uuid']}:{area}:{(65 + place) << 20}:1 p 4172\n"
            for place, row in enumerate(volumes.values())
            if row["held"]
        ]
    return "".join(lines)


def _groups(system: System) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = system.part(GROUPS, {})
    return found
