"""`apply-audit`: carry out the plan of an audit, wave after wave, each move checked just before it starts.

Parameters: `aggregate_id`, `audit_id`; optional `allow_off_vm`. What became of each move is in the audit's
row; the outcome is one of waiting, running, moved, failed, skipped. Result: `{"audit": {"id", "status"},
"moves": how many are planned, "moved", "failed", "skipped": how many came to that}`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cloudmanager.audits.packing import unpack
from cloudmanager.audits.rows import keep, packed_of
from cloudmanager.drs.cluster import HostState
from cloudmanager.errors import Conflict
from cloudmanager.flows.audits.check import drift_of_hosts, standing_of
from cloudmanager.flows.audits.outcomes import FAILED, SKIPPED, Moves, in_words, lost, note_what_ended
from cloudmanager.flows.audits.parking import park_hosts, unpark_hosts
from cloudmanager.flows.audits.starting import start_next
from cloudmanager.flows.audits.story import STALE, ended
from cloudmanager.flows.base import Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.hosts.drain import call_back
from cloudmanager.flows.servers.move import QUEUE
from cloudmanager.models import Audit, AuditStatus

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from cloudmanager.flows.run import Run

KIND = "apply-audit"
_LOOK_EVERY = 2.0
_HOSTS_AGE = 2.0
_AT_ONCE = 16
"""Moves that are begun by one step: it looks at all their hosts, and a step is short."""


# --- steps -----------------------------------------------------------------------------------------------


async def take_the_plan(run: Run) -> Outcome:
    """Read the plan and how the hosts stood when it was made."""
    run.memo.setdefault("audit_id", run.params.get("audit_id"))
    audit_id: int = run.memo["audit_id"]
    plan, packed = await run.read(lambda session: (_plan_of(session, audit_id), packed_of(session, audit_id)))
    if plan is None or packed is None:
        raise Conflict(f"audit {audit_id} has no plan")
    snapshot, _ = await asyncio.to_thread(unpack, packed)
    run.memo["hosts"] = standing_of(
        (host.name, host.state is HostState.UP, host.cordoned) for host in snapshot.hosts
    )
    run.memo["wave"] = 1
    run.memo["outcomes"] = {}
    run.write(keep, (audit_id, {"status": AuditStatus.APPLYING}))
    moves = Moves(plan["moves"], run.memo["outcomes"], {})
    _report(run, moves)
    return Done(f"{len(plan['moves'])} moves to make")


async def move_in_waves(run: Run) -> Outcome:
    """Start what may start of the present wave; go on with the next when all of it has ended."""
    moves = await _moves(run)
    note_what_ended(run, moves)
    _see_what_was_lost(run, moves)
    open_ones, waiting = moves.running, moves.waiting(run.memo["wave"])
    if run.memo.get("stopped"):
        _report(run, moves)
        if open_ones:
            return Wait(_LOOK_EVERY, f"{run.memo['stopped']}; waiting for {len(open_ones)} moves")
        return Fail(f"stopped: {run.memo['stopped']}; {in_words(moves)}")
    if waiting:
        await _start(run, moves, waiting)
    elif not open_ones:
        if run.memo["wave"] > moves.waves:
            _report(run, moves)
            return _end_of_moves(moves)
        run.memo["wave"] += 1
    _report(run, moves)
    pause = 0.0 if not open_ones and not moves.running else _LOOK_EVERY
    return Wait(pause, f"wave {run.memo['wave']}: {in_words(moves)}")


async def note_what_was_moved(run: Run) -> Outcome:
    """Undo: say what became of the moves that were begun."""
    if "outcomes" in run.memo:
        moves = await _moves(run)
        note_what_ended(run, moves)
        _report(run, moves)
        return Done(in_words(moves))
    return Done()


# --- the moves -------------------------------------------------------------------------------------------


async def _moves(run: Run) -> Moves:
    plan = await run.read(lambda session: _plan_of(session, run.memo["audit_id"]))
    children = {child.params["move"]: child for child in await run.children("move-server")}
    return Moves(plan["moves"] if plan else [], run.memo["outcomes"], children)


def _plan_of(session: Session, audit_id: int) -> dict[str, Any] | None:
    return session.scalar(select(Audit.plan).where(Audit.id == audit_id))


async def _start(run: Run, moves: Moves, waiting: list[int]) -> None:
    """Start as many as there are slots, unless the hosts are no longer those of the plan."""
    free = run.ports.config.drs.moves_at_once - len(moves.running)
    if free <= 0:
        return
    cloud = run.ports.cloud
    members = await _members(run)
    services = await cloud.services(max_age=_HOSTS_AGE)
    share = run.ports.config.drs.max_drift
    if drift := drift_of_hosts(run.memo["hosts"], members, services, share):
        run.memo[STALE] = run.memo["stopped"] = f"the plan is stale: {drift}"
        return
    await start_next(run, moves, waiting[: min(free, _AT_ONCE)], members)
    _see_what_was_lost(run, moves)


async def _members(run: Run) -> frozenset[str]:
    """The hosts of the aggregate now; none when it is gone."""
    wanted = run.params["aggregate_id"]
    found = [each.hosts for each in await run.ports.cloud.aggregates() if each.id == wanted]
    return found[0] if found else frozenset()


def _see_what_was_lost(run: Run, moves: Moves) -> None:
    """Stop when too many moves did not come about; the plan is stale when they were no longer possible."""
    if run.memo.get("stopped"):
        return
    share = run.ports.config.drs.max_drift * len(moves.planned)
    skipped, failed = lost(moves, SKIPPED), lost(moves, FAILED)
    if len(skipped) > share:
        run.memo[STALE] = run.memo["stopped"] = (
            f"the plan is stale: {len(skipped)} of its {len(moves.planned)} moves are no longer possible: "
            f"{'; '.join(skipped[:3])}"
        )
    elif len(skipped) + len(failed) > share:
        run.memo["stopped"] = f"{len(failed)} of {len(moves.planned)} moves failed: {'; '.join(failed[:3])}"


def _end_of_moves(moves: Moves) -> Outcome:
    if failed := lost(moves, FAILED):
        return Fail(f"{in_words(moves)}: {'; '.join(failed[:3])}")
    return Done(in_words(moves))


def _report(run: Run, moves: Moves) -> None:
    """Bring the task's result and the audit's row up to date."""
    reported = [len(moves.ended), len(moves.children)]
    if run.memo.get("reported") != reported:
        run.memo["reported"] = reported
        run.write(keep, (run.memo["audit_id"], {"outcomes": moves.told()}))
    audit = {"id": run.memo["audit_id"], "status": AuditStatus.APPLYING}
    run.result = {"audit": audit, "moves": len(moves.planned), **moves.counts}


async def tell_the_end(run: Run) -> Outcome:
    """The audit is applied."""
    run.result = {
        **run.result,
        "audit": {"id": run.memo["audit_id"], "status": AuditStatus.APPLIED},
    }
    return Done(in_words(await _moves(run)))


APPLYING = (take_the_plan, unpark_hosts, move_in_waves, park_hosts, tell_the_end)
"""The steps that carry a plan out."""

UNDO = (call_back, note_what_was_moved)

APPLY_AUDIT = Flow(
    kind=KIND,
    summary="Make the moves that an audit has planned",
    queue=QUEUE,
    steps=APPLYING,
    undo=UNDO,
    finish=ended,
)
