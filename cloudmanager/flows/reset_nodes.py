"""Restarting many nodes: a `reset` below this flow for each; one failure never fails the rest.

Parameter: `node_ids`. Result: `{"success": [ids], "failed": [ids]}`.
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


async def start_resets(run: Run) -> Outcome:
    """Start a reset for every node that no other task holds, spread over time."""
    node_ids: list[int] = run.params["node_ids"]
    domains = await run.read(lambda session: power_domains(session, node_ids, run.ports.config.power))
    delays = stagger([domains.get(node_id, {}) for node_id in node_ids])
    children = [
        Child(f"node:{node_id}", {"node_id": node_id}, delay)
        for node_id, delay in zip(node_ids, delays, strict=True)
    ]
    held = await run.start_children("reset", children)
    for subject, holder in held.items():
        run.event(subject, "refused", f"held by task {holder}")
    run.memo["held"] = sorted(int(subject.removeprefix("node:")) for subject in held)
    return Done(f"{len(children) - len(held)} resets started")


async def await_resets(run: Run) -> Outcome:
    """Wait for all of them, then name those that failed."""
    if left := await run.open_children():
        return Wait(_LOOK_EVERY, f"{left} resets are running")
    children = await run.children()
    failed = {child.params["node_id"]: child.error for child in children if not child.succeeded}
    for node_id, error in failed.items():
        run.event(f"node:{node_id}", "failed", error or "cancelled")
    done = [child.params["node_id"] for child in children if child.succeeded]
    run.result = {"success": sorted(done), "failed": sorted([*failed, *run.memo["held"]])}
    if not run.result["failed"]:
        return Done(f"{len(done)} nodes restarted")
    names = ", ".join(await run.read(lambda session: _names(session, run.result["failed"])))
    total = len(run.params["node_ids"])
    return Fail(f"{len(run.result['failed'])} of {total} nodes not restarted: {names}")


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


RESET_NODES = Flow(
    kind="reset-nodes",
    summary="Restart many nodes; one failure never fails the rest",
    queue=QUEUE,
    steps=(start_resets, await_resets),
    no_return=start_resets,
)
