"""Restarting many nodes: a `reset` below this flow for each; one failure never fails the rest.

Parameter: `node_ids`. Result: `{"success": [ids], "failed": [ids]}`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sqlalchemy import select

from cloudmanager.flows.base import Child, Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.power import QUEUE
from cloudmanager.models import Node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.flows.run import Run

_LOOK_EVERY = 0.25


async def start_resets(run: Run) -> Outcome:
    """Start a reset for every node that no other task holds, spread over time."""
    node_ids: list[int] = run.params["node_ids"]
    racks = await run.read(lambda session: _racks(session, node_ids))
    delays = stagger(
        [racks.get(node_id) for node_id in node_ids],
        fleet_rate=run.ports.config.power.fleet_rate,
        rack_rate=run.ports.config.power.rack_rate,
    )
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


def stagger(racks: Sequence[object], *, fleet_rate: float, rack_rate: float) -> list[float]:
    """Seconds after which each node begins, so that neither rate (nodes per second, 0 none) is exceeded."""
    in_rack: Counter[object] = Counter()
    delays = []
    for position, rack in enumerate(racks):
        by_fleet = position / fleet_rate if fleet_rate else 0.0
        by_rack = in_rack[rack] / rack_rate if rack_rate and rack is not None else 0.0
        in_rack[rack] += 1
        delays.append(max(by_fleet, by_rack))
    return delays


def _names(session: Session, node_ids: Sequence[int]) -> list[str]:
    query = select(Node.id, Node.name).where(Node.id.in_(node_ids)).order_by(Node.id)
    return [name or f"node {node_id}" for node_id, name in session.execute(query)]


def _racks(session: Session, node_ids: Sequence[int]) -> dict[int, tuple[int | None, ...] | None]:
    """{node: the place of its rack}; None when the inventory does not say."""
    query = select(Node.id, Node.dtc_number, Node.row_number, Node.rack_number).where(Node.id.in_(node_ids))
    return {node: (*place, rack) if rack else None for node, *place, rack in session.execute(query)}


RESET_NODES = Flow(
    kind="reset-nodes",
    summary="Restart many nodes; one failure never fails the rest",
    queue=QUEUE,
    steps=(start_resets, await_resets),
    no_return=start_resets,
)
