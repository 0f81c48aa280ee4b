"""Moving one server: `move-server` off a host that is up, `evacuate-server` off one that is dead and fenced.

Parameters: `server_id`, `host`, `ways` in order; optional `destination`, `block_migration`, `policy`,
`timeout`, `tries`. A step before these may find them out instead: it leaves them in the memo, as `order`. Its
`destinations` are tried in turn, each once, and no others.
Nova's migration records are the witness: one that is newer than the last that was known is ours, so that no
attempt is made twice. A 202 means nothing; what counts is the record, and the server on another host at rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.errors import CloudRefused, NotFound
from cloudmanager.flows.base import Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.servers.ways import Way
from cloudmanager.openstack.records import MigrationType

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run
    from cloudmanager.openstack.records import Accepted, Migration, Server

QUEUE = "hosts"
_PROMPTLY = 10.0
"""Seconds within which Nova must show a trace of what it accepted."""

_WAITING = frozenset({"accepted", "queued"})
"""States of a migration that nobody works on."""

_OURS = frozenset({MigrationType.LIVE, MigrationType.COLD, MigrationType.EVACUATION})
_ASKED_FOR = {Way.LIVE: "live migration", Way.COLD: "cold migration", Way.EVACUATE: "evacuation"}


# --- steps -----------------------------------------------------------------------------------------------


async def look_at_server(run: Run) -> Outcome:
    """See where the server is and how it is, and which attempts of Nova lie behind it."""
    server = await run.ports.cloud.server(run.params["server_id"])
    run.memo["found"] = _described(server)
    ways = _order(run)["ways"]
    run.memo |= {"ways": list(ways), "way": ways[0], "tries": 0}
    if server.host != _order(run)["host"]:
        run.memo["moved_to"] = server.host
        return Done(f"{server.name} is on {server.host} already")
    known = await run.ports.cloud.migrations_of(server.id) if server.task_state else ()
    under_way = next((migration for migration in known if not migration.ended), None)
    if under_way is not None and under_way.type in _OURS:
        run.memo |= {"last_known": under_way.id - 1, "adopted": under_way.id}
        return Done(f"{server.name} is being moved already (migration {under_way.id})")
    newest = await _newest(run, server.id, max_age=run.ports.config.hosts.poll_interval)
    run.memo["last_known"] = newest.id if newest else 0
    return Done(f"{server.name} is {server.status} on {server.host}")


async def begin_to_move(run: Run) -> Outcome:
    """Ask Nova for the first way that is allowed."""
    if "moved_to" in run.memo or "adopted" in run.memo:
        return Done()
    if run.attempt > 1 and await _trace(run) is not None:
        return Done("Nova has begun to move it")
    return await _ask(run) or Done(run.memo["said"])


async def watch_the_move(run: Run) -> Outcome:
    """Follow Nova's record of the move; where it failed, try again or another way."""
    if "moved_to" in run.memo:
        return Done()
    migration = await _trace(run)
    if migration is None:
        return await _watch_for_a_trace(run)
    if migration.failed:
        return await _after_failure(run, migration)
    if migration.destination and migration.destination != run.memo.get("destination"):
        run.memo["destination"] = migration.destination
    if migration.ended:
        return await _come_to_rest(run, migration)
    return await _while_it_runs(run, migration)


async def tell_what_came_of_it(run: Run) -> Outcome:
    """The server's row in the task of its host."""
    found = run.memo["found"]
    run.result = {
        **found,
        "from": _order(run)["host"],
        "to": run.memo["moved_to"],
        "way": run.memo.get("way"),
        "request_id": run.memo.get("request_id"),
        "seconds": round(run.now() - run.memo["asked_at"], 1) if "asked_at" in run.memo else 0,
    }
    return Done(f"{found['name']} is on {run.memo['moved_to']}")


# --- asking ------------------------------------------------------------------------------------------------


async def _ask(run: Run) -> Outcome | None:
    """Ask Nova to move the server by the present way; None when it accepted."""
    way = Way(run.memo["way"])
    try:
        accepted = await _request(run, way)
    except CloudRefused as refused:
        run.memo["tries"] += 1
        return _next_try(run, refused.message)
    run.memo["tries"] += 1
    run.memo |= {"request_id": accepted.request_id, "asked_at": run.now()}
    where = f" to {run.memo['destination']}" if run.memo.get("destination") else ""
    run.memo["said"] = f"asked for {_ASKED_FOR[way]}{where} ({accepted.request_id or 'no request id'})"
    return None


async def _request(run: Run, way: Way) -> Accepted:
    cloud, server_id = run.ports.cloud, run.params["server_id"]
    destination = _destination(run)
    run.memo["destination"] = destination
    match way:
        case Way.LIVE:
            return await cloud.live_migrate(
                server_id, destination, block_migration=run.params.get("block_migration")
            )
        case Way.COLD:
            return await cloud.cold_migrate(server_id, destination)
        case Way.EVACUATE:
            server = await cloud.server(server_id)
            if server.vm_state in ("paused", "suspended", "rescued") or server.task_state:
                await cloud.reset_state(server_id, "error")  # else Nova does not evacuate it
            return await cloud.evacuate(server_id, destination)


