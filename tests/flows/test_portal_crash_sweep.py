"""Flows of tenants, cut off at each of their calls to the cloud and to name servers, come to the same end.

Nothing is made twice; what fails or is cancelled leaves nothing behind.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from cloudmanager.flows.portal.create import SSH_GROUP
from cloudmanager.flows.portal.marks import DOMAIN
from cloudmanager.openstack.tenant_records import FloatingIp

from .conftest import Cloud
from .fake_tenants import FakeNames, FakeTenants, PlainVault

WISH = {
    "name": "web-01",
    "image_id": "red-image",
    "image_name": "Ubuntu",
    "flavor_id": "1",
    "security_groups": [],
    "key_name": "laptop",
    "networks": ["red-net"],
    "volume": {"name": "data", "size": 20},
    "enable_ssh": True,
    "public": True,
    "dname": "app.example.com",
    "user_data": "sealed #!",
}


@dataclass(frozen=True)
class Case:
    """A flow in the project `red`; `what` is what goes wrong."""

    kind: str
    params: dict = field(default_factory=dict)
    what: str | None = None


CASES = {
    "create": Case("create-instance", WISH),
    "create the least": Case(
        "create-instance",
        WISH | {"volume": None, "enable_ssh": False, "public": False, "dname": None, "user_data": None},
    ),
    "create that fails": Case("create-instance", WISH, what="server"),
    "create whose name is refused": Case("create-instance", WISH, what="name"),
    "delete": Case("delete-instance"),
    "make public": Case("make-public"),
    "make public, name refused": Case("make-public", what="name"),
    "make private": Case("make-private"),
    "snapshot": Case("snapshot-instance", {"name": "snap"}),
    "snapshot that fails": Case("snapshot-instance", {"name": "snap"}, what="image"),
    "backup": Case("backup-volume", {"volume_id": "v1", "name": "nightly"}),
    "backup that fails": Case("backup-volume", {"volume_id": "v1", "name": "nightly"}, what="backup"),
}


def build(case, database, monkeypatch):
    cloud = Cloud(database, monkeypatch)
    cloud.tenants = FakeTenants(cloud.line, cloud.clock, "red", "blue")
    cloud.names = FakeNames(cloud.line)
    cloud.vault = PlainVault()
    red = cloud.tenants.projects["red"]
    red.add_volume("v1")
    cloud.server = red.add_server(metadata={DOMAIN: "old.example.com"})
    if case.kind in ("delete-instance", "make-private"):
        port = f"port-{cloud.server.id}"
        red.addresses["ours"] = FloatingIp("ours", "192.0.2.200", port, "cloudmanager_portal=before")
        red.addresses["own"] = FloatingIp("own", "192.0.2.201", port, "by hand")
        cloud.names.records["old.example.com"] = "192.0.2.200"
    red.failing_servers = int(case.what == "server")
    red.image_store.fails = int(case.what == "image")
    red.backup_store.fails = int(case.what == "backup")
    cloud.names.refuses = case.what == "name"
    params = {"project_id": "red", "server_id": cloud.server.id, **case.params}
    return cloud, cloud.start_flow(case.kind, "subject", **params)


async def run_with_death(case, database, monkeypatch, **death):
    cloud, flow_id = build(case, database, monkeypatch)
    for name, call in death.items():
        setattr(cloud.line, name, call)
    await cloud.sweep_until_ended(flow_id, rounds=400)
    return cloud, cloud.flow(flow_id)


def check(cloud, flow, case):
    assert flow.status == ("FAILURE" if case.what else "SUCCESS"), flow.error
    red, blue = cloud.tenants.projects["red"], cloud.tenants.projects["blue"]
    made = [red.made, *(store.made for store in (red.volume_store, red.image_store, red.backup_store))]
    assert all(times == 1 for counts in made for times in counts.values()), made
    assert not any(blue.made.values())
    {
        "create-instance": check_created,
        "delete-instance": check_deleted,
        "make-public": check_public,
        "make-private": check_private,
        "snapshot-instance": check_snapshot,
        "backup-volume": check_backup,
    }[case.kind](cloud, red, flow, case)


def check_created(cloud, red, flow, case):
    new = [server for server in red.guests.values() if server.id != cloud.server.id]
    if case.what:
        assert new == []
        assert set(red.volume_store.things) == {"v1"}
        assert red.addresses == {}
        assert set(red.groups) == {"red-default"}
        assert cloud.names.records == {}
        return
    (server,) = new
    wish, rich = red.new[server.id], case.params["public"]
    assert server.vm_state == "active"
    assert (wish.flavor_id, wish.image_id, wish.networks) == ("1", "red-image", ("red-net",))
    assert wish.key_name == "red laptop"
    assert wish.user_data == ("IyE=" if rich else None)
    assert [one.port_id for one in red.addresses.values()] == [f"port-{server.id}"] * rich
    address = next((one.address for one in red.addresses.values()), None)
    assert flow.result == {"instance_id": server.id, "address": address}
    assert cloud.names.records == ({"app.example.com": address} if rich else {})
    ssh = [one.id for one in red.groups.values() if one.name == SSH_GROUP]
    assert list(red.rules) == [(group, 22, "0.0.0.0/0") for group in ssh]
    assert wish.security_groups == (("default", *ssh) if rich else ())
    volumes = [one for key, one in red.volume_store.things.items() if key != "v1"]
    assert [(one.name, one.size_gb, one.servers) for one in volumes] == [("data", 20, (server.id,))] * rich


def check_deleted(cloud, red, flow, _case):
    assert red.guests == {}
    assert [(one.id, one.port_id) for one in red.addresses.values()] == [("own", None)]
    assert cloud.names.records == {}
    assert set(red.volume_store.things) == {"v1"}
    assert flow.result["released"] == ["192.0.2.200"]


def check_public(cloud, red, _flow, case):
    assert set(red.guests) == {cloud.server.id}
    if case.what:
        assert (red.addresses, cloud.names.records) == ({}, {})
        return
    (address,) = red.addresses.values()
    assert address.port_id == f"port-{cloud.server.id}"
    assert cloud.names.records == {"old.example.com": address.address}


def check_private(cloud, red, flow, _case):
    assert set(red.guests) == {cloud.server.id}
    assert [(one.id, one.port_id) for one in red.addresses.values()] == [("own", None)]
    assert cloud.names.records == {}
    assert flow.result["unplugged"] == ["192.0.2.201"]


def check_snapshot(_cloud, red, flow, case):
    found = [
        (one.id, one.name, one.status) for key, one in red.image_store.things.items() if key != "red-image"
    ]
    assert found == ([] if case.what else [(flow.result["snapshot_id"], "snap", "active")])


def check_backup(_cloud, red, flow, case):
    found = [(one.id, one.name, one.status) for one in red.backup_store.things.values()]
    assert found == ([] if case.what else [(flow.result["backup_id"], "nightly", "available")])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("moment", ["die_after", "die_before", "lose_answer_of"])
async def test_crash_sweep(name, moment, databases, monkeypatch):
    """After each call; and for calls that change something, also before them, and with their answers lost."""
    case = CASES[name]
    undisturbed, flow = await run_with_death(case, databases(), monkeypatch)
    check(undisturbed, flow, case)
    calls, acts = undisturbed.line.calls, undisturbed.line.acts
    assert acts
    for call in range(1, calls + 1) if moment == "die_after" else acts:
        cloud, flow = await run_with_death(case, databases(), monkeypatch, **{moment: call})
        check(cloud, flow, case)


async def test_a_creation_that_is_cancelled_takes_back_what_it_made(database, monkeypatch):
    case = replace(CASES["create"], what="cancelled")
    cloud, flow_id = build(case, database, monkeypatch)
    red = cloud.tenants.projects["red"]
    red.on_create = lambda: cloud.cancel(flow_id)
    await cloud.sweep_until_ended(flow_id)

    assert cloud.flow(flow_id).status == "REVOKED"
    check_created(cloud, red, cloud.flow(flow_id), case)


async def test_a_group_that_others_use_stays(database, monkeypatch):
    cloud, flow_id = build(CASES["create that fails"], database, monkeypatch)
    red = cloud.tenants.projects["red"]
    red.groups_are_used = True
    await cloud.sweep_until_ended(flow_id)

    assert cloud.flow(flow_id).status == "FAILURE"
    assert len(red.groups) == 2
    assert set(red.guests) == {cloud.server.id}


async def test_without_an_external_network_there_is_no_address(database, monkeypatch):
    cloud, flow_id = build(CASES["make public"], database, monkeypatch)
    red = cloud.tenants.projects["red"]
    red.nets = red.nets[:1]
    await cloud.sweep_until_ended(flow_id)

    assert cloud.flow(flow_id).error == "the project sees no external network"
    assert red.addresses == {}


async def test_what_is_gone_is_deleted_and_cannot_be_made_public(database, monkeypatch):
    for kind, status in (("delete", "SUCCESS"), ("make public", "FAILURE")):
        cloud, flow_id = build(CASES[kind], database, monkeypatch)
        cloud.tenants.projects["red"].guests.clear()
        await cloud.sweep_until_ended(flow_id)
        assert cloud.flow(flow_id).status == status


async def test_what_a_tenant_has_written_for_a_domain_name_reaches_no_command(database, monkeypatch):
    for name in ("--help", "a b.example.com", "example", "app.example.com\n"):
        cloud, flow_id = build(CASES["make public"], database, monkeypatch)
        red = cloud.tenants.projects["red"]
        red.guests[cloud.server.id] = replace(cloud.server, metadata={DOMAIN: name})
        await cloud.sweep_until_ended(flow_id)
        assert cloud.flow(flow_id).status == "SUCCESS"
        assert cloud.names.records == {}
