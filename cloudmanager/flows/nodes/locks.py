"""Locks of volumes that servers of a node use, taken again where they are lost: `repair-locks`.

Parameters: `node_id`, `host` (its name in Nova). Only volumes of shared groups have locks (lvmlockd,
sanlock). A lock that another host holds is never taken from it. Result:
`{"held": […], "repaired": […], "failed": {…}}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.errors import CommandFailed
from cloudmanager.flows.base import Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.nodes.asking import LOOK_EVERY, QUEUE, run_on_node
from cloudmanager.host.volume_locks import SharedVolume, read_held, read_joined, read_volumes

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run

_PER_STEP = 1
"""Locks that one step takes: each may have to wait for a disk."""

_JOINS_WITHIN = 120.0
"""Seconds until a lockspace has to be joined."""


async def look(run: Run) -> Outcome:
    """Which volumes the servers use, and which of them have locks."""
    names = await _names(run)
    run.result = {"held": [], "repaired": [], "failed": {}}
    if not names:
        run.memo |= {"groups": [], "left": []}
        return Done("no server on the node has a volume")
    seen = await _locked(run, names)
    run.memo["groups"] = sorted({each.group for each in seen})
    run.memo["left"] = []
    return Done(f"{len(seen)} of {len(names)} volumes that servers use have locks on the node")


async def join(run: Run) -> Outcome:
    """Begin to join the lockspaces of their groups; harmless where the node has."""
    for group in run.memo["groups"]:
        await run_on_node(run, "lock-start", group=group)
    return Done()


async def see_what_is_lost(run: Run) -> Outcome:
    """Watch until the lockspaces are joined, then see which locks are not held."""
    if not run.memo["groups"]:
        return Done()
    since = run.memo.setdefault("joining_since", run.now())
    missing = set(run.memo["groups"]) - read_joined((await run_on_node(run, "sanlock-status")).out)
    if missing and run.now() - since < _JOINS_WITHIN:
        return Wait(LOOK_EVERY, f"{len(missing)} lockspaces are not joined yet")
    if missing:
        return Fail(
            f"the node does not join the lockspace of {', '.join(sorted(missing))}: see lvmlockd there"
        )
    states = {_name(each): is_held for each, is_held in await _used(run)}
    run.memo["left"] = [name for name, is_held in states.items() if not is_held]
    run.result["held"] = [name for name, is_held in states.items() if is_held]
    return Done(f"{len(run.memo['left'])} locks are lost")


async def take(run: Run) -> Outcome:
    """Take some, and come again while there are more; one that others hold never stops the rest."""
    left: list[str] = run.memo["left"]
    for each in left[:_PER_STEP]:
        group, _, volume = each.partition("/")
        try:
            await run_on_node(run, "lvm-activate", group=group, volume=volume)
        except CommandFailed as problem:
            run.result["failed"][each] = problem.message
        else:
            run.result["repaired"] = sorted({*run.result["repaired"], each})
    run.memo["left"] = left[_PER_STEP:]
    if run.memo["left"]:
        return Wait(0.0, f"{len(run.memo['left'])} locks are left")
    return Done()


async def confirm(run: Run) -> Outcome:
    """See that they are held now."""
    if run.result["repaired"]:
        for each, is_held in await _used(run):
            if _name(each) in run.result["repaired"] and not is_held:
                run.result["repaired"].remove(_name(each))
                run.result["failed"][_name(each)] = "the volume is active, but sanlock shows no lock of it"
    failed: dict[str, str] = run.result["failed"]
    for volume, why in failed.items():
        run.event(volume, "failed", why)
    if failed:
        return Fail(f"{len(failed)} locks are not held: {next(iter(failed.values()))}")
    return Done(f"{len(run.result['repaired'])} locks taken again, {len(run.result['held'])} were held")


async def _used(run: Run) -> list[tuple[SharedVolume, bool]]:
    """The volumes with locks that servers use, and whether the node holds them, as they are now."""
    seen = await _locked(run, await _names(run))
    held = read_held((await run_on_node(run, "sanlock-status")).out)
    return [(each, each.active and (each.group, each.uuid) in held) for each in seen]


async def _names(run: Run) -> set[str]:
    """How Cinder calls the logical volumes that servers of the node use."""
    servers = await run.ports.cloud.servers_on(run.params["host"])
    return {f"volume-{volume.id}" for server in servers for volume in server.volumes}


async def _locked(run: Run, names: set[str]) -> list[SharedVolume]:
    """Those of them that the node sees in shared groups."""
    volumes = read_volumes((await run_on_node(run, "shared-volumes")).out)
    return [each for each in volumes if each.locked and each.name in names]


def _name(volume: SharedVolume) -> str:
    return f"{volume.group}/{volume.name}"


REPAIR_LOCKS = Flow(
    kind="repair-locks",
    summary="Take the locks of volumes that servers of a node use, where they are lost",
    queue=QUEUE,
    steps=(look, join, see_what_is_lost, take, confirm),
)