def _destination(run: Run) -> str | None:
    """Where to, this time. One that was refused once is not asked for again: then Nova chooses."""
    order, tries = _order(run), run.memo["tries"]
    wished = order.get("destinations") or [order.get("destination")]
    return wished[tries] if tries < len(wished) else None


def _next_try(run: Run, why: str) -> Outcome:
    """After a failed attempt: the same way again, the next way, or the end."""
    server_id, ways = run.params["server_id"], run.memo["ways"]
    run.event(server_id, "failed", f"{_ASKED_FOR[Way(run.memo['way'])]}: {why}")
    hosts = run.ports.config.hosts
    destinations = _order(run).get("destinations")
    if destinations:
        run.memo.setdefault("refusals", []).append(f"{run.memo['destination']}: {why}")
        why = "; ".join(run.memo["refusals"])
    tries = len(destinations) if destinations else run.params.get("tries") or hosts.migration_tries
    if run.cancel_requested:
        return Fail(f"not moved, and not tried again because the task was cancelled: {why}")
    if run.memo.pop("way_is_spent", False) or run.memo["tries"] >= tries:
        if len(ways) == 1:
            return Fail(why)
        run.memo["ways"] = ways = ways[1:]
        run.memo |= {"way": ways[0], "tries": 0}
    run.memo.pop("asked_at", None)
    return Wait(hosts.poll_interval, f"{why}; trying {_ASKED_FOR[Way(ways[0])]}")


# --- watching ----------------------------------------------------------------------------------------------


async def _watch_for_a_trace(run: Run) -> Outcome:
    """No record is there: it was not asked for, Nova has not come to it, or keeps silent of a failure."""
    interval = run.ports.config.hosts.poll_interval
    asked_at = run.memo.get("asked_at")
    if asked_at is not None and run.now() - asked_at < interval:
        return Wait(interval, run.memo["said"])
    server = await run.ports.cloud.server(run.params["server_id"])
    if server.host != _order(run)["host"] and server.task_state is None:
        return _moved(run, server)
    if asked_at is None and server.task_state is None:
        return await _ask(run) or Wait(interval, run.memo["said"])
    waited = run.now() - (asked_at or run.memo.setdefault("waits_since", run.now()))
    if server.task_state is not None or waited < _PROMPTLY:
        return Wait(interval, f"waiting for Nova to begin ({server.task_state or 'no sign yet'})")
    return _next_try(run, await _why(run) or f"Nova accepted it and did nothing for {_PROMPTLY:g} s")


async def _after_failure(run: Run, migration: Migration) -> Outcome:
    """The record says that it failed: wait until the server is at rest, then try again."""
    server = await run.ports.cloud.server(run.params["server_id"])
    interval = run.ports.config.hosts.poll_interval
    if server.task_state is not None:
        return Wait(interval, f"the move failed; waiting for {server.task_state} to end")
    why = await _why(run) or server.fault or f"Nova's migration {migration.id} ended as {migration.status}"
    run.memo["last_known"] = migration.id
    if server.host != _order(run)["host"] and server.vm_state != "error":
        return _moved(run, server)
    if run.memo.get("left"):
        return Fail(f"left where it is: {run.memo['left']}")
    if server.vm_state == "error" and Way.EVACUATE not in run.memo["ways"]:
        return Fail(f"{why}; it is in ERROR on {server.host} now: repair it")
    return _next_try(run, why)


async def _come_to_rest(run: Run, migration: Migration) -> Outcome:
    """The record says that it succeeded: believe it when the server is at rest on another host."""
    server = await run.ports.cloud.server(run.params["server_id"])
    interval = run.ports.config.hosts.poll_interval
    if server.vm_state == "error" and server.task_state is None:
        run.memo["last_known"] = migration.id
        return _next_try(run, server.fault or "the server ended in ERROR")
    if server.host != _order(run)["host"] and server.task_state is None and server.vm_state != "resized":
        return _moved(run, server)
    since = run.memo.setdefault("ended_at", run.now())
    if run.now() - since > run.ports.config.hosts.migration_timeout:
        return Fail(f"Nova's migration {migration.id} is {migration.status}, its server never came to rest")
    if server.vm_state == "resized" and server.task_state is None:
        return await _confirm(run, server)
    return Wait(interval, "waiting for Nova to put the server's record in order")


