"""The one drain: a queue of `move-server` flows below a host's, bounded by source and by destination."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cloudmanager.errors import NotFound
from cloudmanager.flows.base import Child, Done, Fail, Outcome, Wait
from cloudmanager.flows.hosts.survey import allowed_by, in_words, judge_all, planned
from cloudmanager.flows.servers.destinations import NOVA, Candidate, Incoming, candidates, next_destination
from cloudmanager.flows.servers.ways import Way
from cloudmanager.models import FlowRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.flows.children import ChildState
    from cloudmanager.flows.run import Run

MOVING = ("move-server", "evacuate-server")
_LOOK_EVERY = 2.0
"""Seconds between two looks at the queue; the end of a move wakes it at once."""

_HOSTS_AGE = 5.0
_PASSED_ON = ("block_migration", "policy")


# --- steps -----------------------------------------------------------------------------------------------


async def move_servers(run: Run) -> Outcome:
    """Migrate what can be, so many at a time; done when no move is open and no server is on its way here."""
    if not run.memo["found"]["up"]:
        return Done()
    outcome = await work_through(run, "move-server", planned(run, Way.LIVE, Way.COLD))
    return (await _see_who_came(run) or outcome) if isinstance(outcome, Done) else outcome


async def confirm_empty(run: Run) -> Outcome:
    """Look whether any server is left, whatever the flow believes; name those that are."""
    left = await run.ports.cloud.servers_on(run.params["host"])
    outcomes = {row["id"]: row for row in run.result["servers"]}
    named = []
    for server in left:
        row = outcomes.get(server.id, {})
        why = row.get("reason") or _verdict_on(run, server.id) or "it came while the host was being emptied"
        named.append(f"{server.name} ({server.id}): {why}")
    if named:
        return Fail(f"{len(named)} servers are left on {run.params['host']}: {'; '.join(named)}")
    return Done(f"{run.params['host']} is empty")


async def call_back(run: Run) -> Outcome:
    """Undo: let no further server begin to move, and wait for those that do to come to rest."""
    if not await run.open_children():
        return Done()
    await run.cancel_children()
    return Wait(1.0, "waiting for the servers that are moving to come to rest")


# --- who comes meanwhile -----------------------------------------------------------------------------------


async def _see_who_came(run: Run) -> Outcome | None:
    """Judge those that were on their way when the host was cordoned: by a boot, or a move of anybody's."""
    host, cloud = run.params["host"], run.ports.cloud
    if arriving := await coming(run):
        return Wait(_LOOK_EVERY, f"{arriving} servers are on their way to {host}")
    known = {verdict["server_id"] for verdict in run.memo["plan"]}
    if all(server.id in known for server in await cloud.servers_on(host)):
        return None
    allowed = allowed_by(run.kind, run.params, host_up=True)
    verdicts = await judge_all(cloud, host, allowed, host_up=True)
    new = [verdict for verdict in verdicts if verdict.server_id not in known]
    for verdict in new:
        run.event(verdict.server_id, "planned", f"came meanwhile; {in_words(verdict)}")
    run.memo["plan"] = [*run.memo["plan"], *(verdict.told() for verdict in new)]
    run.result = {**run.result, "plan": run.memo["plan"]}
    return Wait(0.0, f"{len(new)} servers came meanwhile")


async def coming(run: Run) -> int:
    """How many servers are moving to the host: cutting its power now would hurt them."""
    host, cloud = run.params["host"], run.ports.cloud
    found = 0
    for record in await cloud.migrations_of_host(host):
        if record.destination == host and not record.ended:
            with suppress(NotFound):
                server = await cloud.server(record.server_id)
                found += server.task_state is not None and server.host != host
    return found


# --- the queue ---------------------------------------------------------------------------------------------


async def work_through(run: Run, kind: str, queue: Sequence[dict[str, Any]], **extra: Any) -> Outcome:
    """Start a child of this kind for each server of the queue as slots come free; Done when all ended."""
    children = {child.subject: child for child in await run.children(kind)}
    report(run, kind, children.values())
    open_ones = [child for child in children.values() if not child.ended]
    waiting = [verdict for verdict in queue if _subject(verdict) not in children]
    slots = run.ports.config.hosts.migrations_per_source - len(open_ones)
    held: dict[str, str] = {}
    if waiting and slots > 0:
        held = await _start_next(run, kind, waiting, slots, extra)
    elif not waiting and not open_ones:
        failed = sum(not child.succeeded for child in children.values())
        return Done(f"{len(children) - failed} of {len(queue)} servers moved" if queue else "")
    ended = sum(child.ended for child in children.values())
    return Wait(_LOOK_EVERY, f"{ended} of {len(queue)} servers done{_held_in_words(held)}")


