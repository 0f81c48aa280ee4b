"""`repair-server` and `recover-server`: bring a server back by what is wrong with it.

Parameters: `server_id`; optional `fenced`. Recovering does not wait for what Nova does: its record is reset.
A server of a dead host is started elsewhere only when the host is confirmed off: to cut the power of a whole
host for one server would be wrong, so that is left to `evacuate-host`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.drivers.base import PowerState
from cloudmanager.errors import DeviceError, NotFound
from cloudmanager.flows.base import Done, Fail, Flow, Outcome, Step, Wait
from cloudmanager.flows.hosts.evacuation import why_forbidden
from cloudmanager.flows.hosts.fence import when
from cloudmanager.flows.hosts.silence import silence_of
from cloudmanager.flows.hosts.survey import find_node
from cloudmanager.flows.power import outlets_of
from cloudmanager.flows.servers.move import QUEUE, begin_to_move, look_at_server, watch_the_move
from cloudmanager.flows.servers.plan import ServerPlan
from cloudmanager.flows.servers.remedies import diagnose
from cloudmanager.flows.servers.treatment import TREATMENT, prescribe
from cloudmanager.flows.servers.ways import Way

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.flows.run import Run
    from cloudmanager.openstack.port import CloudPort
    from cloudmanager.openstack.records import Server

RECOVER = "recover-server"


async def host_is_down(cloud: CloudPort, server: Server) -> bool:
    """Whether Nova counts the server's host as down, or has lost it."""
    if server.host is None:
        return False
    try:
        return not (await cloud.service(server.host)).up
    except NotFound:
        return True


async def examine(run: Run) -> Outcome:
    """See what is wrong. A task of Nova's that does not end in time is stuck."""
    cloud = run.ports.cloud
    server = await cloud.server(run.params["server_id"])
    if await host_is_down(cloud, server):
        run.memo["order"] = {"host": server.host, "ways": [Way.EVACUATE]}
        return Done(f"{server.name} is on {server.host}, which is down")
    if run.kind == RECOVER:
        return prescribe(run, server, diagnose(server, busy_is_stuck=True, reset=True))
    if server.task_state is None:
        return prescribe(run, server, diagnose(server, busy_is_stuck=False, reset=False))
    moving = [record for record in await cloud.migrations_of(server.id) if not record.ended]
    if moving:
        return Fail(
            f"Nova's migration {moving[0].id} moves it ({server.task_state}): wait for its end, or abort it"
        )
    return _see_whether_it_is_stuck(run, server)


def _see_whether_it_is_stuck(run: Run, server: Server) -> Outcome:
    """Watch for as long as a task may take; the time for which it was seen elsewhere does not count."""
    hosts = run.ports.config.hosts
    if run.memo.get("task") != server.task_state:
        run.memo |= {"task": server.task_state, "task_since": run.now()}
    waited = run.now() - run.memo["task_since"]
    if waited < hosts.server_timeout:
        return Wait(hosts.poll_interval, f"waiting for {server.task_state} to end, or to prove stuck")
    return prescribe(run, server, diagnose(server, busy_is_stuck=True, reset=True))


def must_be_evacuated(run: Run) -> bool:
    """Whether its host is down."""
    return "order" in run.memo


async def confirm_host_is_off(run: Run) -> Outcome:
    """Its power, read through the default control of its node, or the word of an admin, which is recorded."""
    host = run.memo["order"]["host"]
    if why := why_forbidden(run.ports.config.host_tasks, host):
        return Fail(why)
    if run.params.get("fenced"):
        run.event(f"host:{host}", "vouched", f"{run.requested_by} vouches that {host} is off")
        return Done(f"{host} counts as off: {run.requested_by} vouches for it")
    why_not = await _why_not_off(run, host)
    if why_not is None:
        return Done(f"{host} is off")
    return Fail(
        f"{host} is down for Nova, but not confirmed off: {why_not}. Nothing was touched: "
        f"POST /v1/hosts/{host}/actions/evacuate fences it first; or see yourself that it is off and ask "
        "again with fenced: true"
    )


async def see_host_silent(run: Run) -> Outcome:
    """What is off writes to no availability storage."""
    host = run.memo["order"]["host"]
    return await silence_of(run, host, await find_node(run, host))


async def _why_not_off(run: Run, host: str) -> str | None:
    node_id = await find_node(run, host)
    if node_id is None:
        return "it has no node in the inventory"
    outlets = await run.read(lambda session: outlets_of(session, {"node_id": node_id}))
    if not outlets:
        return f"its node {node_id} has no power control"
    try:
        state = await run.ports.power.read(outlets[0])
    except DeviceError as error:
        return error.message
    return None if state == PowerState.OFF else f"{outlets[0]} says that it is {state}"


async def look_again(run: Run) -> Outcome:
    """See how it is on its new host."""
    server = await run.ports.cloud.server(run.params["server_id"])
    outcome = prescribe(run, server, diagnose(server, busy_is_stuck=False, reset=False))
    run.result["found"] = run.memo["found"]["status"]
    run.result["did"] = [f"evacuated it from {run.memo['order']['host']} to {server.host}"]
    run.result |= {"status": server.status, "host": server.host}
    return outcome


_begin_evacuation: Step = when(must_be_evacuated, begin_to_move)

STEPS = (
    examine,
    when(must_be_evacuated, confirm_host_is_off),
    when(must_be_evacuated, see_host_silent),
    when(must_be_evacuated, look_at_server),
    _begin_evacuation,
    when(must_be_evacuated, watch_the_move),
    when(must_be_evacuated, look_again),
    *TREATMENT,
)


async def plan_to_repair(cloud: CloudPort, params: Mapping[str, Any], *, recover: bool) -> ServerPlan:
    """What the flow would do."""
    action = "recover" if recover else "repair"
    server = await cloud.server(params["server_id"])
    if await host_is_down(cloud, server):
        vouched = "" if params.get("fenced") else f", once {server.host} is confirmed off"
        acts = (f"evacuate it from {server.host}{vouched}",)
        return ServerPlan.of(action, server, acts, f"its host {server.host} is down")
    diagnosis = diagnose(server, busy_is_stuck=recover, reset=recover)
    return ServerPlan.of(action, server, diagnosis.acts, diagnosis.told)


REPAIR_SERVER = Flow(
    kind="repair-server",
    summary="Bring a server back by what is wrong with it",
    queue=QUEUE,
    steps=STEPS,
    no_return=_begin_evacuation,
)

RECOVER_SERVER = Flow(
    kind=RECOVER,
    summary="Reset Nova's record of a server and bring it back, whatever Nova is doing with it",
    queue=QUEUE,
    steps=STEPS,
    no_return=_begin_evacuation,
)
