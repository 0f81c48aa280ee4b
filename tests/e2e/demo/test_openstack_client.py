"""OpenStack's own command line against the cloud of a demo: a peer that shares nothing with the simulators."""

from __future__ import annotations

import shlex
from contextlib import closing

import pytest

from tests.e2e.product import wait_until
from tests.peers.openstack_client import OpenStackClient

pytest.importorskip("openstackclient")
pytestmark = pytest.mark.peer


def client(openrc):
    """`openstack …` after `. openrc`."""
    exports = (shlex.split(line)[1] for line in openrc.read_text().splitlines())
    return OpenStackClient(dict(pair.split("=", 1) for pair in exports))


@pytest.fixture(scope="module")
def openstack(demo):
    with closing(client(demo.directory.openrc)) as started:
        yield started


def test_compute_nodes_are_the_machines_of_racks_1_to_3(openstack, demo):
    services = openstack("compute", "service", "list", "--service", "nova-compute")
    states = {row["Host"]: row["State"] for row in services}
    power = {
        node["name"]: node["power_state"]
        for node in demo.get("/v1/nodes").json()["nodes"]
        if node["rack_number"] <= 3
    }
    assert len(states) == 60
    assert {name for name, state in states.items() if state == "down"} == {
        name for name, state in power.items() if state == "power_off"
    }
    hypervisors = openstack("hypervisor", "list")
    assert {row["Hypervisor Hostname"] for row in hypervisors} == states.keys()
    aggregates = openstack("aggregate", "list", "--long")
    assert sorted(row["Name"] for row in aggregates) == ["rack1", "rack2", "rack3"]
    assert len(openstack("aggregate", "show", "rack2")["hosts"]) == 20


def test_a_machine_that_is_switched_on_becomes_a_compute_node(openstack, demo):
    def state():
        [service] = openstack("compute", "service", "list", "--host", "r1n07.demo.local")
        return service["State"]

    [node] = [row for row in demo.get("/v1/nodes").json()["nodes"] if row["name"] == "r1n07.demo.local"]
    path = f"/v1/nodes/{node['id']}/actions/power"
    assert (node["power_state"], state()) == ("power_off", "down")
    assert demo.post(f"{path}-on").status_code == 202
    wait_until(lambda: state() == "up", within=30)
    assert demo.post(f"{path}-off").status_code == 202
    wait_until(lambda: state() == "down", within=30)


def test_servers_volumes_images_networks(openstack):
    servers = openstack("server", "list", "--all-projects")
    assert len(servers) == 600
    assert {row["Flavor"] for row in servers} == {"m1.small", "m1.medium", "m1.large", "m1.xlarge"}
    assert len({row["Project ID"] for row in servers}) == 2
    volumes = openstack("volume", "list", "--all-projects")
    assert len(volumes) == 260
    assert {row["Status"] for row in volumes} == {"in-use"}
    [attached] = openstack("volume", "show", volumes[0]["ID"])["attachments"]
    assert attached["server_id"] in {row["ID"] for row in servers}
    pools = openstack("volume", "backend", "pool", "list")
    assert [row["Name"] for row in pools] == [f"storage{number}.demo.local@lvm#lvm" for number in (1, 2)]
    assert {row["Status"] for row in openstack("image", "list")} == {"active"}
    assert {row["Name"] for row in openstack("network", "list")} == {"public", "shop-net", "lab-net"}
    ports = openstack("port", "list", "--server", servers[0]["ID"])
    assert ports[0]["Fixed IP Addresses"][0]["ip_address"] in str(servers[0]["Networks"])
    policies = {row["Policy"] for row in openstack("server", "group", "list", "--all-projects")}
    assert policies == {"affinity", "soft-affinity", "anti-affinity"}


def test_a_live_migration_and_back(openstack):
    def host():
        return openstack("server", "show", name)["OS-EXT-SRV-ATTR:host"]

    found = openstack("server", "list", "--all-projects", "--status", "ACTIVE", "--name", "^build-04")
    name = found[0]["ID"]
    before = host()
    moved = openstack.run("server", "migrate", "--live-migration", "--wait", name)
    assert moved.code == 0, moved.err
    wait_until(lambda: host() != before, within=20)
    back = openstack.run("server", "migrate", "--live-migration", "--host", before, "--wait", name)
    assert back.code == 0, back.err
    wait_until(lambda: host() == before, within=20)


def test_a_reader_reads_and_no_more(demo):
    with closing(client(demo.directory.reader_openrc)) as reader:
        assert reader("image", "list")
        refused = reader.run("compute", "service", "list")
    assert (refused.code, "Policy doesn't allow" in refused.err) == (1, True)
