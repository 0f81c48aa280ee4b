"""Cordoning a host for the time of a flow, and putting back what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.flows.base import Done, Outcome

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run


_OURS = "cloudmanager: "
_NOVAS = "AUTO: "
"""How Nova's libvirt driver begins the reason when it disables its own service."""


def reason(run: Run) -> str:
    """What Nova shows as the reason; by it we know our own cordon again."""
    return f"{_OURS}{run.kind}, task {run.id}"


def is_by_somebody(enabled: bool, reason: str | None) -> bool:
    """Whether a person or another program has cordoned the host: neither a task of ours nor Nova itself."""
    return not enabled and not (reason or "").startswith((_OURS, _NOVAS))


async def cordon(run: Run) -> Outcome:
    """Let nothing new be put on the host. One that is cordoned keeps the reason that it has."""
    if not run.memo["found"]["enabled"]:
        return Done()
    await run.ports.cloud.cordon(run.params["host"], reason(run))
    run.memo["cordoned"] = True
    return Done("cordoned")


async def uncordon(run: Run) -> Outcome:
    """Let the host be used again, if it was in use when the flow began and still has our cordon."""
    if not run.memo.get("found", {}).get("enabled"):
        return Done()
    service = await run.ports.cloud.service(run.params["host"])
    if service.enabled:
        return Done()
    if service.disabled_reason != reason(run):
        return Done(f"cordoned by somebody else meanwhile ({service.disabled_reason}): left so")
    await run.ports.cloud.uncordon(run.params["host"])
    return Done("uncordoned: it takes servers again")


async def uncordon_unless_power_was_touched(run: Run) -> Outcome:
    """What was begun with the power of a host leaves it cordoned: somebody must look at it."""
    if run.memo.get("power_touched"):
        return Done("it stays cordoned: look at it, then enable it")
    return await uncordon(run)
