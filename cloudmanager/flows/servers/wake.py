"""`wakeup-server` and `reset-reboot-server`: what an operator asks for, whatever is wrong.

Parameters: `server_id`; `reset-reboot-server` also takes `reboot`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.flows.base import Flow, Outcome, Wait
from cloudmanager.flows.servers.move import QUEUE
from cloudmanager.flows.servers.plan import ServerPlan
from cloudmanager.flows.servers.remedies import resetting, waking
from cloudmanager.flows.servers.treatment import TREATMENT, begin_remedy, prescribe, reset_its_state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.flows.run import Run
    from cloudmanager.openstack.port import CloudPort


async def look_how_it_sleeps(run: Run) -> Outcome:
    """Find out what wakes it; while Nova is busy with it, wait for the end of that."""
    server = await run.ports.cloud.server(run.params["server_id"])
    hosts = run.ports.config.hosts
    since = run.memo.setdefault("looked_at", run.now())
    if server.task_state is not None and run.now() - since <= hosts.server_timeout:
        return Wait(hosts.poll_interval, f"waiting for {server.task_state} to end")
    return prescribe(run, server, waking(server))


async def look_before_reset(run: Run) -> Outcome:
    """Remember how it was found."""
    server = await run.ports.cloud.server(run.params["server_id"])
    return prescribe(run, server, resetting(server, reboot=run.params.get("reboot", False)))


async def plan_to_wake(cloud: CloudPort, params: Mapping[str, Any]) -> ServerPlan:
    """What `wakeup-server` would do."""
    server = await cloud.server(params["server_id"])
    diagnosis = waking(server)
    return ServerPlan.of("wakeup", server, diagnosis.acts, diagnosis.told)


async def plan_to_reset(cloud: CloudPort, params: Mapping[str, Any]) -> ServerPlan:
    """What `reset-reboot-server` would do."""
    server = await cloud.server(params["server_id"])
    diagnosis = resetting(server, reboot=params.get("reboot", False))
    return ServerPlan.of("reset-reboot", server, diagnosis.acts, diagnosis.told)


WAKEUP_SERVER = Flow(
    kind="wakeup-server",
    summary="Have a server run that is suspended, paused, stopped or shelved",
    queue=QUEUE,
    steps=(look_how_it_sleeps, *TREATMENT),
    no_return=begin_remedy,
)

RESET_REBOOT_SERVER = Flow(
    kind="reset-reboot-server",
    summary="Reset Nova's record of a server to active, and restart the server where that is wished",
    queue=QUEUE,
    steps=(look_before_reset, *TREATMENT),
    no_return=reset_its_state,
)
