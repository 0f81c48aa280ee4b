"""The virtual controller that nodes belong to: `attach-nodes`, `detach-nodes`, and one below for each node.

Parameters: `controller`, its uuid; `nodes` {id: name}, or `node_id` of one. Only the binding is changed,
never a server. Where `[node_actions] controllers` has the controller's address, the node is told. Result of
the upper ones: `{"success": [names], "failed": [names]}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from cloudmanager.errors import CommandFailed, HostRefused, HostUnreachable
from cloudmanager.flows.base import Child, Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.nodes.asking import QUEUE, run_on_node, subject_of
from cloudmanager.models import Node

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.flows.run import Run

_LOOK_EVERY = 0.5


# --- one node ----------------------------------------------------------------------------------------------


async def tell_address(run: Run) -> Outcome:
    """Tell the node where its controller is, when we know."""
    address = run.ports.config.node_actions.controllers.get(run.params["controller"])
    if not address:
        return Done("[node_actions] controllers has no address of it: only the binding is stored")
    await run_on_node(run, "attach-controller", controller=run.params["controller"], address=address)
    return Done(f"the node knows its controller at {address}")


async def bind(run: Run) -> Outcome:
    """Note it in the inventory."""
    controller = run.params["controller"]
    kind = run.ports.config.node_actions.controller_types.get(controller)
    run.write(_bind, (run.params["node_id"], controller, kind))
    return Done(f"attached to {controller}")


async def tell_none(run: Run) -> Outcome:
    """Tell the node, if it was told; one that does not answer is detached nevertheless."""
    if not run.ports.config.node_actions.controllers.get(run.params["controller"]):
        return Done()
    try:
        await run_on_node(run, "detach-controller")
    except (HostUnreachable, HostRefused, CommandFailed) as problem:
        return Done(f"the node was not told: {problem.message}")
    return Done("the node knows that it has no controller")


async def unbind(run: Run) -> Outcome:
    """Note it in the inventory."""
    run.write(_bind, (run.params["node_id"], None, None))
    return Done(f"detached from {run.params['controller']}")


def _bind(session: Session, items: Sequence[tuple[int, str | None, str | None]]) -> None:
    for node_id, controller, kind in items:
        values = {"controller_id": controller, "controller_type": kind}
        session.execute(update(Node).where(Node.id == node_id).values(values))


# --- many nodes --------------------------------------------------------------------------------------------


def _starter(kind: str) -> Callable[[Run], Awaitable[Outcome]]:
    async def start_all(run: Run) -> Outcome:
        """Start one for each node that no other task works on."""
        nodes: dict[str, str] = run.params["nodes"]
        children = [
            Child(subject_of(int(key)), {"node_id": int(key), "controller": run.params["controller"]})
            for key in nodes
        ]
        held = await run.start_children(kind, children)
        for subject, holder in held.items():
            run.event(subject, "refused", f"held by task {holder}")
        return Done(f"{len(children) - len(held)} nodes begun")

    return start_all


async def await_all(run: Run) -> Outcome:
    """Wait for all of them, then name those that failed."""
    if left := await run.open_children():
        return Wait(_LOOK_EVERY, f"{left} nodes are under way")
    nodes: dict[str, str] = run.params["nodes"]
    done = {child.params["node_id"] for child in await run.children() if child.succeeded}
    outcome: dict[str, Any] = {"success": [], "failed": []}
    for key, name in nodes.items():
        outcome["success" if int(key) in done else "failed"].append(name)
    run.result = outcome
    if outcome["failed"]:
        return Fail(f"{len(outcome['failed'])} of {len(nodes)} nodes: {', '.join(outcome['failed'])}"[:1000])
    return Done(f"{len(nodes)} nodes")


ATTACH_NODE = Flow(
    kind="attach-node", summary="Bind a node to a virtual controller", queue=QUEUE, steps=(tell_address, bind)
)
DETACH_NODE = Flow(
    kind="detach-node",
    summary="Unbind a node from its virtual controller",
    queue=QUEUE,
    steps=(tell_none, unbind),
)
ATTACH_NODES = Flow(
    kind="attach-nodes",
    summary="Bind nodes to a virtual controller; one failure never fails the rest",
    queue=QUEUE,
    steps=(start_attaching := _starter("attach-node"), await_all),
    no_return=start_attaching,
)
DETACH_NODES = Flow(
    kind="detach-nodes",
    summary="Unbind nodes from a virtual controller; one failure never fails the rest",
    queue=QUEUE,
    steps=(start_detaching := _starter("detach-node"), await_all),
    no_return=start_detaching,
)
