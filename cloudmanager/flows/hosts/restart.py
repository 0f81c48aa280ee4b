"""`restart-host`: empty a host, switch it off and on, and see that its nova-compute is a new one.

Off and on, not the device's reset: both can be confirmed and repeated after a crash. The witness of the boot
is Nova's: a report that is newer than the last one before the power was off. No two clocks are compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.errors import CloudRefused
from cloudmanager.flows.base import Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.hosts.cordon import uncordon, uncordon_unless_power_was_touched
from cloudmanager.flows.hosts.drain import call_back
from cloudmanager.flows.hosts.emptying import EMPTYING
from cloudmanager.flows.hosts.fence import switch_power
from cloudmanager.flows.hosts.survey import remember_host, require_power
from cloudmanager.flows.servers.move import QUEUE

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run

_LOOK_EVERY = 1.0
_UNDER_WAY = 1.0
"""Seconds that a report of a host may be under way after its power is off."""


async def note_last_report(run: Run) -> Outcome:
    """Remember the last report of the nova-compute that is dead now."""
    off_since = run.memo.setdefault("off_since", run.now())
    left = off_since + _UNDER_WAY - run.now()
    if left > 0:
        return Wait(left, "letting its last reports arrive")
    service = await run.ports.cloud.service(run.params["host"])
    run.memo["last_report"] = service.reported_at.isoformat() if service.reported_at else ""
    return Done()


async def wait_for_nova_compute(run: Run) -> Outcome:
    """Wait until a nova-compute reports that was started since the power was off."""
    host = run.params["host"]
    service = await run.ports.cloud.service(host)
    reported = service.reported_at.isoformat() if service.reported_at else ""
    started = reported > run.memo["last_report"]
    if started and service.up:
        return Done(f"{host} is back: its nova-compute reported at {reported}")
    waited = run.now() - run.memo.setdefault("on_since", run.now())
    if waited > run.ports.config.hosts.boot_timeout:
        return Fail(f"{host} has power, and its nova-compute has not reported for {waited:.0f} s")
    if started and service.forced_down:
        return await _let_reports_count(run, host)
    return Wait(_LOOK_EVERY, "waiting for its nova-compute")


async def _let_reports_count(run: Run, host: str) -> Outcome:
    try:
        await run.ports.cloud.release_force_down(host)
    except CloudRefused:
        return Wait(_LOOK_EVERY, "waiting for its nova-compute to clean up evacuated servers")
    return Wait(_LOOK_EVERY, "its reports count again")


RESTART_HOST = Flow(
    kind="restart-host",
    summary="Empty a host, restart it and put it back into service",
    queue=QUEUE,
    steps=(
        remember_host,
        require_power,
        *EMPTYING,
        switch_power("power-off", soft=True),
        note_last_report,
        switch_power("power-on"),
        wait_for_nova_compute,
        uncordon,
    ),
    undo=(call_back, uncordon_unless_power_was_touched),
)
