"""The one fence: a host counts as dead when its power is confirmed off, or an admin vouches for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.flows.base import Child, Done, Fail, Outcome, Step, Wait
from cloudmanager.flows.hosts.cordon import reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.flows.run import Run

_LOOK_EVERY = 1.0
_VOUCH = "see yourself that it is off and ask again with fenced: true"


# --- power, by the flows that switch it --------------------------------------------------------------------


def switch_power(kind: str, *, soft: bool = False) -> Step:
    """A step that has the host's node switched by a flow of this kind, and waits until that is confirmed."""

    async def switch_power_of_host(run: Run) -> Outcome:
        return await switched(run, kind, soft=soft)

    switch_power_of_host.__name__ = kind.replace("-", "_")
    return switch_power_of_host


async def switched(run: Run, kind: str, *, soft: bool = False) -> Outcome:
    """Done when the power flow below has confirmed the state; Fail when it could not."""
    node_id = run.memo["node_id"]
    children = await run.children(kind)
    if not children:
        run.memo["power_touched"] = True
        params = {"node_id": node_id} | ({"soft": True} if soft else {})
        held = await run.start_children(kind, [Child(f"node:{node_id}", params)])
        if held:
            holder = next(iter(held.values()))
            return Wait(_LOOK_EVERY, f"waiting for task {holder}, which holds node {node_id}")
        return Wait(_LOOK_EVERY, f"waiting for the {kind} of node {node_id}")
    (child,) = children
    if not child.ended:
        return Wait(_LOOK_EVERY, f"waiting for the {kind} of node {node_id}")
    if child.succeeded:
        return Done(f"{kind} of node {node_id} is confirmed (task {child.id})")
    return Fail(f"{kind} of node {node_id} failed: {child.error or 'it was cancelled'} (task {child.id})")


# --- the fence ---------------------------------------------------------------------------------------------


def when(needed: Callable[[Run], bool], step: Step) -> Step:
    """The step, where it is needed; else nothing."""

    async def guarded(run: Run) -> Outcome:
        return await step(run) if needed(run) else Done()

    guarded.__name__ = step.__name__
    return guarded


async def fence(run: Run) -> Outcome:
    """Cut the power and confirm it. A device that is silent is no proof; an admin's word is recorded."""
    host = run.params["host"]
    if run.params.get("fenced"):
        run.event(f"host:{host}", "vouched", f"{run.requested_by} vouches that {host} is off")
        return Done(f"{host} counts as fenced: {run.requested_by} vouches for it")
    if run.memo["node_id"] is None:
        return Fail(f"{host} cannot be fenced: it has no node in the inventory; register it, or {_VOUCH}")
    outcome = await switched(run, "power-off")
    if isinstance(outcome, Fail):
        return Fail(f"{host} is not fenced, so no server was started elsewhere: {outcome.why}; {_VOUCH}")
    return outcome


async def declare_down(run: Run) -> Outcome:
    """Tell Nova that the host is down, whatever still arrives of its reports; cordon it for its return."""
    host, cloud = run.params["host"], run.ports.cloud
    service = await cloud.service(host)
    if service.enabled:
        await cloud.cordon(host, reason(run))
        run.memo["cordoned"] = True
    if not service.forced_down:
        await cloud.force_down(host)
    return Done(f"Nova counts {host} as down")


async def wait_until_nova_says_down(run: Run) -> Outcome:
    """Nova evacuates only from a host that it counts as down."""
    service = await run.ports.cloud.service(run.params["host"])
    if service.up:
        return Wait(_LOOK_EVERY, "waiting for Nova to count the host as down")
    return Done()
