"""Bringing all packages of a node up to date: `update-system`.

Parameters: `node_id`. The update runs in a unit of its own, named after the task, and goes on when we are cut
off; that unit is the witness that it was begun. Result: the end of what it said, how many packages it has
touched, whether the node wants to be restarted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.errors import HostUnreachable
from cloudmanager.flows.base import Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.nodes.asking import QUEUE, run_on_node
from cloudmanager.host.packages import read_changes
from cloudmanager.host.systemd import Unit, read_unit

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run

_LOOK_EVERY = 5.0
_LOOK_AGAIN = 15.0
"""Seconds until a node is asked again that gave no answer: its network may be one of the packages."""


async def look(run: Run) -> Outcome:
    """Since when the node runs."""
    run.memo["boot_id"] = await _boot_id(run)
    return Done()


async def start(run: Run) -> Outcome:
    """Begin it, once: systemd on the node forgets the unit only when the node starts anew."""
    if run.attempt > 1 and (await _state(run)).installed:
        return Done("the update has begun")
    if run.attempt > 1 and await _boot_id(run) != run.memo["boot_id"]:
        return Fail(
            "the node was restarted when the update may have begun: look what state its packages are in"
        )
    await run_on_node(run, "update-start", id=run.id)
    return Done("the update has begun")


async def watch(run: Run) -> Outcome:
    """Until it has ended, however often the node falls silent meanwhile."""
    since = run.memo.setdefault("watching_since", run.now())
    limit = run.ports.config.node_actions.update_timeout
    in_time = run.now() - since < limit
    try:
        found = await _state(run)
        if not found.installed:
            return Fail(await _lost(run))
        if found.active == "active" and found.sub == "running":
            late = f"the update still runs after {limit:g} s; it is not ended: see {_unit_of(run)}"
            return Wait(_LOOK_EVERY, "packages are being updated") if in_time else Fail(late)
        return await _conclude(run, found)
    except HostUnreachable as problem:
        late = f"{problem.message}; what came of the update is not known: see {_unit_of(run)}"
        silent = Wait(_LOOK_AGAIN, f"{problem.message}; the update goes on without us")
        return silent if in_time else Fail(late)


async def forget(run: Run) -> Outcome:
    """Let systemd forget the unit; the log stays on the node."""
    await run_on_node(run, "update-forget", id=run.id)
    return Done()


async def _conclude(run: Run, found: Unit) -> Outcome:
    log = await run_on_node(run, "update-log", id=run.id)
    needs_restart = (await run_on_node(run, "restart-needed")).status == 1
    status = found.status or int(found.active == "failed")
    run.result = {
        "status": status,
        "output": log.out,
        "packages": read_changes(log.out),
        "restart_needed": needs_restart,
    }
    if status:
        last = log.out.strip().splitlines()[-1:]
        return Fail(f"the update failed with status {status}: {' '.join(last)[:200]}")
    return Done(_in_words(run))


async def _lost(run: Run) -> str:
    """Why there is no such unit any more."""
    if await _boot_id(run) != run.memo["boot_id"]:
        return "the node was restarted while its packages were being updated: look what state they are in"
    return f"systemd on the node has forgotten {_unit_of(run)}: somebody has ended it"


async def _boot_id(run: Run) -> str:
    return (await run_on_node(run, "boot-id")).out.strip()


async def _state(run: Run) -> Unit:
    return read_unit((await run_on_node(run, "update-state", id=run.id)).out)


def _unit_of(run: Run) -> str:
    return f"cloudmanager-update-{run.id}.service"


def _in_words(run: Run) -> str:
    packages = run.result["packages"]
    counted = "all packages are up to date"
    if packages is not None:
        counted = ", ".join(f"{number} {what}" for what, number in packages.items())
    return f"{counted}{'; the node wants to be restarted' if run.result['restart_needed'] else ''}"


UPDATE_SYSTEM = Flow(
    kind="update-system",
    summary="Bring all packages of a node up to date",
    queue=QUEUE,
    steps=(look, start, watch, forget),
    no_return=start,
)
