"""Servers where they are: their records, and actions that are asked for twice."""

import base64
import uuid

import pytest

from cloudmanager.errors import CloudRefused, NotFound
from cloudmanager.openstack.definitions import NewServer
from tests.contract.cloud.sites import eventually

NOBODY = "00000000-0000-0000-0000-000000000000"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl someone@example"
OTHER_KEY = KEY.replace("GKJl", "GKJm")


async def test_a_server_is_known_whole(site):
    server = await site.boot(metadata={"recovery_priority": "7"})
    assert (server.status, server.vm_state, server.host) == ("ACTIVE", "active", site.hosts[0])
    assert (server.flavor.name, server.flavor.vcpus, server.flavor.ram_mb) == ("m1.nano", 1, 64)
    assert (server.image_id, server.metadata) == (site.image_id, {"recovery_priority": "7"})
    assert server.project_id
    assert server.user_id
    assert server.created_at
    assert not server.locked
    with pytest.raises(NotFound):
        await site.cloud.server(NOBODY)
    with pytest.raises(NotFound):
        await site.cloud.start(NOBODY)


async def test_stop_and_start_twice(site):
    server = await site.boot()
    for _ in range(2):
        await site.cloud.stop(server.id)
    await site.settled(server.id, "stopped")
    await site.cloud.stop(server.id)
    for _ in range(2):
        await site.cloud.start(server.id)
    await site.settled(server.id, "active")
    await site.cloud.start(server.id)


@pytest.mark.parametrize(
    ("do", "state", "undo"),
    [
        ("suspend_server", "suspended", "resume"),
        ("pause_server", "paused", "unpause"),
        ("shelve_server", "shelved_offloaded", "unshelve"),
    ],
)
async def test_servers_are_woken_twice(site, do, state, undo):
    server = await site.boot()
    await site.ask(getattr(site.sdk.compute, do), server.id)
    await site.settled(server.id, state)
    for _ in range(2):
        await getattr(site.cloud, undo)(server.id)
    await site.settled(server.id, "active")
    await getattr(site.cloud, undo)(server.id)


async def test_a_lock_says_why(site):
    server = await site.boot()
    for _ in range(2):
        await site.cloud.lock(server.id, "signed")
    found = await site.cloud.server(server.id)
    assert (found.locked, found.locked_reason) == (True, "signed")
    for _ in range(2):
        await site.cloud.unlock(server.id)
    assert not (await site.cloud.server(server.id)).locked


async def test_reset_state_and_reboot(site):
    server = await site.boot()
    await site.cloud.reset_state(server.id, "error")
    assert (await site.cloud.server(server.id)).vm_state == "error"
    await site.cloud.reset_state(server.id, "active")
    for _ in range(2):
        await site.cloud.reboot(server.id, hard=True)
    await site.settled(server.id, "active")


async def test_a_new_server_is_like_its_definition_and_found_by_its_marker(site):
    marker = {"contract": uuid.uuid4().hex}
    data = base64.b64encode(b"#!/bin/sh\n").decode()
    made = await site.cloud.create_server(
        NewServer(
            name="copy",
            flavor_id=site.flavor_id,
            image_id=site.image_id,
            marker=marker,
            metadata={"a": "b"},
            user_data=data,
            config_drive=True,
            description="a copy",
        )
    )
    site.made.append(made.id)
    assert made.request_id.startswith("req-")
    await site.settled(made.id, "active")
    assert [one.id for one in await site.project.find_servers(marker)] == [made.id]
    assert not await site.project.find_servers({"contract": "nothing"})
    found = await site.cloud.server_definition(made.id)
    assert (found.flavor_id, found.image_id, found.metadata) == (site.flavor_id, site.image_id, {"a": "b"})
    assert (found.user_data, found.config_drive, found.description) == (data, True, "a copy")
    assert (found.networks, found.attachments, found.zone) == ((), (), None)
    assert data not in repr(found)
    for _ in range(2):
        await site.cloud.delete_server(made.id)
    await eventually(lambda: site.ask(site.sdk.compute.find_server, made.id), lambda found: found is None)
    await site.cloud.delete_server(made.id)


async def test_a_key_can_be_given_that_is_ours_as_well(simulated):
    """Nova gives a server keys of whoever makes it; the same name may be another key."""
    cloud, identity = simulated.cloud(), simulated.model.identity
    theirs = simulated.cloud(username="member")
    for owner, name, key in (
        (theirs, "only theirs", KEY),
        (theirs, "another", KEY),
        (cloud, "another", OTHER_KEY),
        (theirs, "the same", KEY),
        (cloud, "the same", KEY),
    ):
        body = {"keypair": {"name": name, "public_key": key, "type": "ssh"}}
        await owner._nova.call("create_keypair", "POST", "os-keypairs", body=body)
    ours, member = identity.user_named("admin").id, identity.user_named("member").id

    names = ("only theirs", "another", "the same", "nobody's")
    assert [await cloud.has_key(name, member) for name in names] == [False, False, True, False]
    assert await cloud.has_key("another", ours)
    await theirs.close()
    await cloud.close()


async def test_what_a_running_server_uses_is_counted(site):
    server = await site.boot()
    first = await site.cloud.diagnostics(server.id)
    second = await site.cloud.diagnostics(server.id)
    assert second.at > first.at
    assert second.cpu_seconds >= first.cpu_seconds >= 0
    await site.cloud.stop(server.id)
    await site.settled(server.id, "stopped")
    with pytest.raises(CloudRefused, match="power state shutdown") as raised:
        await site.cloud.diagnostics(server.id)
    assert raised.value.status == 409
    with pytest.raises(NotFound):
        await site.cloud.diagnostics(NOBODY)
