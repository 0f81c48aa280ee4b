"""`restart-hosts`: a `restart-host` below this flow for each host, few at a time, with a health gate between.

Parameters: `hosts`; optional `in_sequence`, `batch`, and everything that `restart-host` takes.
Result: `{"success": [hosts], "failed": [hosts], "not_begun": [hosts]}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.flows.base import Child, Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.hosts.drain import call_back
from cloudmanager.flows.servers.move import QUEUE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from cloudmanager.flows.children import ChildState
    from cloudmanager.flows.run import Run
    from cloudmanager.openstack.records import Service

_LOOK_EVERY = 2.0
_OWN = ("hosts", "in_sequence", "batch")


async def look_at_hosts(run: Run) -> Outcome:
    """See that Nova knows them all, who is down already, and how many may be out of service at a time."""
    hosts: list[str] = run.params["hosts"]
    services = {service.host: service for service in await run.ports.cloud.services()}
    if unknown := [host for host in hosts if host not in services]:
        return Fail(f"nothing was touched: Nova knows no {', '.join(unknown)}")
    run.memo["down_before"] = sorted(host for host, service in services.items() if not service.up)
    wished = 1 if run.params.get("in_sequence") else run.params.get("batch")
    wished = wished or run.ports.config.hosts.restart_batch
    run.memo["batch"] = most_at_a_time(services, hosts, wished)
    run.result = {"success": [], "failed": [], "not_begun": list(hosts)}
    return Done(f"{len(hosts)} hosts, {run.memo['batch']} at a time")


async def restart_in_turn(run: Run) -> Outcome:
    """Start the next as others are back; after the first failure, or an unhealthy cloud, begin no other."""
    hosts: list[str] = run.params["hosts"]
    children = {child.params["host"]: child for child in await run.children("restart-host")}
    _report(run, hosts, children)
    open_ones = [child for child in children.values() if not child.ended]
    not_begun: list[str] = run.result["not_begun"]
    if not run.memo.get("stopped"):
        run.memo["stopped"] = _first_failure(children.values()) or (
            await _unhealthy(run, busy={child.params["host"] for child in open_ones}) if not_begun else None
        )
    if run.memo["stopped"] or not not_begun:
        if open_ones:
            return Wait(_LOOK_EVERY, f"waiting for {', '.join(child.params['host'] for child in open_ones)}")
        return _end(run)
    free = run.memo["batch"] - len(open_ones)
    held = await _start(run, not_begun[:free]) if free > 0 else {}
    waits = "".join(f"; {subject} is held by task {task}" for subject, task in held.items())
    return Wait(_LOOK_EVERY, f"{len(run.result['success'])} of {len(hosts)} hosts restarted{waits}")


def most_at_a_time(services: Mapping[str, Service], hosts: Collection[str], wished: int) -> int:
    """So many of the hosts that at least one other that takes servers is left to drain to."""
    usable = [host for host, service in services.items() if service.up and service.enabled]
    return max(1, min(wished, len(hosts), len(usable) - 1))


async def _start(run: Run, hosts: Sequence[str]) -> dict[str, str]:
    params = {name: value for name, value in run.params.items() if name not in _OWN}
    return await run.start_children(
        "restart-host", [Child(f"host:{host}", params | {"host": host}) for host in hosts]
    )


async def _unhealthy(run: Run, busy: Collection[str]) -> str | None:
    """The health gate: why no other host should be taken out of service now."""
    down = {service.host for service in await run.ports.cloud.services() if not service.up}
    new = down - set(run.memo["down_before"]) - set(busy)
    return f"{', '.join(sorted(new))} went down meanwhile" if new else None


def _first_failure(children: Collection[ChildState]) -> str | None:
    for child in children:
        if child.ended and not child.succeeded:
            return f"{child.params['host']}: {child.error or 'cancelled'}"
    return None


def _report(run: Run, hosts: Sequence[str], children: Mapping[str, ChildState]) -> None:
    ended = {host: child for host, child in children.items() if child.ended}
    told: list[str] = run.memo.setdefault("told", [])
    for host, child in ended.items():
        if host not in told:
            told.append(host)
            run.event(f"host:{host}", "done" if child.succeeded else "failed", child.error or "is back")
    result: dict[str, Any] = {
        "success": [host for host in hosts if host in ended and ended[host].succeeded],
        "failed": [host for host in hosts if host in ended and not ended[host].succeeded],
        "not_begun": [host for host in hosts if host not in children],
    }
    run.result = result


def _end(run: Run) -> Outcome:
    result = run.result
    if not run.memo["stopped"]:
        return Done(f"{len(result['success'])} hosts restarted")
    untouched = f"; not begun: {', '.join(result['not_begun'])}" if result["not_begun"] else ""
    return Fail(f"stopped: {run.memo['stopped']}{untouched}")


RESTART_HOSTS = Flow(
    kind="restart-hosts",
    summary="Restart hosts one after another or few at a time, each emptied first",
    queue=QUEUE,
    steps=(look_at_hosts, restart_in_turn),
    undo=(call_back,),
)
