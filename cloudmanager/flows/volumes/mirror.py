"""`mirror-volume`: keep so many copies of a volume besides the first, each on disks of its own.

Parameters: those of `logical`, and `mirror_count`; 0 ends mirroring. LVM makes the copies at once and fills
them afterwards. What is not filled yet can be taken back: a cancel leaves as many copies as there were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.flows.base import Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.volumes.logical import (
    QUEUE,
    command,
    find,
    names,
    show_progress,
    stop_using,
    why_locked,
)
from cloudmanager.flows.volumes.plan import VolumePlan, plan_of
from cloudmanager.host.lvm import gibibytes
from cloudmanager.volumes.rules import why_not_mirror

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run
    from cloudmanager.host.lvm import LogicalVolume, VolumeGroup

_FILLED = 100.0


async def look_at_copies(run: Run) -> Outcome:
    """Remember what there is; wait for what LVM does with the volume already."""
    found = await find(run)
    volume, wanted = found.volume, run.params["mirror_count"]
    if why := await why_locked(run, found):
        return Fail(why)
    if why := _busy(volume, wanted):
        return Wait(run.ports.config.volumes.poll_interval, why)
    if why := why_not_mirror(found.group, volume, wanted):
        return Fail(why)
    run.memo["copies"], run.memo["active"] = len(volume.images) - 1, volume.active
    return Done(f"{_has(volume)}, on {', '.join(volume.disks)}")


async def use_it_here(run: Run) -> Outcome:
    """LVM mirrors active volumes only; in a shared group that takes the volume's lock."""
    if run.memo["active"]:
        return Done()
    await command(run, "lvm-activate", **names(run))
    return Done("activated on the storage node")


async def change_copies(run: Run) -> Outcome:
    """Make the copies, or drop them; asking LVM twice is harmless."""
    before, wanted = run.memo["copies"], run.params["mirror_count"]
    if before == wanted:
        return Done()
    kind = "lvm-mirror" if wanted > before else "lvm-mirror-fewer"
    await command(run, kind, copies=str(wanted), **names(run))
    return Done(f"LVM keeps {wanted} copies besides the first")


async def watch_them_fill(run: Run) -> Outcome:
    """Wait until all copies are the same."""
    volume = (await find(run)).volume
    if len(volume.images) != run.params["mirror_count"] + 1:
        return Fail(f"{_has(volume)}: somebody else has changed it")
    if volume.health:
        return Fail(f"LVM calls {volume.name} {volume.health}: look after its physical volumes")
    percent = _percent(volume)
    show_progress(run, percent, volume.extents * len(volume.images))
    if not volume.synchronised:
        pause = run.ports.config.volumes.poll_interval
        return Wait(pause, f"the copies of {volume.name} are filled: {percent:.0f} %")
    run.result = {**run.result, "mirror_count": len(volume.images), "disks": list(volume.disks)}
    return Done(f"{volume.name} lies on {', '.join(volume.disks)}")


async def take_copies_back(run: Run) -> Outcome:
    """Drop the copies that this flow has made, the last first; LVM protects what they are filled from."""
    if "copies" not in run.memo:
        return Done()
    volume = (await find(run)).volume
    copies, before = len(volume.images) - 1, run.memo["copies"]
    if copies <= before:
        lost = f"; there were {before}" if copies < before else ""
        return Done(f"{_has(volume)}{lost}")
    last = volume.images[-1][0].disk
    await command(run, "lvm-mirror-without", copies=str(copies - 1), disk=last, **names(run))
    return Wait(0.0, f"took back the copy on {last}")


def plan_to_mirror(group: VolumeGroup, volume: LogicalVolume, wanted: int) -> VolumePlan:
    """What the flow would do."""
    if why := why_not_mirror(group, volume, wanted):
        return VolumePlan(reason=why)
    more, acts = wanted + 1 - len(volume.images), []
    if more:
        size = gibibytes(volume.size)
        made = f"make {_copies(more)} of {size} where no other copy lies"
        acts.append(made if more > 0 else f"drop {_copies(-more)}")
    if wanted and (more > 0 or not volume.synchronised):
        acts.append("watch until all copies are the same")
    if volume.active and not acts:
        return VolumePlan(reason=f"{_has(volume)} already")
    return plan_of(volume, _busy(volume, wanted), acts, activated=True)


def _busy(volume: LogicalVolume, wanted: int) -> str | None:
    """What LVM has to end first; None when the way is free."""
    if volume.move is not None:
        return f"{volume.name} is being moved off {volume.move.source}"
    if volume.active and not volume.synchronised and len(volume.images) != wanted + 1:
        return f"the copies of {volume.name} are being filled: {_percent(volume):.0f} %"
    return None


def _percent(volume: LogicalVolume) -> float:
    return _FILLED if volume.synchronised else volume.percent or 0.0


def _has(volume: LogicalVolume) -> str:
    return f"{volume.name} has {_copies(len(volume.images) - 1)} besides the first"


def _copies(count: int) -> str:
    return f"{count or 'no'} {'copy' if count == 1 else 'copies'}"


MIRROR_VOLUME = Flow(
    kind="mirror-volume",
    summary="Keep so many copies of a volume besides the first, each on disks of its own",
    queue=QUEUE,
    steps=(look_at_copies, use_it_here, change_copies, watch_them_fill, stop_using),
    undo=(take_copies_back, stop_using),
)
