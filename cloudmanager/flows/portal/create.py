"""`create-instance`: a new instance of a tenant's, with a volume, SSH and a public address as wished.

Parameters: `project_id`, `name`, `image_id`, `image_name`, `flavor_id`, `security_groups` (ids), `key_name`,
`networks` (ids), `volume` ({name, size} or null), `enable_ssh`, `public`, `dname`, and `user_data`, which is
sealed. An instance that fails takes back what was made for it.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from cloudmanager.errors import CloudRefused
from cloudmanager.flows.base import Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.hosts.fence import when
from cloudmanager.flows.portal.addresses import (
    give_address,
    publish_name,
    release_taken,
    withdraw_published,
)
from cloudmanager.flows.portal.marks import DOMAIN, QUEUE, cloud_of, is_ours, mark, marker
from cloudmanager.flows.servers.clone import await_all, first_id
from cloudmanager.flows.servers.clone_undo import deletable, delete_all
from cloudmanager.openstack.definitions import NewAttachment, NewServer

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run

SSH_GROUP = "cloudmanager-ssh"
"""The security group that lets SSH in: one for all instances of a project that want it."""

_DEFAULT_GROUP = "default"
"""What Nova takes when none is named."""

_SSH = 22
_IN_USE = 409


# --- what it needs -----------------------------------------------------------------------------------------


async def make_volume(run: Run) -> Outcome:
    """Begin its volume, if it is to have one."""
    wish, cloud = run.params["volume"], cloud_of(run)
    if wish is None:
        return Done()
    known = await cloud.find_volumes(marker(run)) if run.attempt > 1 else ()
    volume_id = first_id(known)
    if volume_id is None:
        volume_id = (await cloud.create_volume(wish["name"], wish["size"], marker(run))).id
    run.memo["volume_id"] = volume_id
    return Done(f"volume {wish['name']} is begun")


async def await_volume(run: Run) -> Outcome:
    """Watch until the volume is there."""
    if run.params["volume"] is None:
        return Done()
    found = await cloud_of(run).find_volumes(marker(run))
    return await await_all(run, "volume", [run.memo["volume_id"]], found)


async def make_ssh_group(run: Run) -> Outcome:
    """Find the project's group for SSH, or make it."""
    cloud = cloud_of(run)
    known = [
        one for one in await cloud.security_groups() if one.name == SSH_GROUP and is_ours(one.description)
    ]
    group_id = first_id(known)
    if group_id is None:
        group_id = (await cloud.create_security_group(SSH_GROUP, mark(run))).id
    run.memo["ssh_group"] = group_id
    return Done()


async def open_ssh(run: Run) -> Outcome:
    """Let SSH in from where [portal] ssh_sources says."""
    sources = run.ports.config.portal.ssh_sources
    for source in sources:
        await cloud_of(run).let_in(run.memo["ssh_group"], _SSH, source)
    return Done(f"SSH is let in from {', '.join(sources)}")


# --- the instance ------------------------------------------------------------------------------------------


async def make_server(run: Run) -> Outcome:
    """Begin it."""
    cloud = cloud_of(run)
    known = await cloud.find_servers(marker(run)) if run.attempt > 1 else ()
    server_id = first_id(known)
    if server_id is None:
        made = await cloud.create_server(_new(run))
        server_id = made.id
        run.event(server_id, "begun", f"{run.params['name']} ({made.request_id or 'no request id'})")
    run.memo["server_id"], run.memo["dname"] = server_id, run.params["dname"]
    run.result = {"instance_id": server_id, "address": None}
    return Done(f"instance {run.params['name']} is begun")


def _new(run: Run) -> NewServer:
    params, memo = run.params, run.memo
    metadata = {"image_name": params["image_name"], DOMAIN: params["dname"]}
    groups = params["security_groups"]
    if params["enable_ssh"]:
        groups = [*(groups or [_DEFAULT_GROUP]), memo["ssh_group"]]
    key_name = params["key_name"] and cloud_of(run).keypair_in_nova(params["key_name"])
    return NewServer(
        name=params["name"],
        flavor_id=params["flavor_id"],
        image_id=params["image_id"],
        networks=tuple(params["networks"]),
        security_groups=tuple(groups),
        key_name=key_name,
        marker=marker(run),
        metadata={name: value for name, value in metadata.items() if value},
        user_data=_user_data(run),
        attachments=(NewAttachment(memo["volume_id"]),) if params["volume"] else (),
    )


def _user_data(run: Run) -> str | None:
    """In base64, as Nova takes it."""
    sealed, vault = run.params["user_data"], run.ports.vault
    if sealed is None or vault is None:
        return None
    return base64.b64encode(vault.open(sealed).encode()).decode()


async def await_server(run: Run) -> Outcome:
    """Watch until it runs."""
    hosts = run.ports.config.hosts
    server = await cloud_of(run).server(run.memo["server_id"])
    if server.vm_state == "active":
        return Done(f"{server.name} runs")
    if server.vm_state == "error" and server.task_state is None:
        return Fail(f"{server.name} ended in ERROR: {server.fault or 'Nova does not say why'}")
    waited = run.now() - run.memo.setdefault("booting_since", run.now())
    if waited > hosts.clone_timeout:
        return Fail(f"{server.name} does not run after {waited:.0f} s: {server.status}")
    return Wait(hosts.poll_interval, f"{server.name} is {server.status}")


# --- taking back -------------------------------------------------------------------------------------------


async def delete_servers(run: Run) -> Outcome:
    """Undo: the instance; its volume cannot go before it."""
    found = await cloud_of(run).find_servers(marker(run))
    ready = [server for server in found if server.task_state != "deleting"]
    return await delete_all(run, "instance", found, ready, cloud_of(run).delete_server)


async def delete_volumes(run: Run) -> Outcome:
    """Undo: its volume."""
    found = await cloud_of(run).find_volumes(marker(run))
    return await delete_all(run, "volume", found, deletable(found), cloud_of(run).delete_volume)


async def delete_ssh_group(run: Run) -> Outcome:
    """Undo: the group for SSH, if this task made it and no other instance has got into it."""
    cloud = cloud_of(run)
    for one in await cloud.security_groups():
        if one.description == mark(run):
            try:
                await cloud.delete_security_group(one.id)
            except CloudRefused as refused:
                if refused.status != _IN_USE:
                    raise
                return Done(f"the security group {SSH_GROUP} stays: others use it")
    return Done()


def _wants_ssh(run: Run) -> bool:
    return bool(run.params["enable_ssh"])


def _is_public(run: Run) -> bool:
    return bool(run.params["public"])


CREATE_INSTANCE = Flow(
    kind="create-instance",
    summary="Make an instance with what it is wished to have",
    queue=QUEUE,
    steps=(
        make_volume,
        await_volume,
        when(_wants_ssh, make_ssh_group),
        when(_wants_ssh, open_ssh),
        make_server,
        await_server,
        when(_is_public, give_address),
        when(_is_public, publish_name),
    ),
    undo=(
        when(_is_public, withdraw_published),
        when(_is_public, release_taken),
        delete_servers,
        delete_volumes,
        when(_wants_ssh, delete_ssh_group),
    ),
)
