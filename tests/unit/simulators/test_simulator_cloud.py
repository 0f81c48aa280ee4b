"""The cloud of a demo: what is in it, how it is kept, how it is disturbed."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import Counter

import httpx
import pytest

from cloudmanager.simulators.clock import ManualClock
from cloudmanager.simulators.control import Control, ControlError, ControlServer
from cloudmanager.simulators.datacentre import CLOUD, FORMAT, HOST, DataCentre, found_or_new
from cloudmanager.simulators.openstack.cloud import OpenStack
from cloudmanager.simulators.openstack.compute import Origin

SERVICES = ["keystone", "nova", "placement", "cinder", "glance", "neutron", "keycloak"]


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state" / "lab.json"


@pytest.fixture
def centre(state):
    """A small demo that does not run."""
    return found_or_new(state, 2, 7)


def seeded(state_file=None, racks=2, nodes=7):
    centre = DataCentre.seeded(racks, nodes, clock=ManualClock(), state_file=state_file)
    centre.add_cloud(list(centre.world.nodes))
    return centre


def test_servers_are_on_the_nodes_that_are_on(centre):
    compute = centre.cloud.compute
    servers = compute.tables.servers.values()
    assert len(servers) == 10 * 14
    off = {name for name, node in centre.world.nodes.items() if name in compute.tables.hosts and not node.on}
    assert len(off) == 2
    assert {name for name, host in compute.tables.hosts.items() if not compute.hosts.is_up(host)} == off
    assert {server.host for server in servers} == compute.tables.hosts.keys() - off
    assert Counter(server.vm_state for server in servers) == {"active": 133, "stopped": 7}
    for server in servers:
        assert compute.tables.hosts[server.host].guests[server.id] == server.power_state
    assert compute.split_brains == []
    assert {row.name: len(row.hosts) for row in compute.tables.aggregates.values()} == {
        "rack1": 7,
        "rack2": 7,
    }


def test_groups_are_kept(centre):
    tables = centre.cloud.compute.tables
    policies = Counter(group.policy for group in tables.groups.values())
    assert policies == {"affinity": 2, "soft-affinity": 2, "anti-affinity": 4}
    for group in tables.groups.values():
        hosts = {tables.servers[key].host for key in group.members}
        assert len(hosts) == (
            1
            if group.policy.endswith("affinity") and not group.policy.startswith("anti")
            else len(group.members) == 3 and 3
        )


def test_servers_have_ports_and_some_have_volumes(centre):
    cloud = centre.cloud
    servers = cloud.compute.tables.servers
    ports = [port for port in cloud.networks.ports.values() if port.device_id not in cloud.networks.routers]
    assert {port.device_id for port in ports} == servers.keys()
    assert all(port.host == servers[port.device_id].host for port in ports)
    volumes = list(cloud.volumes.all())
    assert {volume.status for volume in volumes} == {"in-use"}
    attached = {row["volume_id"] for server in servers.values() for row in server.volumes}
    assert attached == {volume.id for volume in volumes}
    from_volume = [server for server in servers.values() if not server.image_id]
    assert len(from_volume) == 14
    for server in from_volume:
        root = cloud.volumes.volume(server.volumes[0]["volume_id"])
        assert (root.bootable, root.size) == (True, server.flavor.disk)
    logical = {name for group in cloud.volumes.groups.values() for name in group.logical}
    assert logical == {f"volume-{volume.id}" for volume in volumes}
    assert all(group.free_gib > 1000 for group in cloud.volumes.groups.values())


def test_nova_has_its_table(centre, state):
    with sqlite3.connect(state.with_name("nova.db")) as database:
        rows = database.execute("SELECT DISTINCT instance_uuid FROM instance_system_metadata").fetchall()
    database.close()
    assert {key for (key,) in rows} == centre.cloud.compute.tables.servers.keys()


def test_it_is_the_same_each_time():
    first, second = seeded(), seeded()
    names = [
        [
            (server.name, server.host, server.flavor.name)
            for server in centre.cloud.compute.tables.servers.values()
        ]
        for centre in (first, second)
    ]
    assert names[0] == names[1]
    passwords = [
        [user.password for user in centre.cloud.identity.users.values()] for centre in (first, second)
    ]
    assert passwords[0] == passwords[1]
    assert len(set(passwords[0])) == len(passwords[0])


def test_a_state_without_a_cloud_still_loads(state):
    DataCentre.seeded(1, 2, state_file=state).save()
    assert json.loads(state.read_bytes()).keys() == {FORMAT}
    loaded = DataCentre.load(state)
    assert loaded.cloud is None
    assert loaded.status()["services"] == []
    assert not state.with_name("nova.db").exists()


def test_a_state_with_a_broken_cloud_is_refused(centre, state):
    kept = json.loads(state.read_bytes())
    del kept[CLOUD]["identity"]
    state.write_text(json.dumps(kept))
    with pytest.raises(ValueError, match=r"lab\.json is not a state"):
        DataCentre.load(state)


async def test_a_restart_finds_everything_on_the_same_ports(centre, state):
    await centre.start()
    try:
        services = {row["name"]: row["port"] for row in centre.status()["services"]}
        centre.cloud.images.failing = frozenset({"upload"})
    finally:
        await centre.stop()
    before = centre.cloud.to_dict()
    again = DataCentre.load(state)
    assert again.cloud.to_dict() == before
    await again.start()
    try:
        rows = again.status()["services"]
        assert {row["name"]: row["port"] for row in rows} == services
        assert [row["name"] for row in rows] == SERVICES
        assert all(row["running"] for row in rows)
        assert {row["name"]: row["faults"] for row in rows}["glance"] == {"fail": ["upload"]}
    finally:
        await again.stop()


async def test_a_change_through_the_api_is_saved_while_it_runs(centre, state, monkeypatch):
    monkeypatch.setattr("cloudmanager.simulators.datacentre.CLOUD_SAVE_DELAY", 0.02)
    await centre.start()
    try:
        token = centre.cloud.identity.lasting_token(*administrator(centre), 60).id
        port = centre.cloud.ports["cinder"]
        async with httpx.AsyncClient(headers={"X-Auth-Token": token}) as client:
            answer = await client.post(
                f"http://{HOST}:{port}/v3/volumes", json={"volume": {"size": 1, "name": "late"}}
            )
            assert answer.status_code == 202
        for _ in range(100):
            if "late" in state.read_text():
                break
            await asyncio.sleep(0.02)
        assert answer.json()["volume"]["id"] in DataCentre.load(state).cloud.volumes.volumes
    finally:
        await centre.stop()


async def test_a_move_is_saved_while_it_runs(centre, state, monkeypatch):
    monkeypatch.setattr("cloudmanager.simulators.datacentre.CLOUD_SAVE_DELAY", 0.02)
    compute = centre.cloud.compute
    compute.timings.live_migration = 0.1
    server = next(
        row for row in compute.tables.servers.values() if not row.group_id and row.vm_state == "active"
    )
    source = server.host
    await centre.start()
    try:
        compute.live.ask(server, Origin("req-1", "", ""), None)
        for _ in range(100):
            if DataCentre.load(state).cloud.compute.tables.servers[server.id].host != source:
                break
            await asyncio.sleep(0.05)
        assert DataCentre.load(state).cloud.compute.tables.servers[server.id].host not in (source, None)
    finally:
        await centre.stop()


def administrator(centre):
    identity = centre.cloud.identity
    project = next(row for row in identity.projects.values() if row.name == "admin")
    return identity.user_named("admin"), project


class TestControl:
    @pytest.fixture
    async def call(self, centre, tmp_path):
        server = ControlServer(centre, tmp_path / "lab.sock")
        await server.start()

        async def call(do, **request):
            return await asyncio.to_thread(Control(tmp_path / "lab.sock").call, do, **request)

        yield call
        await server.stop()

    async def test_faults(self, call, centre):
        cloud = centre.cloud
        said = await call("fault", device="nova", set={"status": 503, "probability": 0.5, "lag": 0.1})
        assert said["faults"] == {"lag": 0.1, "status": 503, "probability": 0.5}
        assert cloud.servers["nova"].faults.status == 503
        said = await call("fault", device="nova", set={"fail": "live_migration", "stall": True, "count": 2})
        [fault] = cloud.compute.faults.operations
        assert (fault.operation, fault.stall, fault.count) == ("live_migration", True, 2)
        assert said["faults"]["fail"] == ["live_migration"]
        await call("fault", device="nova", set={"bus_broken": True})
        assert cloud.compute.faults.bus_broken
        await call("fault", device="cinder", set={"fail": ["create", "extend"]})
        assert cloud.volumes.failing == {"create", "extend"}
        await call("fault", device="glance", set={"fail": "copy"})
        assert cloud.images.failing == {"copy"}
        await call("fault", device="bmc-r1n01", set={"dead": True})

        await call("heal", device="cinder")
        assert cloud.volumes.failing == set()
        assert cloud.images.failing == {"copy"}
        await call("heal", device=None)
        assert [row["faults"] for row in (await call("status"))["services"]] == [{}] * len(SERVICES)
        assert not cloud.compute.faults.bus_broken
        assert not centre.world.device("bmc-r1n01").faults.dead

    @pytest.mark.parametrize(
        ("device", "wrong", "said"),
        [
            ("nova", {"status": 99}, "fault status cannot be 99"),
            ("nova", {"dread": 1}, "unknown fault 'dread'"),
            ("nova", {"fail": "everything"}, "everything is none of spawn"),
            ("nova", {"fail": "spawn", "dread": 1}, "dread"),
            ("cinder", {"fail": "everything"}, "known are create, delete"),
            ("glance", {"fail": 3}, "known are upload, copy"),
            ("keystone", {"probability": 2}, "fault probability cannot be 2"),
            ("swift", {"down": True}, "there is no device 'swift'"),
        ],
    )
    async def test_wrong_faults_are_named(self, call, device, wrong, said):
        with pytest.raises(ControlError, match=said):
            await call("fault", device=device, set=wrong)

    async def test_a_token_that_lasts(self, call, centre):
        identity = centre.cloud.identity
        first = (await call("token", known=""))["token"]
        found = identity.find(first)
        assert found.expires_at - identity.clock.now() > 300 * 86_400
        assert "admin" in identity.roles_of(found)
        assert (await call("token", known=first))["token"] == first
        identity.expire_tokens()
        assert (await call("token", known=first))["token"] != first
        somebody = identity.lasting_token(identity.user_named("reader"), administrator(centre)[1], 60).id
        assert (await call("token", known=somebody))["token"] != somebody

    async def test_keys_are_rotated_and_kept(self, call, centre, state):
        first = (await call("rotate-keys"))["kid"]
        second = (await call("rotate-keys"))["kid"]
        kept = DataCentre.load(state).cloud.realm.keys()
        assert [key["kid"] for key in kept if key["use"] == "sig"] == [second, first]


def test_tenants_of_the_portal_have_their_projects(centre):
    realm, identity = centre.cloud.realm, centre.cloud.identity
    ours = identity.user_named("cloudmanager").id
    for tenant in ("shop", "lab"):
        [project] = [row for row in identity.projects.values() if row.name == tenant]
        assert realm.people[f"{tenant}-owner"].claims == {"project_id": project.id}
        assert realm.clients[f"{tenant}-robot"].account.claims == {"project_id": project.id}
        assert "member" in project.members[ours]
        assert centre.cloud.compute.quotas.limits(project.id)["instances"] == 1000
    assert {row.name: row.id for row in centre.cloud.compute.tables.flavors.values()}["m1.medium"] == "3"


def test_a_cloud_that_was_kept_without_a_realm(centre):
    kept = centre.cloud.to_dict()
    del kept["realm"]
    assert OpenStack.from_dict(kept, centre.world).realm.people == {}


async def test_half_of_the_requests_can_fail(centre):
    await centre.cloud.start(HOST)
    try:
        keystone = centre.cloud.servers["keystone"]
        keystone.faults = keystone.faults.changed(status=503, probability=0.5)
        async with httpx.AsyncClient() as client:
            answers = [(await client.get(f"{keystone.url}/v3")).status_code for _ in range(40)]
        assert set(answers) == {200, 503}
    finally:
        await centre.cloud.stop()


def test_old_tokens_are_forgotten():
    centre = seeded(racks=1)
    identity = centre.cloud.identity
    identity.lasting_token(*administrator(centre), 60)
    identity.clock.advance(100_000)
    assert len(identity.to_dict()["tokens"]) == 1
    identity.clock.advance(100_000)
    assert identity.to_dict()["tokens"] == []
