"""`activate-signing` and `deactivate-signing`: beginning and ending to guard the servers of a node."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from cloudmanager.errors import NotFound
from cloudmanager.flows.base import Done, Flow, Outcome, Wait
from cloudmanager.flows.maintenance.schedule import moment_of
from cloudmanager.flows.sign import rows
from cloudmanager.flows.sign.locks import QUEUE, is_ours, reason_for, watch_subject
from cloudmanager.models import FlowRow, GuardedNode, Signature, Validity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.flows.run import Run
    from cloudmanager.openstack.records import Server

VERIFY = "verify-signatures"
NOT_RECALCULATED = "it was there before its node was guarded: recalculate it"

_AT_ONCE = 10
"""Servers that one step locks or unlocks."""


# --- beginning ---------------------------------------------------------------------------------------------


async def see_servers(run: Run) -> Outcome:
    """Remember which servers there are, and which of them have to be locked."""
    node_id, servers = run.params["node_id"], await run.ports.cloud.servers_on(run.params["host"])
    run.memo["servers"] = {server.id: server.instance_name for server in servers}
    run.memo["to_lock"] = [server.id for server in servers if to_be_locked(server, node_id)]
    run.memo["locked"] = [server.id for server in servers if is_ours(server, node_id)]
    run.result = {"node_id": node_id, "servers": [told(server, node_id) for server in servers]}
    return Done(f"{len(servers)} servers on {run.params['host']}, {len(run.memo['to_lock'])} to be locked")


async def lock_servers(run: Run) -> Outcome:
    """Lock those that were not; one that has gone meanwhile needs no lock."""
    node_id = run.params["node_id"]
    for server_id in run.memo["to_lock"][:_AT_ONCE]:
        with suppress(NotFound):
            await run.ports.cloud.lock(server_id, reason_for(node_id))
            run.memo["locked"].append(server_id)
    del run.memo["to_lock"][:_AT_ONCE]
    if run.memo["to_lock"]:
        return Wait(0.0, "locking servers")
    return Done(f"{len(run.memo['locked'])} servers are locked")


async def begin_to_guard(run: Run) -> Outcome:
    """From now on the servers are verified; what was there before is unknown until it is recalculated."""
    node_id, now = run.params["node_id"], moment_of(int(run.now()))
    known = await run.read(lambda session: _by_server(session, list(run.memo["servers"])))
    for server_id, instance_name in run.memo["servers"].items():
        values = {
            "node_id": node_id,
            "instance_name": instance_name,
            "is_valid": Validity.UNKNOWN.value,
            "reason": NOT_RECALCULATED,
            "baseline": None,
            "locked_for": node_id if server_id in run.memo["locked"] else None,
        }
        if server_id in known:
            rows.change(run, known[server_id], **values)
        else:
            rows.add(run, server_id, created_at=now, **values)
    run.write(_guard, {"node_id": node_id, "host": run.params["host"], "activated_by": run.requested_by})
    run.leave_behind(VERIFY, watch_subject(node_id), {"node_id": node_id, "host": run.params["host"]})
    return Done(f"{len(run.memo['servers'])} servers of {run.params['host']} are guarded")


async def unlock_again(run: Run) -> Outcome:
    """Undo: unlock those that were locked for this, also where the answer was never heard."""
    left = run.memo.setdefault("to_unlock", list(run.memo.get("servers", ())))
    for server_id in left[:_AT_ONCE]:
        await _unlock(run, server_id, run.params["node_id"])
    del left[:_AT_ONCE]
    return Wait(0.0, "unlocking servers") if left else Done()


def to_be_locked(server: Server, node_id: int) -> bool:
    """Whether guarding the node has to lock it; a lock that somebody else has put there stays his."""
    return not server.locked and not is_ours(server, node_id)


def told(server: Server, node_id: int) -> dict[str, Any]:
    """A server in the plan and in the result of the task."""
    if to_be_locked(server, node_id):
        lock = "ours"
    else:
        lock = "ours already" if is_ours(server, node_id) else "somebody else's"
    return {"server_id": server.id, "name": server.name, "status": server.status, "lock": lock}


def _by_server(session: Session, ids: Sequence[str]) -> dict[str, Signature]:
    query = select(Signature).where(Signature.server_id.in_(ids))
    return {row.server_id: row for row in session.scalars(query)}


def _guard(session: Session, nodes: Sequence[dict[str, Any]]) -> None:
    session.execute(insert(GuardedNode), list(nodes))


# --- ending ------------------------------------------------------------------------------------------------


async def end_guarding(run: Run) -> Outcome:
    """Nothing is verified from now on; the task that did it is asked to stop."""
    run.write(_end, run.params["node_id"])
    return Done("no longer guarded")


async def await_watch(run: Run) -> Outcome:
    """Wait until nobody verifies any more, so that nothing is locked behind our back."""
    if await run.holders([watch_subject(run.params["node_id"])]):
        return Wait(1.0, "waiting for the verification to stop")
    return Done()


async def see_our_locks(run: Run) -> Outcome:
    """Remember which servers have our lock, wherever they are now."""
    node_id, host = run.params["node_id"], run.params["host"]
    candidates = set(await run.read(lambda session: _locked_for(session, node_id)))
    if host is not None:
        candidates |= {server.id for server in await run.ports.cloud.servers_on(host)}
    run.memo["to_unlock"] = sorted(candidates)
    return Done()


async def unlock_ours(run: Run) -> Outcome:
    """Unlock those that have it, and nothing else."""
    node_id, left = run.params["node_id"], run.memo["to_unlock"]
    for server_id in left[:_AT_ONCE]:
        unlocked = await _unlock(run, server_id, node_id)
        if unlocked:
            run.event(server_id, "unlocked", "our lock is gone")
        run.memo["unlocked"] = run.memo.get("unlocked", 0) + unlocked
        row = await rows.of_server(run, server_id)
        if row is not None and row.locked_for == node_id:
            await _forget_lock(run, row)
    del left[:_AT_ONCE]
    return Wait(0.0, "unlocking servers") if left else Done(f"{run.memo.get('unlocked', 0)} servers unlocked")


async def _unlock(run: Run, server_id: str, node_id: int) -> bool:
    try:
        server = await run.ports.cloud.server(server_id)
        if not is_ours(server, node_id):
            return False
        await run.ports.cloud.unlock(server_id)
    except NotFound:
        return False
    return True


async def _forget_lock(run: Run, row: Signature) -> None:
    """A record that others have changed is not signed anew for this."""
    if await rows.is_ours(run, row):
        rows.change(run, row, locked_for=None)


def _locked_for(session: Session, node_id: int) -> Sequence[str]:
    return session.scalars(select(Signature.server_id).where(Signature.locked_for == node_id)).all()


def _end(session: Session, nodes: Sequence[int]) -> None:
    session.execute(delete(GuardedNode).where(GuardedNode.node_id.in_(nodes)))
    watching = FlowRow.subject.in_([watch_subject(node_id) for node_id in nodes])
    open_ones = update(FlowRow).where(watching, FlowRow.ended_at.is_(None))
    session.execute(open_ones.values(cancel_requested=True, wake_at=0.0))


ACTIVATE_SIGNING = Flow(
    kind="activate-signing",
    summary="Lock the servers of a node and verify them from now on",
    queue=QUEUE,
    steps=(see_servers, lock_servers, begin_to_guard),
    undo=(unlock_again,),
)

DEACTIVATE_SIGNING = Flow(
    kind="deactivate-signing",
    summary="Verify the servers of a node no longer, and unlock those that were locked for it",
    queue=QUEUE,
    steps=(end_guarding, await_watch, see_our_locks, unlock_ours),
)
