"""`restart-hosts`: a `restart-host` below this flow for each host, few at a time, with a health gate between.

Parameters: `hosts`; optional `in_sequence`, `batch`, and everything that `restart-host` takes.
Result: `{"success": [hosts], "failed": [hosts], "not_begun": [hosts]}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.flows.base import Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.hosts.drain import call_back
from cloudmanager.flows.hosts.in_turn import (
    begin,
    can_be_begun,
    how_far,
    most_at_a_time,
    newly_down,
    remember_who_is_down,
)
from cloudmanager.flows.servers.move import QUEUE

if TYPE_CHECKING:
    from cloudmanager.flows.hosts.in_turn import Turn
    from cloudmanager.flows.run import Run

_LOOK_EVERY = 2.0
_OWN = ("hosts", "in_sequence", "batch")


async def look_at_hosts(run: Run) -> Outcome:
    """See that Nova knows them all, who is down already, and how many may be out of service at a time."""
    hosts: list[str] = run.params["hosts"]
    services = {service.host: service for service in await run.ports.cloud.services()}
    if unknown := [host for host in hosts if host not in services]:
        return Fail(f"nothing was touched: Nova knows no {', '.join(unknown)}")
    remember_who_is_down(run, services)
    wished = 1 if run.params.get("in_sequence") else run.params.get("batch")
    wished = wished or run.ports.config.hosts.restart_batch
    run.memo["batch"] = most_at_a_time(services, hosts, wished)
    run.result = {"success": [], "failed": [], "not_begun": list(hosts)}
    return Done(f"{len(hosts)} hosts, {run.memo['batch']} at a time")


async def restart_in_turn(run: Run) -> Outcome:
    """Start the next as others are back; after the first failure, or an unhealthy cloud, begin no other."""
    turn = await how_far(run, "restart-host", run.params["hosts"], done="is back")
    run.result = {"success": turn.succeeded, "failed": turn.failed, "not_begun": turn.not_begun}
    services = {service.host: service for service in await run.ports.cloud.services()}
    if not run.memo.get("stopped"):
        run.memo["stopped"] = _first_failure(turn) or (
            newly_down(run, services.values(), turn.busy) if turn.not_begun else None
        )
    if run.memo["stopped"] or not turn.not_begun:
        if turn.busy:
            return Wait(_LOOK_EVERY, f"waiting for {', '.join(turn.busy)}")
        return _end(run, turn)
    params = {name: value for name, value in run.params.items() if name not in _OWN}
    held: dict[str, str] = {}
    if len(turn.busy) < run.memo["batch"] and (free := await can_be_begun(run, turn, services)):
        held = await begin(run, "restart-host", free[:1], params)
    waits = "".join(f"; {subject} is held by task {task}" for subject, task in held.items())
    return Wait(_LOOK_EVERY, f"{len(turn.succeeded)} of {len(turn.hosts)} hosts restarted{waits}")


def _first_failure(turn: Turn) -> str | None:
    return next((f"{host}: {turn.why_failed(host)}" for host in turn.failed), None)


def _end(run: Run, turn: Turn) -> Outcome:
    if not run.memo["stopped"]:
        return Done(f"{len(turn.succeeded)} hosts restarted")
    untouched = f"; not begun: {', '.join(turn.not_begun)}" if turn.not_begun else ""
    return Fail(f"stopped: {run.memo['stopped']}{untouched}")


RESTART_HOSTS = Flow(
    kind="restart-hosts",
    summary="Restart hosts one after another or few at a time, each emptied first",
    queue=QUEUE,
    steps=(look_at_hosts, restart_in_turn),
    undo=(call_back,),
)
