"""Giving many power devices other passwords: a `rotate-password` below this flow for each, paced.

Parameters: `control_ids`, and of these `resumes`, whose earlier rotation did not come to its end. The new
passwords were stored before this flow began. Result: `{"success": [ids], "failed": [ids]}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.flows.base import Child, Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.power import QUEUE
from cloudmanager.flows.rotate_password import subject_of
from cloudmanager.flows.stagger import stagger

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run

_LOOK_EVERY = 0.5


async def start_rotations(run: Run) -> Outcome:
    """Start one for each device that no other task holds."""
    control_ids: list[int] = run.params["control_ids"]
    resumes = set(run.params["resumes"])
    delays = stagger([{"fleet": run.ports.config.power.fleet_rate}] * len(control_ids))
    children = [
        Child(subject_of(key), {"control_id": key} | ({"resumes": True} if key in resumes else {}), delay)
        for key, delay in zip(control_ids, delays, strict=True)
    ]
    held = await run.start_children("rotate-password", children)
    for subject, holder in held.items():
        run.event(subject, "refused", f"held by task {holder}")
    run.memo["held"] = [key for key in control_ids if subject_of(key) in held]
    return Done(f"{len(children) - len(held)} rotations begun")


async def await_rotations(run: Run) -> Outcome:
    """Wait for all of them, then name those that failed."""
    if left := await run.open_children():
        return Wait(_LOOK_EVERY, f"{left} rotations are under way")
    children = await run.children()
    failed = {child.params["control_id"]: child.error for child in children if not child.succeeded}
    for key, error in failed.items():
        run.event(subject_of(key), "failed", error or "cancelled")
    done = [child.params["control_id"] for child in children if child.succeeded]
    run.result = {"success": sorted(done), "failed": sorted([*failed, *run.memo["held"]])}
    if not run.result["failed"]:
        return Done(f"{len(done)} devices have other passwords")
    named = ", ".join(map(str, run.result["failed"]))
    return Fail(f"{len(run.result['failed'])} of {len(run.params['control_ids'])} not rotated: {named}")


ROTATE_PASSWORDS = Flow(
    kind="rotate-passwords",
    summary="Give many power devices other passwords; one failure never fails the rest",
    queue=QUEUE,
    steps=(start_rotations, await_rotations),
    no_return=start_rotations,
)
