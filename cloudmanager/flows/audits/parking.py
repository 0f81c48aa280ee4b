"""Switching off hosts that a consolidation has emptied, and on again when they are needed.

A host that is parked is cordoned with a reason that says so: by that it is known again as one that may be
switched on. Who cordons it for another reason takes it over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from cloudmanager.errors import NotFound
from cloudmanager.flows.audits.look import PARKED
from cloudmanager.flows.base import Child, Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.hosts.cordon import cordon, uncordon_unless_power_was_touched
from cloudmanager.flows.hosts.fence import switch_power
from cloudmanager.flows.hosts.restart import note_last_report, wait_for_nova_compute
from cloudmanager.flows.hosts.survey import remember_host, require_power
from cloudmanager.flows.servers.move import QUEUE
from cloudmanager.models import Audit

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from cloudmanager.flows.run import Run

_LOOK_EVERY = 2.0


# --- steps of the flow that applies a plan ---------------------------------------------------------------


async def unpark_hosts(run: Run) -> Outcome:
    """Have hosts switched on that the plan needs, where that is allowed."""
    return await _switch(run, "unpark-host", "switch_on")


async def park_hosts(run: Run) -> Outcome:
    """Have hosts switched off that the plan has emptied, where that is allowed."""
    return await _switch(run, "park-host", "switch_off")


async def _switch(run: Run, kind: str, part: str) -> Outcome:
    """A flow of this kind for each host that the plan names; one that fails is told, and ends nothing."""
    if not run.ports.config.drs.switch_hosts:
        return Done()
    hosts = await run.read(lambda session: _named(session, run.memo["audit_id"], part))
    if not hosts:
        return Done()
    children = {child.params["host"]: child for child in await run.children(kind)}
    tried: list[str] = run.memo.setdefault(part, [])
    if new := [host for host in hosts if host not in children and host not in tried]:
        tried += new
        held = await run.start_children(
            kind,
            [
                Child(f"host:{host}", {"host": host, "aggregate_id": run.params["aggregate_id"]})
                for host in new
            ],
        )
        for subject, task in held.items():
            run.event(subject, "skipped", f"task {task} works at it")
        return Wait(0.0, f"{kind} of {', '.join(new)}")
    if busy := [host for host, child in children.items() if not child.ended]:
        return Wait(_LOOK_EVERY, f"waiting for the {kind} of {', '.join(sorted(busy))}")
    for host, child in children.items():
        run.event(f"host:{host}", "done" if child.succeeded else "failed", child.error or f"{kind} is done")
    done = sum(child.succeeded for child in children.values())
    return Done(f"{kind}: {done} of {len(hosts)} hosts")


def _named(session: Session, audit_id: int, part: str) -> list[str]:
    plan = session.scalar(select(Audit.plan).where(Audit.id == audit_id))
    return list(plan[part]) if plan else []


# --- steps of the flows of one host ----------------------------------------------------------------------


async def see_that_it_is_empty(run: Run) -> Outcome:
    """A spare host has no server, and none is moving there; nobody else has cordoned it."""
    host, cloud = run.params["host"], run.ports.cloud
    found = run.memo["found"]
    if not found["enabled"]:
        return Fail(f"{host} is cordoned ({found['reason'] or 'no reason'}): left as it is")
    servers = await cloud.servers_on(host)
    if servers:
        return Fail(f"{host} is not empty: {len(servers)} servers are there")
    for record in await cloud.migrations_of_host(host):
        if record.destination == host and not record.ended and await _really_moves(run, record.server_id):
            return Fail(f"{host} is not empty: server {record.server_id} is moving there")
    return Done(f"{host} is empty")


async def _really_moves(run: Run, server_id: str) -> bool:
    try:
        return (await run.ports.cloud.server(server_id)).task_state is not None
    except NotFound:
        return False


async def see_that_it_is_parked(run: Run) -> Outcome:
    """Only what was switched off by a plan is switched on by one."""
    why = run.memo["found"]["reason"] or ""
    if run.memo["found"]["enabled"] or not why.startswith(PARKED):
        return Fail(f"{run.params['host']} was not switched off by the balancer: {why or 'it is in service'}")
    return Done()


async def let_it_take_servers(run: Run) -> Outcome:
    """Uncordon it, if the cordon is still the one that parked it."""
    host, cloud = run.params["host"], run.ports.cloud
    service = await cloud.service(host)
    if service.enabled:
        return Done()
    if service.disabled_reason != run.memo["found"]["reason"]:
        return Done(f"{host} is on and stays cordoned ({service.disabled_reason or 'no reason'})")
    await cloud.uncordon(host)
    return Done(f"{host} takes servers again")


PARK_HOST = Flow(
    kind="park-host",
    summary="Switch off a host that a consolidation has emptied",
    queue=QUEUE,
    steps=(
        remember_host,
        require_power,
        see_that_it_is_empty,
        cordon,
        see_that_it_is_empty,
        switch_power("power-off", soft=True),
    ),
    undo=(uncordon_unless_power_was_touched,),
)

UNPARK_HOST = Flow(
    kind="unpark-host",
    summary="Switch on a host that a consolidation has switched off",
    queue=QUEUE,
    steps=(
        remember_host,
        require_power,
        see_that_it_is_parked,
        note_last_report,
        switch_power("power-on"),
        wait_for_nova_compute,
        let_it_take_servers,
    ),
)
