"""`shutdown-host` and `decommission-host`: take a host out of service, for a while or for good.

Parameters: `host`; optional `allow_live_migrate`, `allow_off_vm` or `allow_migrate`, `allow_evacuate`,
`move_locked`, `block_migration`, `policy`, `fenced`; decommission also `power_off`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import update

from cloudmanager.flows.base import Done, Flow, Outcome
from cloudmanager.flows.hosts.cordon import uncordon_unless_power_was_touched
from cloudmanager.flows.hosts.drain import call_back
from cloudmanager.flows.hosts.emptying import EMPTYING
from cloudmanager.flows.hosts.fence import switch_power, when
from cloudmanager.flows.hosts.survey import remember_host, require_power
from cloudmanager.flows.servers.move import QUEUE
from cloudmanager.models import Node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.flows.run import Run

_OUT_OF_SERVICE = 0
_UNDO = (call_back, uncordon_unless_power_was_touched)


def shall_be_off(run: Run) -> bool:
    """Whether the request wants the power off in the end."""
    return bool(run.params.get("power_off"))


def may_touch_power(run: Run) -> bool:
    """Whether the request allows to switch the host off, now or as the way to empty it."""
    return shall_be_off(run) or bool(run.params.get("allow_evacuate") and not run.params.get("fenced"))


async def retire(run: Run) -> Outcome:
    """Say in the inventory that the machine is out of service."""
    if run.memo["node_id"] is None:
        return Done("it stays cordoned; the inventory does not know it")
    run.write(_retire, run.memo["node_id"])
    return Done(f"node {run.memo['node_id']} is out of service; it stays cordoned")


def _retire(session: Session, node_ids: Sequence[int]) -> None:
    session.execute(update(Node).where(Node.id.in_(node_ids)).values(condition=_OUT_OF_SERVICE))


SHUTDOWN_HOST = Flow(
    kind="shutdown-host",
    summary="Empty a host and switch it off; one that does not become empty is left on",
    queue=QUEUE,
    steps=(remember_host, require_power, *EMPTYING, switch_power("power-off", soft=True)),
    undo=_UNDO,
)

DECOMMISSION_HOST = Flow(
    kind="decommission-host",
    summary="Empty a host for good, and say so in the inventory",
    queue=QUEUE,
    steps=(
        remember_host,
        when(may_touch_power, require_power),
        *EMPTYING,
        when(shall_be_off, switch_power("power-off", soft=True)),
        retire,
    ),
    undo=_UNDO,
)
