"""What is seen of an aggregate: from the records of the cloud to the planner's snapshot."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cloudmanager.drs.cluster import HostState, Policy, Resource
from cloudmanager.errors import CloudUnreachable
from cloudmanager.flows.audits.look import Terms, look
from cloudmanager.flows.audits.reading import demand_of, local_disk_of, moved_at, required_traits
from cloudmanager.load_sources.allocation import AllocationSource
from cloudmanager.load_sources.source import Loads
from cloudmanager.openstack.records import Flavor, Migration, Server, ServerGroup, Stock

CPU, RAM, DISK, NETWORK = Resource
HOSTS = ("h1", "h2")


class Measured:
    """A source that knows what it is told."""

    def __init__(self, loads):
        self.loads = loads

    async def measure(self, hosts, servers):
        self.asked = (list(hosts), sorted(server.id for server in servers))
        return self.loads


@pytest.fixture
def nova(cloud):
    for name in (*HOSTS, "h3"):
        cloud.add_host(name, zone="east")
    return cloud.nova


async def seen(nova, hosts=HOSTS, source=None, **terms):
    return await look(nova, hosts, source or AllocationSource(), Terms(**terms), 5e5)


def by_name(things):
    return {getattr(thing, "name", thing.id) or thing.id: thing for thing in things}


async def test_hosts_have_what_placement_says(nova):
    nova.stock_of["hv-h1"] = {"VCPU": Stock(8, 1, 16.0), "MEMORY_MB": Stock(4096), "PCPU": Stock(4)}
    nova._set("h2", enabled=False, reason="new memory")
    found = await seen(nova, network=10_000.0)
    first, second = found.snapshot.hosts
    assert first.capacity == {CPU: 8, RAM: 4096, NETWORK: 10_000}
    assert (first.ratios, first.reserved) == ({CPU: 16, RAM: 1}, {CPU: 1, RAM: 0})
    assert (first.state, first.cordoned, first.zone) == (HostState.UP, False, "east")
    assert first.cpu_model == "x86_64 Intel Skylake"
    assert second.cordoned
    assert (found.snapshot.taken_at, found.notes) == (5e5, ())


async def test_what_is_measured_is_told_of_hosts_and_servers(nova):
    nova.add_server("s1", "h1")
    nova.add_server("s3", "h3")
    source = Measured(Loads({"h1": {CPU: 3.5}}, {"s1": {CPU: 0.5}}, ("h2 is silent",)))
    found = await seen(nova, source=source)
    assert source.asked == (["h1", "h2"], ["s1"])
    assert [host.load for host in found.snapshot.hosts] == [{CPU: 3.5}, {}]
    (server,) = found.snapshot.servers
    assert (server.load, server.demand) == ({CPU: 0.5}, {CPU: 1, RAM: 1024, DISK: 0})
    assert found.notes == ("h2 is silent",)


async def test_what_cannot_be_known_is_said(nova, monkeypatch):
    nova.stock_of["hv-h2"] = {}
    found = await seen(nova, (*HOSTS, "gone"))
    assert [host.name for host in found.snapshot.hosts] == ["h1", "h2"]
    assert found.snapshot.hosts[1].capacity == {}
    assert found.notes == (
        "left out, because Nova has no nova-compute there: gone",
        "Placement does not know what they have: h2",
    )
    twins = [*await nova.hypervisors(), *(await nova.hypervisors())[:1]]

    async def hypervisors(**_):
        return twins

    monkeypatch.setattr(nova, "hypervisors", hypervisors)
    found = await seen(nova)
    assert [host.name for host in found.snapshot.hosts] == ["h2"]
    assert "left out, because they are many compute nodes each: h1" in found.notes


async def test_a_cloud_that_does_not_answer_is_no_empty_aggregate(nova, monkeypatch):
    async def silent(*_, **__):
        raise CloudUnreachable("Nova did not answer")

    monkeypatch.setattr(nova, "servers_on", silent)
    with pytest.raises(CloudUnreachable):
        await seen(nova)


async def test_traits_are_asked_for_where_they_count(nova):
    nova.traits_of = {"hv-h1": frozenset({"CUSTOM_FAST"})}
    nova.add_server("s1", "h1")
    assert [host.traits for host in (await seen(nova)).snapshot.hosts] == [frozenset()] * 2
    fast = Flavor("fast", 1, 64, 0, extra_specs={"trait:CUSTOM_FAST": "required", "trait:X": "forbidden"})
    nova.add_server("s2", "h1", flavor=fast)
    snapshot = (await seen(nova)).snapshot
    assert [host.traits for host in snapshot.hosts] == [frozenset({"CUSTOM_FAST"}), frozenset()]
    assert by_name(snapshot.servers)["vm-s2"].required_traits == frozenset({"CUSTOM_FAST"})


async def test_groups_and_those_that_are_torn_apart(nova):
    for server_id, host in (("s1", "h1"), ("s2", "h1"), ("s3", "h3"), ("s4", "h2")):
        nova.add_server(server_id, host)
    nova.groups = [
        ServerGroup("g1", "near", "affinity", frozenset({"s1", "s3"})),
        ServerGroup("g2", "far", "anti-affinity", frozenset({"s2", "s4", "deleted"}), limit=2),
        ServerGroup("g3", "strangers", "affinity", frozenset({"s3"})),
        ServerGroup("g4", "new", "some-day", frozenset({"s1"})),
    ]
    snapshot = (await seen(nova)).snapshot
    assert [(group.id, group.policy, group.limit) for group in snapshot.groups] == [
        ("g1", Policy.AFFINITY, 1),
        ("g2", Policy.ANTI_AFFINITY, 2),
    ]
    stuck = {server.id: server.stuck for server in snapshot.servers}
    assert stuck["s1"] == "its affinity group has servers outside of this aggregate"
    assert stuck["s2"] is stuck["s4"] is None


def server(flavor, **more):
    return Server("s", "vm", "ACTIVE", "active", None, "h1", flavor=flavor, **more)


def test_what_a_flavor_reserves():
    flavor = Flavor("m", 2, 2048, 20, ephemeral_gb=5, swap_mb=512)
    assert demand_of(server(flavor, image_id="i")) == {CPU: 2, RAM: 2048, DISK: 25.5}
    assert local_disk_of(server(flavor)) == 5.5, "its root is a volume"
    odd = Flavor("m", 2, 2048, 20, extra_specs={"resources:VCPU": "0", "resources:MEMORY_MB": "much"})
    assert demand_of(server(odd)) == {CPU: 0, RAM: 2048, DISK: 0}
    assert (demand_of(server(None)), local_disk_of(server(None))) == ({}, 0.0)
    assert required_traits(None) == frozenset()


def test_when_a_server_was_moved_last():
    def record(number, status, hour, server_id="s"):
        at = datetime(2027, 3, 7, hour, tzinfo=UTC)
        return Migration(number, server_id, "live-migration", status, "h1", "h2", at, at)

    records = [
        record(1, "completed", 3),
        record(2, "confirmed", 4),
        record(3, "error", 5),
        record(4, "completed", 6, "t"),
        record(5, "running", 7),
    ]
    assert moved_at("s", records) == datetime(2027, 3, 7, 4, tzinfo=UTC).timestamp()
    assert moved_at("u", records) is None
