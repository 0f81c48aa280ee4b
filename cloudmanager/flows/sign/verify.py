"""`verify-signatures`: stays open as long as a node is guarded, and verifies its servers in rounds.

Each run of its one step does one thing and saves it: begin a round, look at a few servers, or act on one.
What is to be done is remembered first and looked at again before it is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cloudmanager.errors import NotFound
from cloudmanager.flows.base import Done, Flow, Outcome, Wait
from cloudmanager.flows.hosts.survey import find_node
from cloudmanager.flows.maintenance.schedule import moment_of
from cloudmanager.flows.sign import rows, verdict
from cloudmanager.flows.sign.activate import VERIFY, to_be_locked
from cloudmanager.flows.sign.containment import act_on_next
from cloudmanager.flows.sign.locks import QUEUE
from cloudmanager.flows.sign.verdict import Verdict
from cloudmanager.models import Signature, Validity
from cloudmanager.sign.measure import Node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.flows.run import Run
    from cloudmanager.openstack.records import Server

_AT_ONCE = 20
"""Changes after which a step saves them."""

_LONG_ENOUGH = 1.0
"""Seconds after which a step looks at no other server, so that it ends within a lease."""


async def verify(run: Run) -> Outcome:
    """Go on with what comes next."""
    node_id, memo = run.params["node_id"], run.memo
    if await rows.guarded(run, node_id) is None:
        return Done(f"node {node_id} is not guarded any more")
    guarding = f"the servers of {run.params['host']} are guarded"
    if memo.get("left"):
        await _look_at_some(run)
        return Wait(0.0, guarding)
    if memo.get("acts"):
        return Wait(await act_on_next(run), guarding)
    if memo.pop("in_round", False):
        rows.checked(run, node_id, moment_of(int(run.now())))
        run.result = await run.read(lambda session: _summary(session, node_id))
    pause = memo.get("began", 0.0) + run.ports.config.sign.verify_interval - run.now()
    if pause > 0:
        return Wait(pause, guarding)
    await _begin_round(run)
    return Wait(0.0, guarding)


async def _begin_round(run: Run) -> None:
    """Remember whom to look at: the servers that are here, and those that were."""
    node_id = run.params["node_id"]
    here = await run.ports.cloud.servers_on(run.params["host"])
    known = await run.read(lambda session: _known(session, node_id))
    run.memo["left"] = sorted({server.id for server in here} | set(known))
    run.memo["acts"] = [{"do": "lock", "server_id": each.id} for each in here if to_be_locked(each, node_id)]
    run.memo |= {"in_round": True, "silent": None, "began": run.now()}


async def _look_at_some(run: Run) -> None:
    left, began = run.memo["left"], run.now()
    node = _node(run, run.params["node_id"], run.memo["silent"])
    while left and run.now() - began < _LONG_ENOUGH:
        server_id = left[0]
        row = await rows.of_server(run, server_id)
        try:
            await _look_at(run, await run.ports.cloud.server(server_id), row, node)
        except NotFound:
            if row is not None:
                rows.remove(run, row)
                run.event(f"server:{server_id}", "gone", "the cloud knows it no more: its record is deleted")
        left.pop(0)
        if len(run.writes) >= _AT_ONCE:
            break
    run.memo["silent"] = node.silent


async def _look_at(run: Run, server: Server, row: Signature | None, node: Node) -> None:
    here, host = run.params["node_id"], run.params["host"]
    if row is None:
        if server.host == host:
            _add(run, server)
    elif server.host == host and row.node_id == here:
        _remember(run, server, await verdict.judge(run, server, row, node))
    elif server.host == host:
        await verdict.follow(run, server, row, here, node)
    elif server.host is not None and row.node_id == here:
        there = await find_node(run, server.host)
        if there is None:
            verdict.lost(run, row, f"it is on {server.host}, which is no node of the inventory")
        else:
            await verdict.follow(run, server, row, there, _node(run, there))


def _add(run: Run, server: Server) -> None:
    """A record of a server that came since the node is guarded."""
    values = {
        "node_id": run.params["node_id"],
        "instance_name": server.instance_name,
        "is_valid": Validity.UNKNOWN.value,
        "reason": verdict.NEVER_SIGNED,
        "created_at": moment_of(int(run.now())),
    }
    rows.add(run, server.id, **values)


def _remember(run: Run, server: Server, what: Verdict) -> None:
    acts = run.memo["acts"]
    if what is Verdict.STOP and run.ports.config.sign.stop_violated:
        acts.append({"do": "stop", "server_id": server.id})
    if what is Verdict.CORDON and not any(each["do"] == "cordon" for each in acts):
        acts.append({"do": "cordon", "server_id": server.id})


def _node(run: Run, node_id: int, silent: str | None = None) -> Node:
    return Node(run.ports.host, node_id, with_nvram=run.ports.config.sign.verify_nvram, silent=silent)


def _known(session: Session, node_id: int) -> Sequence[str]:
    return session.scalars(select(Signature.server_id).where(Signature.node_id == node_id)).all()


def _summary(session: Session, node_id: int) -> dict[str, Any]:
    """What the task answers while it goes on."""
    query = select(Signature.server_id, Signature.is_valid, Signature.reason)
    found = session.execute(query.where(Signature.node_id == node_id).order_by(Signature.server_id)).all()
    servers = [{"server_id": row.server_id, "is_valid": row.is_valid, "reason": row.reason} for row in found]
    return {"node_id": node_id, "servers": servers}


VERIFY_SIGNATURES = Flow(
    kind=VERIFY,
    summary="Verify the servers of a guarded node in rounds, and act on what is not as it was signed",
    queue=QUEUE,
    steps=(verify,),
)
