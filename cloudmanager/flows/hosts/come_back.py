"""`await-return` and `release-host`: a fenced host that comes back stays cordoned until it is clean.

Its own nova-compute deletes the servers that were evacuated from it when it starts; Nova marks their
evacuation `completed` then, and only then lets the host be released.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.errors import CloudRefused, NotFound
from cloudmanager.flows.base import Child, Done, Flow, Outcome, Wait
from cloudmanager.flows.hosts.spare_for_host import have_spare_returned
from cloudmanager.flows.servers.move import QUEUE
from cloudmanager.openstack.records import MigrationType

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run

_LOOK_EVERY = 1.0


async def note_silence(run: Run) -> Outcome:
    """Remember the last report of the host, to notice the next."""
    service = await run.ports.cloud.service(run.params["host"])
    run.memo["last_report"] = service.reported_at.isoformat() if service.reported_at else ""
    return Done()


async def watch_for_return(run: Run) -> Outcome:
    """Wait until the host reports again and has nothing of what was evacuated."""
    host, interval = run.params["host"], run.ports.config.hosts.return_interval
    try:
        service = await run.ports.cloud.service(host)
    except NotFound:
        run.memo["gone"] = True
        return Done(f"Nova does not know {host} any more")
    reported = service.reported_at.isoformat() if service.reported_at else ""
    if reported <= run.memo["last_report"]:
        return Wait(interval, f"waiting for {host} to come back")
    records = await run.ports.cloud.migrations_of_host(host)
    unclean = {
        record.server_id
        for record in records
        if record.type == MigrationType.EVACUATION and record.source == host and record.status == "done"
    }
    if unclean:
        return Wait(
            interval, f"{host} reports; {len(unclean)} evacuated servers are not cleaned up there yet"
        )
    return Done(f"{host} is back, and clean")


async def have_it_released(run: Run) -> Outcome:
    """Start the release below this flow as soon as no other task holds the host."""
    if run.memo.get("gone"):
        return Done()
    host = run.params["host"]
    held = await run.start_children("release-host", [Child(f"host:{host}", dict(run.params))])
    if held:
        return Wait(run.ports.config.hosts.return_interval, f"task {next(iter(held.values()))} holds {host}")
    if await run.open_children():
        return Wait(_LOOK_EVERY, f"{host} is being released")
    return Done(f"{host} is released")


async def let_reports_count(run: Run) -> Outcome:
    """Take back that the host is down, whatever it reports."""
    host, cloud = run.params["host"], run.ports.cloud
    service = await cloud.service(host)
    if not service.forced_down:
        return Done()
    try:
        await cloud.release_force_down(host)
    except CloudRefused as refused:
        return Wait(
            run.ports.config.hosts.return_interval, f"Nova does not release {host}: {refused.message}"
        )
    return Done(f"reports of {host} count again")


async def put_back_into_service(run: Run) -> Outcome:
    """Uncordon it, if it was in service before and still has our cordon."""
    host, cloud = run.params["host"], run.ports.cloud
    service = await cloud.service(host)
    if service.enabled:
        return Done()
    if not run.params.get("release") or service.disabled_reason != run.params.get("reason"):
        return Done(f"{host} stays cordoned ({service.disabled_reason or 'no reason'})")
    await cloud.uncordon(host)
    return Done(f"{host} takes servers again")


AWAIT_RETURN = Flow(
    kind="await-return",
    summary="Wait for a fenced host to come back clean, then have it released",
    queue=QUEUE,
    steps=(note_silence, watch_for_return, have_it_released, have_spare_returned),
)

RELEASE_HOST = Flow(
    kind="release-host",
    summary="Let a host that was fenced take part again",
    queue=QUEUE,
    steps=(let_reports_count, put_back_into_service),
)
