"""`maintenance-window`: one opening of a window. While it is open, a flow below for each of its hosts.

Parameters: those of the window as it was when it opened, with `window_id`, `opens_at` and `closes_at`.
Result: `{"hosts": [{"host", "outcome", "reason", "task_id"}]}`; the outcome is one of waiting, running, done,
failed, not_begun. A window that audits has aggregates (`aggregate:5`) where others have hosts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cloudmanager.audits.rows import aggregate_of, subject_of
from cloudmanager.flows.audits.execute import KIND as AUDIT
from cloudmanager.flows.base import Child, Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.hosts.drain import call_back
from cloudmanager.flows.hosts.in_turn import (
    Turn,
    begin,
    can_be_begun,
    how_far,
    most_at_a_time,
    newly_down,
    remember_who_is_down,
)
from cloudmanager.flows.maintenance.blockers import first_reason
from cloudmanager.flows.maintenance.history import ended, keep_hosts, opened
from cloudmanager.flows.maintenance.selector import choose, cloud_hosts, machines
from cloudmanager.flows.servers.move import QUEUE
from cloudmanager.models import MaintenanceWindow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from cloudmanager.flows.run import Run

KIND = "maintenance-window"
ACTIONS: Mapping[str, str] = {
    "restart": "restart-host",
    "shutdown": "shutdown-host",
    "decommission": "decommission-host",
    "audit": AUDIT,
}
"""What a window can do, by the flow that does it to one host, or to one aggregate."""

_LOOK_EVERY = 2.0


# --- steps -----------------------------------------------------------------------------------------------


async def choose_hosts(run: Run) -> Outcome:
    """Find the hosts of the window as they are now, and how many of them may be out of service at a time."""
    if ACTIONS[run.params["action"]] == AUDIT:
        return await _choose_aggregates(run)
    known = await cloud_hosts(run.ports.cloud)
    hosts = choose(run.params["hosts"], known, await run.read(machines))
    services = known.by_name
    remember_who_is_down(run, services)
    run.memo["hosts"] = [host for host in hosts if host in services]
    run.memo["unknown"] = [host for host in hosts if host not in services]
    run.memo["batch"] = most_at_a_time(services, run.memo["hosts"], run.params["batch"])
    _report(run, Turn(run.memo["hosts"], {}))
    return Done(f"{len(run.memo['hosts'])} hosts, {run.memo['batch']} at a time")


async def work_through_hosts(run: Run) -> Outcome:
    """Begin host after host as long as nothing speaks against it; see those that are begun to their end."""
    kind = ACTIONS[run.params["action"]]
    turn = await how_far(run, kind, run.memo["hosts"], done=f"{kind} is done")
    if turn.not_begun and not run.memo.get("over"):
        run.memo["over"] = await _why_over(run, turn)
    if run.memo.get("over") or not turn.not_begun:
        _report(run, turn)
        return Wait(_LOOK_EVERY, f"waiting for {', '.join(turn.busy)}") if turn.busy else _end(run, turn)
    said = ""
    if run.memo["batch"] > len(turn.busy):
        if await _begin_next(run, kind, turn):
            return Wait(0.0, f"{len(turn.children) + 1} of {len(turn.hosts)} hosts begun")
        said = _in_words(run)
    _report(run, turn)
    ended_ones = len(turn.succeeded) + len(turn.failed)
    return Wait(_LOOK_EVERY, f"{ended_ones} of {len(turn.hosts)} hosts done{said}")


async def _choose_aggregates(run: Run) -> Outcome:
    """Those of the window; they are named as their flows name them."""
    wanted = set(run.params["hosts"]["aggregates"])
    known = await run.ports.cloud.aggregates()
    chosen = [aggregate for aggregate in known if {aggregate.id, aggregate.name} & wanted]
    names = {value for aggregate in chosen for value in (aggregate.id, aggregate.name)}
    run.memo["aggregates"] = {subject_of(aggregate.id): aggregate.name for aggregate in chosen}
    run.memo["hosts"] = sorted(run.memo["aggregates"])
    run.memo["unknown"] = sorted(str(each) for each in wanted - names)
    run.memo["batch"] = run.params["batch"]
    _report(run, Turn(run.memo["hosts"], {}))
    return Done(f"{len(run.memo['hosts'])} aggregates, {run.memo['batch']} at a time")


async def report_what_was_done(run: Run) -> Outcome:
    """Undo: say what became of the hosts whose flows were called back."""
    if "hosts" not in run.memo:
        return Done()
    kind = ACTIONS[run.params["action"]]
    turn = await how_far(run, kind, run.memo["hosts"], done=f"{kind} is done")
    run.memo["over"] = run.memo.get("over") or "the task was cancelled"
    _report(run, turn)
    return Done()


# --- whether to begin another ----------------------------------------------------------------------------


async def _why_over(run: Run, turn: Turn) -> str | None:
    """Why no other host will be begun in this opening."""
    if len(turn.failed) >= run.params["stop_after_failures"]:
        return f"stopped after {len(turn.failed)} failed: {_failures(turn)}"
    if run.now() >= run.params["closes_at"]:
        return "the window closed"
    if run.params["scheduled"] and not await run.read(
        lambda session: _is_enabled(session, run.params["window_id"])
    ):
        return "the window was disabled"
    return None


def _is_enabled(session: Session, window_id: int) -> bool:
    query = select(MaintenanceWindow.enabled).where(MaintenanceWindow.id == window_id)
    return bool(session.scalar(query))


async def _begin_next(run: Run, kind: str, turn: Turn) -> bool:
    """Begin the first host that nobody holds, unless something blocks; False when none was begun."""
    if kind == AUDIT:
        return await _begin_next_audit(run, turn)
    services = {service.host: service for service in await run.ports.cloud.services()}
    run.memo["blocked"] = newly_down(run, services.values(), turn.children) or await _blocked(run)
    if run.memo["blocked"]:
        return False
    held = await run.holders([f"host:{host}" for host in turn.not_begun])
    run.memo["held"] = {str(subject): task for subject, task in held.items()}
    free = [host for host in await can_be_begun(run, turn, services) if f"host:{host}" not in held]
    return bool(free) and not await begin(run, kind, free[:1], run.params["parameters"])


async def _begin_next_audit(run: Run, turn: Turn) -> bool:
    """The same for an aggregate, whose plan is carried out at once if its parameters do not say otherwise."""
    run.memo["blocked"] = await _blocked(run)
    if run.memo["blocked"]:
        return False
    held = await run.holders(turn.not_begun)
    run.memo["held"] = {str(subject): task for subject, task in held.items()}
    free = [subject for subject in turn.not_begun if subject not in held]
    if not free:
        return False
    params = {
        "mode": run.ports.config.drs.mode,
        "auto_apply": True,
        **run.params["parameters"],
        "aggregate_id": aggregate_of(free[0]),
        "aggregate_name": run.memo["aggregates"][free[0]],
    }
    return not await run.start_children(AUDIT, [Child(free[0], params)])


async def _blocked(run: Run) -> str | None:
    return await first_reason(run.params["blockers"], run.ports.alerts, run.read, run.id)


def _in_words(run: Run) -> str:
    if run.memo["blocked"]:
        return f"; blocked: {run.memo['blocked']}"
    return "".join(f"; {subject} is held by task {task}" for subject, task in run.memo["held"].items())


# --- what is told ----------------------------------------------------------------------------------------


def _report(run: Run, turn: Turn) -> None:
    """Bring the result and the history of the window up to date."""
    rows = [_row(run, turn, host) for host in turn.hosts]
    noun = "aggregate" if "aggregates" in run.memo else "host"
    rows += [_told(host, "not_begun", f"Nova knows no such {noun}", None) for host in run.memo["unknown"]]
    if run.result is None or run.result["hosts"] != rows:
        run.result = {"hosts": rows}
        run.write(keep_hosts, (run.id, rows))


def _row(run: Run, turn: Turn, host: str) -> dict[str, Any]:
    child = turn.children.get(host)
    if child is None:
        if not run.memo.get("over"):
            return _told(host, "waiting", None, None)
        return _told(host, "not_begun", _why_not_begun(run, host), None)
    if not child.ended:
        return _told(host, "running", None, child.id)
    if child.succeeded:
        return _told(host, "done", None, child.id)
    return _told(host, "failed", turn.why_failed(host), child.id)


def _told(host: str, outcome: str, reason: str | None, task_id: str | None) -> dict[str, Any]:
    return {"host": host, "outcome": outcome, "reason": reason, "task_id": task_id}


def _why_not_begun(run: Run, host: str) -> str:
    over: str = run.memo["over"]
    if run.memo.get("blocked"):
        return f"{over}; until then blocked: {run.memo['blocked']}"
    held = run.memo.get("held", {})
    if holder := held.get(f"host:{host}") or held.get(host):
        return f"{over}; until then task {holder} held it"
    return over


def _failures(turn: Turn) -> str:
    return "; ".join(f"{host}: {turn.why_failed(host)}" for host in turn.failed)


def _end(run: Run, turn: Turn) -> Outcome:
    untouched = [row["host"] for row in run.result["hosts"] if row["outcome"] == "not_begun"]
    why = f" ({run.memo['over']})" if run.memo.get("over") else ""
    left = f"; not begun: {', '.join(untouched)}{why}" if untouched else ""
    if turn.failed:
        return Fail(f"{len(turn.failed)} of {len(turn.hosts)} hosts failed: {_failures(turn)}{left}")
    return Done(f"{len(turn.succeeded)} of {len(turn.hosts)} hosts done{left}")


MAINTENANCE_WINDOW = Flow(
    kind=KIND,
    summary="Act on the hosts of a maintenance window while it is open",
    queue=QUEUE,
    steps=(choose_hosts, work_through_hosts),
    undo=(call_back, report_what_was_done),
    begin=opened,
    finish=ended,
)
