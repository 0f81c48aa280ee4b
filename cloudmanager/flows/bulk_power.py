"""Switching many nodes: a flow for each below this one; one failure never fails the rest.

Parameters: `node_ids`, all others are those of the flow of each node. Result: `{"success": [ids], "failed":
[ids]}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cloudmanager.flows.base import Child, Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.power import QUEUE
from cloudmanager.flows.stagger import stagger
from cloudmanager.models import Node, NodeControl

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.flows.run import Run

_LOOK_EVERY = 0.25


async def _start_each(run: Run, kind: str) -> Outcome:
    """Start a flow for every node that no other task holds, spread over time."""
    node_ids: list[int] = run.params["node_ids"]
    domains = await run.read(lambda session: power_domains(session, node_ids, run.ports.config.power))
    delays = stagger([domains.get(node_id, {}) for node_id in node_ids])
    shared = {name: value for name, value in run.params.items() if name != "node_ids"}
    children = [
        Child(f"node:{node_id}", {"node_id": node_id, **shared}, delay)
        for node_id, delay in zip(node_ids, delays, strict=True)
    ]
    held = await run.start_children(kind, children)
    for subject, holder in held.items():
        run.event(subject, "refused", f"held by task {holder}")
    run.memo["held"] = sorted(int(subject.removeprefix("node:")) for subject in held)
    return Done(f"{len(children) - len(held)} nodes begun")


async def _await_each(run: Run, done: str) -> Outcome:
    """Wait for all of them, then name those that failed."""
    if left := await run.open_children():
        return Wait(_LOOK_EVERY, f"{left} nodes are being {done}")
    children = await run.children()
    failed = {child.params["node_id"]: child.error for child in children if not child.succeeded}
    for node_id, error in failed.items():
        run.event(f"node:{node_id}", "failed", error or "cancelled")
    succeeded = [child.params["node_id"] for child in children if child.succeeded]
    run.result = {"success": sorted(succeeded), "failed": sorted([*failed, *run.memo["held"]])}
    if not run.result["failed"]:
        return Done(f"{len(succeeded)} nodes {done}")
    names = ", ".join(await run.read(lambda session: _names(session, run.result["failed"])))
    total = len(run.params["node_ids"])
    return Fail(f"{len(run.result['failed'])} of {total} nodes not {done}: {names}")


def _names(session: Session, node_ids: Sequence[int]) -> list[str]:
    query = select(Node.id, Node.name).where(Node.id.in_(node_ids)).order_by(Node.id)
    return [name or f"node {node_id}" for node_id, name in session.execute(query)]


def power_domains(
    session: Session, node_ids: Sequence[int], options: Any
) -> dict[int, dict[Hashable, float]]:
    """{node: what it shares with others and how many starts a second that takes}.

    These are the fleet; its rack, where the inventory says which; and its default control: a relay board, an
    outlet strip, a host of virtual machines. A control of one node alone delays nothing.
    """
    query = (
        select(Node.id, Node.dtc_number, Node.row_number, Node.rack_number, NodeControl.power_control_id)
        .outerjoin(NodeControl, (NodeControl.node_id == Node.id) & NodeControl.is_default)
        .where(Node.id.in_(node_ids))
    )
    domains: dict[int, dict[Hashable, float]] = {}
    for node_id, *place, rack, control in session.execute(query):
        shared: dict[Hashable, float] = {"fleet": options.fleet_rate}
        if rack:
            shared["rack", *place, rack] = options.rack_rate
        if control:
            shared["control", control] = options.control_rate
        domains[node_id] = shared
    return domains


def _each(kind: str, summary: str, done: str) -> Flow:
    """The flow that starts one of `kind` for each node; `done` says of nodes what has become of them."""

    async def start_nodes(run: Run) -> Outcome:
        return await _start_each(run, kind)

    async def await_nodes(run: Run) -> Outcome:
        return await _await_each(run, done)

    return Flow(
        kind=f"{kind}-nodes",
        summary=summary,
        queue=QUEUE,
        steps=(start_nodes, await_nodes),
        no_return=start_nodes,
    )


POWER_ON_NODES = _each("power-on", "Switch many nodes on; one failure never fails the rest", "switched on")
POWER_OFF_NODES = _each(
    "power-off", "Switch many nodes off; one failure never fails the rest", "switched off"
)
RESET_NODES = _each("reset", "Restart many nodes; one failure never fails the rest", "restarted")
