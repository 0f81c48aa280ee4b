"""`pv-migrate-volume`: move what a volume has on one physical volume to others, while it is used.

Parameters: those of `logical`, `source_pv` and perhaps `dest_pv`. LVM moves by itself once it is told to, and
knows of one move off each physical volume. A cancel ends the move: what was moved by then stays there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.flows.base import Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.volumes.logical import (
    QUEUE,
    command,
    find,
    show_progress,
    stop_using,
    why_locked,
)
from cloudmanager.flows.volumes.plan import VolumePlan, plan_of
from cloudmanager.host.lvm import gibibytes
from cloudmanager.volumes.rules import targets, why_not_move

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run
    from cloudmanager.host.lvm import LogicalVolume, Move, VolumeGroup


async def look_at_disks(run: Run) -> Outcome:
    """Remember how much lies there; a move of it that is under way is only watched."""
    found = await find(run)
    volume, source = found.volume, run.params["source_pv"]
    if why := await why_locked(run, found):
        return Fail(why)
    if why := _busy(found.group, volume, source):
        return Wait(run.ports.config.volumes.poll_interval, why)
    run.memo["extents"], run.memo["active"] = volume.extents_on(source), volume.active
    if _own_move(volume, source):
        return Done(f"{volume.name} is being moved off {source} already")
    if why := why_not_move(found.group, volume, source, run.params.get("dest_pv")):
        return Fail(why)
    return Done(f"{run.memo['extents']} extents of {volume.name} lie on {source}")


async def begin_to_move(run: Run) -> Outcome:
    """Tell LVM to move it, unless it does so already or has done it."""
    found = await find(run)
    volume, source = found.volume, run.params["source_pv"]
    if _own_move(volume, source) or not volume.extents_on(source):
        return Done()
    if why := _busy(found.group, volume, source):
        return Wait(run.ports.config.volumes.poll_interval, why)
    destination = {"destination": run.params["dest_pv"]} if run.params.get("dest_pv") else {}
    kind = "lvm-move-to" if destination else "lvm-move"
    await command(run, kind, volume=volume.name, source=source, **destination)
    return Done("LVM has begun")


async def watch_the_move(run: Run) -> Outcome:
    """Wait for its end. A move without progress may have lost its process: LVM is told to go on with it."""
    found = await find(run)
    volume, source, extents = found.volume, run.params["source_pv"], run.memo["extents"]
    if move := _own_move(volume, source):
        percent = move.percent or 0.0
        show_progress(run, percent, extents)
        await _push(run, percent)
        return Wait(run.ports.config.volumes.poll_interval, f"{percent:.0f} % moved off {source}")
    if left := volume.extents_on(source):
        return Fail(f"LVM has ended the move: {left} of {extents} extents are still on {source}")
    show_progress(run, 100.0, extents)
    run.result["disks"] = list(volume.disks)
    return Done(f"{volume.name} lies on {', '.join(volume.disks)}")


async def _push(run: Run, percent: float) -> None:
    now = run.now()
    seen, since = run.memo.get("seen", (None, now))
    if seen != percent:
        run.memo["seen"] = [percent, now]
    elif now - since >= run.ports.config.volumes.stalled_after:
        await command(run, "lvm-move-on")
        run.memo["seen"] = [percent, now]
        run.event(run.params["volume"], "wait", f"no progress at {percent:.0f} %: LVM was told to go on")


async def end_the_move(run: Run) -> Outcome:
    """Abort a move of ours that goes on, then say what lies where."""
    if "extents" not in run.memo:
        return Done()
    found = await find(run)
    volume, source, extents = found.volume, run.params["source_pv"], run.memo["extents"]
    if _own_move(volume, source):
        await command(run, "lvm-move-abort", source=source)
        return Wait(0.0, "LVM was told to end the move")
    left = volume.extents_on(source)
    if left == extents:
        return Done(f"all {extents} extents of {volume.name} are on {source}, as they were")
    return Done(
        f"{left} of {extents} extents are still on {source}; {volume.name} lies on {', '.join(volume.disks)}"
    )


def plan_to_move(
    group: VolumeGroup, volume: LogicalVolume, source: str, destination: str | None
) -> VolumePlan:
    """What the flow would do."""
    if move := _own_move(volume, source):
        under_way = f"watch the move off {source} that is under way, at {move.percent or 0.0:.0f} %"
        return plan_of(volume, None, [under_way], activated=False)
    if volume.move is None and (why := why_not_move(group, volume, source, destination)):
        return VolumePlan(reason=why)
    extents = volume.extents_on(source)
    size = gibibytes(extents * group.extent)
    what = f"{extents} extents ({size})" if volume.move is None else "what it has by then"
    names = ", ".join(targets(group, volume, source, destination))
    act = f"move {what} off {source} to {destination or f'what LVM chooses of {names}'}"
    return plan_of(volume, _busy(group, volume, source), [act], activated=False)


def _own_move(volume: LogicalVolume, source: str) -> Move | None:
    """The move of this volume off this physical volume, whoever has begun it."""
    move = volume.move
    return move if move is not None and move.source == source else None


def _busy(group: VolumeGroup, volume: LogicalVolume, source: str) -> str | None:
    """What LVM has to end first; None when the way is free."""
    if _own_move(volume, source):
        return None
    if volume.move is not None:
        return f"{volume.name} is being moved off {volume.move.source}"
    if any(move.source == source for move in group.moves):
        return f"something else is being moved off {source}"
    if volume.active and not volume.synchronised:
        return f"the copies of {volume.name} are being filled"
    return None


PV_MIGRATE_VOLUME = Flow(
    kind="pv-migrate-volume",
    summary="Move what a volume has on one physical volume to others, while it is used",
    queue=QUEUE,
    steps=(look_at_disks, begin_to_move, watch_the_move, stop_using),
    undo=(end_the_move, stop_using),
)