async def _start_next(
    run: Run, kind: str, waiting: Sequence[dict[str, Any]], slots: int, extra: dict[str, Any]
) -> dict[str, str]:
    """Start as many as there are slots and destinations; answers {subject: task that holds it}."""
    hosts = await targets(run)
    incoming = await run.read(incoming_moves)
    limit = run.ports.config.hosts.migrations_per_destination
    held: dict[str, str] = {}
    for verdict in waiting:
        destination = next_destination(hosts, incoming, limit) if hosts else NOVA
        if slots <= 0 or destination is None:
            break
        refused = await run.start_children(kind, [_child(run, verdict, destination, extra)])
        held |= refused
        if refused:
            continue
        slots -= 1
        incoming = _with_one_more(incoming, destination)
    return held


def _child(run: Run, verdict: dict[str, Any], destination: str, extra: dict[str, Any]) -> Child:
    passed_on = {name: run.params[name] for name in _PASSED_ON if run.params.get(name) is not None}
    own = {"timeout": verdict["timeout"]} if "timeout" in verdict else {}
    params = {
        "server_id": verdict["server_id"],
        "host": run.params["host"],
        "ways": verdict["ways"],
        **({"destination": destination} if destination else {}),
        **passed_on,
        **extra,
        **own,
    }
    return Child(_subject(verdict), params)


def report(run: Run, kind: str, children: Any) -> None:
    """Bring the rows of the task up to date with what has come of the children."""
    rows = {row["id"]: row for row in run.result["servers"]}
    told = set(run.memo.setdefault("told", []))
    for child in children:
        if not child.ended or child.id in told:
            continue
        row = _row(child, kind)
        rows[row["id"]] = row
        run.event(row["id"], "moved" if child.succeeded else "failed", _row_in_words(row))
        run.memo["told"].append(child.id)
    run.result["servers"] = list(rows.values())


def _row(child: ChildState, kind: str) -> dict[str, Any]:
    outcome = (
        {"outcome": "moved", "reason": None}
        if child.succeeded
        else {
            "outcome": "failed",
            "reason": child.error or "cancelled before it began",
        }
    )
    known = child.result or {"id": child.params["server_id"], "from": child.params["host"], "to": None}
    return {**known, **outcome, "task_id": child.id, "kind": kind}


def _row_in_words(row: dict[str, Any]) -> str:
    if row["outcome"] == "moved":
        return (
            f"{row.get('name', row['id'])} is on {row['to']} after {row.get('seconds')} s ({row.get('way')})"
        )
    return f"{row.get('name', row['id'])}: {row['reason']}"


async def targets(run: Run) -> list[Candidate]:
    """Hosts that may be named as destinations: those of the zone, to which a server may be bound."""
    cloud, host = run.ports.cloud, run.params["host"]
    services = await cloud.services(max_age=_HOSTS_AGE)
    zone = next((service.zone for service in services if service.host == host), None)
    near = [service for service in services if service.zone == zone]
    return candidates(near, await cloud.hypervisors(max_age=_HOSTS_AGE), leaving={host})


def incoming_moves(session: Session) -> Incoming:
    """Where all servers that we are moving now are going."""
    query = select(FlowRow.params, FlowRow.memo).where(FlowRow.kind.in_(MOVING), FlowRow.ended_at.is_(None))
    known: Counter[str] = Counter()
    unknown = 0
    for params, memo in session.execute(query):
        if host := memo.get("destination") or params.get("destination"):
            known[host] += 1
        else:
            unknown += 1
    return Incoming(known, unknown)


def _with_one_more(incoming: Incoming, destination: str) -> Incoming:
    if destination == NOVA:
        return Incoming(incoming.known, incoming.unknown + 1)
    return Incoming(incoming.known + Counter([destination]), incoming.unknown)


def _verdict_on(run: Run, server_id: str) -> str | None:
    for verdict in run.memo["plan"]:
        if verdict["server_id"] == server_id and verdict["reason"]:
            way_out = f" (would change it: {verdict['option']})" if verdict["option"] else ""
            return f"{verdict['reason']}{way_out}"
    return None


def _subject(verdict: dict[str, Any]) -> str:
    return f"server:{verdict['server_id']}"


def _held_in_words(held: dict[str, str]) -> str:
    return "".join(f"; {subject} is held by task {holder}" for subject, holder in held.items())
