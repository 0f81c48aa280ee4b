"""Starting the servers of a dead, fenced host elsewhere: a queue of `evacuate-server` flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.flows.base import Done, Fail, Outcome
from cloudmanager.flows.hosts.cordon import reason
from cloudmanager.flows.hosts.drain import work_through
from cloudmanager.flows.hosts.survey import allowed_by, in_words, judge_all
from cloudmanager.flows.servers.ways import Way

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.flows.run import Run


def host_is_down(run: Run) -> bool:
    """Whether the flow found its host down."""
    return not run.memo["found"]["up"]


def must_evacuate(run: Run) -> bool:
    """Whether servers are left to evacuate: from a dead host, or as the last way off a living one."""
    if host_is_down(run):
        return True
    return bool(run.params.get("allow_evacuate") and run.memo.get("left"))


async def expect_down(run: Run) -> Outcome:
    """End untouched when the host, which was thought to be dead, is up after all."""
    if run.params.get("only_if_down") and not host_is_down(run):
        return Fail(f"{run.params['host']} is up again: nothing was touched")
    return Done()


async def permit_evacuation(run: Run) -> Outcome:
    """Honour what the configuration forbids, before anything is touched."""
    if not (host_is_down(run) or run.params.get("allow_evacuate")):
        return Done()
    why = why_forbidden(run.ports.config.host_tasks, run.params["host"])
    return Fail(why) if why else Done()


def why_forbidden(tasks: Any, host: str) -> str | None:
    """Why the configuration's `[host_tasks]` keeps a host from being evacuated; None: it does not."""
    if not tasks.allow_evacuate_host:
        return f"{host} may not be evacuated: [host_tasks] allow_evacuate_host is False"
    if host in tasks.deny_evacuate:
        return f"{host} may not be evacuated: it is in [host_tasks] deny_evacuate"
    return None


async def see_what_is_left(run: Run) -> Outcome:
    """Before power is cut on a host that is up: see for which servers that is the only way left."""
    if host_is_down(run) or not run.params.get("allow_evacuate"):
        return Done()
    left = await run.ports.cloud.servers_on(run.params["host"])
    run.memo["left"] = [server.id for server in left]
    return Done(f"{len(left)} servers are left for evacuation" if left else "")


async def plan_evacuation(run: Run) -> Outcome:
    """Judge anew what is on the host, now that it is off, most important first."""
    host, cloud = run.params["host"], run.ports.cloud
    allowed = allowed_by(run.kind, run.params | {"allow_evacuate": True}, host_up=False)
    verdicts = await judge_all(cloud, host, allowed, host_up=False)
    servers = {server.id: server for server in await cloud.servers_on(host)}
    queue: list[dict[str, Any]] = []
    for verdict in verdicts:
        if Way.EVACUATE not in verdict.ways:
            run.event(verdict.server_id, "planned", in_words(verdict))
            continue
        row = verdict.told() | {"ways": [Way.EVACUATE]}
        server = servers.get(verdict.server_id)
        if server is not None and (timeout := _evacuation_time(server.metadata)):
            row["timeout"] = timeout
        queue.append(row)
    run.memo["evacuations"] = queue
    run.memo["plan"] = _with(run.memo["plan"], [verdict.told() for verdict in verdicts])
    run.result = {**run.result, "plan": run.memo["plan"]}
    return Done(f"{len(queue)} of {len(verdicts)} servers are to be evacuated")


async def evacuate_servers(run: Run) -> Outcome:
    """Have Nova start them elsewhere, so many at a time."""
    tries = run.ports.config.host_tasks.evacuation_retries
    return await work_through(run, "evacuate-server", run.memo["evacuations"], tries=tries)


async def await_the_return(run: Run) -> Outcome:
    """Leave behind a flow for the host's return: until it is clean it stays cordoned."""
    host, found = run.params["host"], run.memo["found"]
    params = {
        "host": host,
        "reason": reason(run) if run.memo.get("cordoned") else found["reason"],
        "release": bool(run.memo.get("cordoned")) and run.kind == "evacuate-host",
    }
    run.leave_behind("await-return", f"return:{host}", params)
    return Done()


def _evacuation_time(metadata: Any) -> float | None:
    """Seconds that the evacuation of this server may take, from its metadata."""
    text = metadata.get("evacuation_time", "")
    return float(text) if text.isascii() and text.isdigit() and int(text) else None


def _with(old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    by_id = {row["server_id"]: row for row in [*old, *new]}
    return list(by_id.values())
