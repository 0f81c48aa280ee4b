"""Taking a spare out of service again: the steps that lending undone and returning have in common.

They find in `run.memo["loan"]` what the loan was, in the words of `loans.Loan`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.drivers.base import PowerState
from cloudmanager.errors import CloudRefused, NotFound
from cloudmanager.flows.base import Done, Outcome
from cloudmanager.flows.hosts.fence import switched

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run


async def leave_aggregates(run: Run) -> Outcome:
    """Take it out of those aggregates that it joined for the loan."""
    loan: dict[str, Any] = run.memo["loan"]
    left = 0
    for aggregate_id in loan["aggregates"]:
        try:
            await run.ports.cloud.leave_aggregate(aggregate_id, loan["host"])
            left += 1
        except (CloudRefused, NotFound) as refused:
            run.event(f"host:{loan['host']}", "failed", f"aggregate {aggregate_id}: {refused.message}")
    return Done(f"left {left} of {len(loan['aggregates'])} aggregates" if loan["aggregates"] else "")


async def switch_off_as_found(run: Run) -> Outcome:
    """Switch it off, by the button first, if it was off before."""
    if run.memo["loan"]["found"]["power"] != PowerState.OFF:
        return Done(f"{run.memo['loan']['host']} stays on, as it was found")
    return await switched(run, "power-off", soft=True)


async def cordon_as_found(run: Run) -> Outcome:
    """Give it the cordon back that it had; one that had none gets none, now that it is off."""
    loan: dict[str, Any] = run.memo["loan"]
    host, found, cloud = loan["host"], loan["found"], run.ports.cloud
    try:
        if found["enabled"] is False and found["reason"]:
            await cloud.cordon(host, found["reason"])
            return Done(f"cordoned as before ({found['reason']})")
        if found["enabled"] and found["power"] == PowerState.OFF:
            await cloud.uncordon(host)
            return Done("not cordoned, as before: it is off")
    except NotFound:
        return Done(f"Nova does not know {host}")
    return Done()
