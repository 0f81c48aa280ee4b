"""`delete-instance`: the end of an instance. Its volumes stay, but for the local disk; public addresses go.

Parameters: `project_id`, `server_id`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.errors import NotFound
from cloudmanager.flows.base import Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.portal.addresses import look_at_instance, release_addresses, withdraw_name
from cloudmanager.flows.portal.marks import QUEUE, cloud_of

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run


async def delete_server(run: Run) -> Outcome:
    """Begin to delete it; one that is gone is deleted."""
    if run.memo.get("gone"):
        return Done()
    await cloud_of(run).delete_server(run.params["server_id"])
    return Done("its deletion is begun")


async def await_gone(run: Run) -> Outcome:
    """Watch until Nova knows it no longer."""
    hosts = run.ports.config.hosts
    try:
        server = await cloud_of(run).server(run.params["server_id"])
    except NotFound:
        return Done("it is gone")
    waited = run.now() - run.memo.setdefault("deleting_since", run.now())
    if waited > hosts.clone_timeout:
        return Fail(f"{server.name} is still there after {waited:.0f} s: {server.status}")
    return Wait(hosts.poll_interval, f"{server.name} is being deleted")


DELETE_INSTANCE = Flow(
    kind="delete-instance",
    summary="Delete an instance and give its public addresses back",
    queue=QUEUE,
    steps=(look_at_instance, withdraw_name, delete_server, await_gone, release_addresses),
    no_return=withdraw_name,
)