async def _confirm(run: Run, server: Server) -> Outcome:
    """Be content with a cold migration, once; Nova may have done so by itself."""
    interval = run.ports.config.hosts.poll_interval
    if not run.memo.get("confirmed"):
        try:
            await run.ports.cloud.confirm_resize(server.id)
        except CloudRefused as refused:
            return Wait(interval, f"not confirmed yet: {refused.message}")
        run.memo["confirmed"] = True
    return Wait(interval, "confirming the cold migration")


async def _while_it_runs(run: Run, migration: Migration) -> Outcome:
    hosts = run.ports.config.hosts
    run.memo.setdefault("asked_at", run.now())
    live = migration.type == MigrationType.LIVE
    limit = run.params.get("timeout") or (hosts.live_migration_timeout if live else hosts.migration_timeout)
    took = _runs_for(run, migration)
    where = f" to {migration.destination}" if migration.destination else ""
    if took <= limit:
        return Wait(hosts.poll_interval, f"{migration.type} {migration.status}{where}")
    if not live:
        return Fail(f"{migration.type}{where} is still {migration.status} after {took:.0f} s")
    return await _does_not_converge(run, migration, took)


def _runs_for(run: Run, migration: Migration) -> float:
    """Seconds since it was first seen to do more than wait for its turn: a host copies few at a time."""
    if migration.status in _WAITING:
        return 0.0
    if run.memo.get("runs", {}).get("id") != migration.id:
        run.memo["runs"] = {"id": migration.id, "since": run.now()}
    since: float = run.memo["runs"]["since"]
    return run.now() - since


async def _does_not_converge(run: Run, migration: Migration, took: float) -> Outcome:
    """A live migration that takes too long: what its policy says, once."""
    hosts, cloud = run.ports.config.hosts, run.ports.cloud
    policy = run.memo["found"].get("policy") or run.params.get("policy") or hosts.live_migration_policy
    if policy == "wait" or run.memo.get("acted_on") == migration.id:
        progress = await cloud.live_migration(migration.server_id, migration.id)
        left = f", {progress.memory_remaining} bytes left" if progress and progress.memory_remaining else ""
        return Wait(hosts.poll_interval, f"still {migration.status} after its time{left}; policy: {policy}")
    run.memo["acted_on"] = migration.id
    said = f"not converged after {took:.0f} s"
    if policy == "force-complete":
        await cloud.force_complete(migration.server_id, migration.id)
        run.event(migration.server_id, "forced", f"{said}; Nova is to complete it by force")
        return Wait(hosts.poll_interval, f"{said}: forced to complete")
    if policy == "cold" and Way.COLD in run.memo["ways"]:
        run.memo["way_is_spent"] = True
    else:
        run.memo["left"] = said
    await cloud.abort_migration(migration.server_id, migration.id)
    return Wait(hosts.poll_interval, f"{said}: aborted")


def _moved(run: Run, server: Server) -> Outcome:
    run.memo["moved_to"] = server.host
    run.memo["destination"] = server.host
    return Done(f"{server.name} is {server.status} on {server.host}")


def _order(run: Run) -> dict[str, Any]:
    """What is to be moved, from where and how."""
    return {**run.params, **run.memo.get("order", {})}


async def _trace(run: Run) -> Migration | None:
    """Nova's record of the present attempt: one that is newer than all that were known before it."""
    newest = await _newest(run, run.params["server_id"], max_age=_fresh(run))
    return newest if newest is not None and newest.id > run.memo["last_known"] else None


async def _newest(run: Run, server_id: str, *, max_age: float) -> Migration | None:
    """The newest record of the server that is a move: one list of its host serves all servers there."""
    records = await run.ports.cloud.migrations_of_host(_order(run)["host"], max_age=max_age)
    of_server = (record for record in records if record.server_id == server_id and record.type in _OURS)
    return max(of_server, key=lambda record: record.id, default=None)


def _fresh(run: Run) -> float:
    """How old the list of migrations may be: not older than what was asked for, where that is unsure."""
    return 0.0 if run.attempt > 1 else run.ports.config.hosts.poll_interval * 0.9


async def _why(run: Run) -> str | None:
    try:
        return await run.ports.cloud.why(run.params["server_id"], run.memo.get("request_id"))
    except (CloudRefused, NotFound):
        return None


def _described(server: Server) -> dict[str, Any]:
    described = {"id": server.id, "name": server.name, "status": server.status}
    if policy := server.metadata.get("live_migration_policy"):
        described["policy"] = policy
    return described


MOVE_SERVER = Flow(
    kind="move-server",
    summary="Move a server off a host that is up",
    queue=QUEUE,
    steps=(look_at_server, begin_to_move, watch_the_move, tell_what_came_of_it),
    no_return=begin_to_move,
)

EVACUATE_SERVER = Flow(
    kind="evacuate-server",
    summary="Start a server of a dead, fenced host on another one",
    queue=QUEUE,
    steps=(look_at_server, begin_to_move, watch_the_move, tell_what_came_of_it),
    no_return=begin_to_move,
)
