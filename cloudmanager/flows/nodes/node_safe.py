"""The protective mode of a node that is cut off: `enable-nodesafe` installs and starts the watchdog.

Parameters: `node_id`. The watchdog is the program of `deploy/node-safe`; its peers are those of
`[node_actions]`, its storages the node's availability storages. It is started only after a trial run has
reached at least one of each: with a wrong address it would not protect anything.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from cloudmanager.flows.base import Done, Fail, Flow, Outcome
from cloudmanager.flows.nodes.asking import QUEUE, kept_file, run_on_node, unit
from cloudmanager.flows.nodes.switch import NODESAFE, Switch
from cloudmanager.models import AvailabilityStorage, NodeAvailabilityStorage

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from cloudmanager.flows.run import Run

SHIPPED: Final = Path(__file__).parents[3] / "deploy" / "node-safe"
_PROGRAM, _UNIT = "cloudmanager-nodesafe", "cloudmanager-nodesafe.service"
_ON = Switch(NODESAFE, on=True)


def storages_of(session: Session, node_id: int) -> list[str]:
    """Where the node sees its availability storages."""
    query = (
        select(AvailabilityStorage.compute_path)
        .join(
            NodeAvailabilityStorage,
            NodeAvailabilityStorage.availability_storage_id == AvailabilityStorage.id,
        )
        .where(NodeAvailabilityStorage.node_id == node_id)
        .order_by(AvailabilityStorage.id)
    )
    return list(session.scalars(query))


async def look(run: Run) -> Outcome:
    """What the watchdog is to look at, and what it is now."""
    options = run.ports.config.node_actions
    storages = await run.read(lambda session: storages_of(session, run.params["node_id"]))
    if not storages or not options.nodesafe_peers:
        return Fail(
            "the watchdog needs [node_actions] nodesafe_peers and an availability storage of the node"
        )
    words = [f"--peer {peer}" for peer in options.nodesafe_peers]
    words += [f"--storage {path}" for path in storages]
    wanted = f"OPTIONS={shlex.quote(' '.join([*words, f'--after {options.nodesafe_after:g}']))}\n"
    if any(any(each.isspace() or each in "'\"\\$`" for each in path) for path in storages):
        return Fail("the watchdog takes no path of a storage with blanks or quotes in it")
    found = await unit(run, "nodesafe-state")
    run.memo["wanted"] = wanted
    run.memo["runs"] = found.runs
    run.memo["found"] = {"enabled": found.enabled, "runs": found.runs}
    return Done(f"the watchdog is {found.active}")


async def install(run: Run) -> Outcome:
    """The program, its unit and its options, whatever of them is there."""
    before = await kept_file(run, "nodesafe-options")
    run.memo["restart"] = run.memo.get("restart", False) or before != run.memo["wanted"]
    await run_on_node(run, "nodesafe-program-write", data=(SHIPPED / _PROGRAM).read_bytes())
    await run_on_node(run, "nodesafe-unit-write", data=(SHIPPED / _UNIT).read_bytes())
    await run_on_node(run, "nodesafe-options-write", data=run.memo["wanted"].encode())
    await run_on_node(run, "units-reload")
    return Done("the watchdog is installed")


async def try_out(run: Run) -> Outcome:
    """A single look, which stops nothing: what answers."""
    said = (await run_on_node(run, "nodesafe-look")).out
    alive = said.strip().splitlines()[-1:] or [""]
    for kind in ("peer", "storage"):
        if f"{kind} " not in alive[0]:
            return Fail(f"no {kind} answers the watchdog on the node ({alive[0][:200]}): it is not started")
    return Done(alive[0])


async def switch(run: Run) -> Outcome:
    """Start it, now and with the node; one that runs begins anew with other options."""
    run.memo["done"] = False
    await run_on_node(run, "nodesafe-enable")
    if run.memo["runs"] and run.memo["restart"]:
        await run_on_node(run, "nodesafe-restart")
    return Done("asked systemd to enable the watchdog")


async def restore(run: Run) -> Outcome:
    """One that was not enabled is not left so."""
    if "done" not in run.memo:
        return Done()
    return await _ON.restore(run)


ENABLE_NODESAFE = Flow(
    kind="enable-nodesafe",
    summary="Have a node stop its servers when it is cut off",
    queue=QUEUE,
    steps=(look, install, try_out, switch, _ON.confirm),
    undo=(restore,),
    no_return=switch,
)
