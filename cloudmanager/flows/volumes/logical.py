"""The logical volume that a flow works on, as its storage node sees it now.

Parameters of all these flows: `volume_id`, and where it lies: `node_id`, `host` (the node's name), and by the
names of LVM `group` and `volume`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmanager.errors import NotFound
from cloudmanager.flows.base import Done, Outcome
from cloudmanager.volumes.backends import group_on, lock_on
from cloudmanager.volumes.rules import why_held

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run
    from cloudmanager.host.lvm import LogicalVolume, VolumeGroup

QUEUE = "volumes"


@dataclass(frozen=True)
class Found:
    """A volume group and the volume in it."""

    group: VolumeGroup
    volume: LogicalVolume


async def find(run: Run) -> Found:
    """The volume as it is now; `NotFound` when the group has no such volume any more."""
    group = await group_on(run.ports.host, run.params["node_id"], run.params["group"])
    name = run.params["volume"]
    if name not in group.volumes:
        raise NotFound(f"volume group {group.name} on {run.params['host']} has no logical volume {name}")
    return Found(group, group.volumes[name])


async def why_locked(run: Run, found: Found) -> str | None:
    """Why the locks of a shared group keep us away; None when they do not."""
    lock = await lock_on(run.ports.host, run.params["node_id"], found.group, found.volume)
    return why_held(lock, run.params["host"])


async def command(run: Run, name: str, **arguments: str) -> None:
    """Run a command on the storage node; raises what says that it failed."""
    await run.ports.host.run(run.params["node_id"], name, arguments)


def names(run: Run) -> dict[str, str]:
    """How LVM names the volume."""
    return {"group": run.params["group"], "volume": run.params["volume"]}


def show_progress(run: Run, percent: float, extents: int) -> None:
    """Let the task say how much is done, in extents."""
    run.result = {**(run.result or {}), "progress": {"done": int(extents * percent / 100), "total": extents}}


async def stop_using(run: Run) -> Outcome:
    """Deactivate the volume if it was not active before; Cinder may have begun to use it meanwhile."""
    if run.memo.get("active", True):
        return Done()
    found = await find(run)
    if not found.volume.active:
        return Done()
    if found.volume.open:
        return Done(f"{found.volume.name} is in use now, so it stays active")
    await command(run, "lvm-deactivate", **names(run))
    return Done(f"{found.volume.name} is inactive again, as it was")
