"""Having a machine start from the network the next time, and only then: `boot-from-network`.

Parameters: `node_id`. The node's default control is told, and no other: another may switch the same power,
but sits in no machine. Nothing is switched, and telling it twice is like telling it once.
"""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING

from cloudmanager.flows.base import Done, Fail, Flow, Outcome
from cloudmanager.flows.power import QUEUE, outlets_of
from cloudmanager.power import Outlet

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run


async def find_control(run: Run) -> Outcome:
    """The node's default control."""
    outlets = await run.read(lambda session: outlets_of(session, run.params))
    if not outlets:
        return Fail(f"node {run.params['node_id']} has no power control any more")
    run.memo["outlet"] = astuple(outlets[0])
    return Done()


async def set_next_boot(run: Run) -> Outcome:
    """Tell the device."""
    outlet = Outlet(*run.memo["outlet"])
    await run.ports.power.set_next_boot_from_network(outlet)
    return Done(f"the next start by {outlet} is from the network")


BOOT_FROM_NETWORK = Flow(
    kind="boot-from-network",
    summary="Have a machine start from the network the next time",
    queue=QUEUE,
    steps=(find_control, set_next_boot),
)
