"""OpenStack's own clients, unmodified, against the simulated cloud: openstacksdk and the command line."""

import time
from contextlib import closing

import pytest
from openstack import exceptions

from tests.compute_cloud import RunningComputeCloud
from tests.keystone import PASSWORD
from tests.peers.openstack_client import OpenStackClient

pytestmark = pytest.mark.filterwarnings("ignore::openstack.warnings._RemovedInSDKWarning")


@pytest.fixture(scope="module")
def cloud():
    with RunningComputeCloud() as running:
        yield running


@pytest.fixture(scope="module")
def sdk(cloud):
    with cloud.sdk("admin", compute_default_microversion="2.96") as connection:
        yield connection


@pytest.fixture
def server(cloud, sdk):
    made = sdk.compute.create_server(
        name="vm", flavor_id="1", image_id=cloud.image.id, networks="none", host="c1"
    )
    yield sdk.compute.wait_for_server(made, interval=0.02, wait=10)
    sdk.compute.delete_server(made)
    sdk.compute.wait_for_delete(made, interval=0.02, wait=10)


def until(read, good):
    end = time.monotonic() + 10
    while not good(found := read()):
        assert time.monotonic() < end, found
        time.sleep(0.02)
    return found


# --- openstacksdk ---------------------------------------------------------------------------------------------


def test_a_server_and_its_lists(sdk, server):
    found = sdk.compute.get_server(server.id)
    assert (found.status, found.compute_host, found.vm_state, found.task_state) == (
        "ACTIVE",
        "c1",
        "active",
        None,
    )
    assert (found.flavor.original_name, found.flavor.ram, found.host_status) == ("m1.small", 1024, "UP")
    assert server.id in [row.id for row in sdk.compute.servers(all_projects=True, compute_host="c1")]
    assert server.id not in [row.id for row in sdk.compute.servers(all_projects=True, compute_host="c2")]
    assert sdk.compute.find_server("vm").id == server.id


def test_lists_are_read_page_by_page(sdk, server, cloud):
    before = len(cloud.openstack.servers["nova"].requests)
    rows = list(sdk.compute.hypervisors(details=True, limit=2))
    assert [row.name for row in rows] == ["c1", "c2", "c3"]
    asked = list(cloud.openstack.servers["nova"].requests)[before:]
    assert asked.count("GET /v2.1/os-hypervisors/detail") >= 2


def test_services(sdk):
    [service] = [row for row in sdk.compute.services() if row.host == "c3"]
    down = sdk.compute.update_service_forced_down(service, forced=True)
    assert (down.state, down.is_forced_down) == ("down", True)
    up = sdk.compute.update_service_forced_down(service, forced=False)
    assert up.state == "up"
    off = sdk.compute.disable_service(service, disabled_reason="fan")
    assert (off.status, off.disabled_reason) == ("disabled", "fan")
    assert sdk.compute.enable_service(service).status == "enabled"


def test_a_live_migration(sdk, server):
    sdk.compute.live_migrate_server(server, host="c2", block_migration="auto")
    rows = until(
        lambda: list(sdk.compute.migrations(instance_uuid=server.id)),
        lambda rows: rows and rows[0].status == "completed",
    )
    assert (rows[0].source_compute, rows[0].dest_compute, rows[0].migration_type) == (
        "c1",
        "c2",
        "live-migration",
    )
    found = until(lambda: sdk.compute.get_server(server.id), lambda found: found.status == "ACTIVE")
    assert found.compute_host == "c2"


def test_progress_abort_and_force(cloud, sdk, server):
    for end in (sdk.compute.abort_server_migration, sdk.compute.force_complete_server_migration):
        cloud.nova.faults.add("live_migration", server=server.id, stall=True, count=1)
        sdk.compute.live_migrate_server(server, block_migration="auto")
        [row] = until(
            lambda: list(sdk.compute.server_migrations(server)),
            lambda rows: rows and rows[0].status == "running",
        )
        assert row.memory_total_bytes == 1 << 30
        end(row, server)
        until(lambda: sdk.compute.get_server(server.id), lambda found: found.status == "ACTIVE")
    statuses = [row.status for row in sdk.compute.migrations(instance_uuid=server.id)]
    assert statuses == ["completed", "cancelled"]


def test_why_something_failed(cloud, sdk, server):
    with pytest.raises(exceptions.BadRequestException, match="No valid host"):  # it speaks 2.30
        sdk.compute.live_migrate_server(server, host="c1", block_migration="auto")
    cloud.nova.faults.add(
        "live_migration", server=server.id, message="no convergence", status="error", count=1
    )
    sdk.compute.live_migrate_server(server, block_migration="auto")
    until(
        lambda: list(sdk.compute.migrations(instance_uuid=server.id)),
        lambda rows: rows and rows[0].status == "error",
    )
    action = next(iter(sdk.compute.server_actions(server)))
    found = sdk.compute.get_server_action(action.request_id, server)
    assert "no convergence" in [event["details"] for event in found.events]


def test_an_evacuation(cloud, sdk, server):
    with pytest.raises(exceptions.BadRequestException, match="still in use"):
        sdk.compute.evacuate_server(server)
    cloud.do(cloud.world.power_off, "c1")
    until(
        lambda: {row.host: row.state for row in sdk.compute.services()}["c1"], lambda state: state == "down"
    )
    sdk.compute.evacuate_server(server)
    found = until(
        lambda: sdk.compute.get_server(server.id),
        lambda found: found.compute_host != "c1" and found.task_state is None,
    )
    assert found.status in ("ACTIVE", "SHUTOFF")
    cloud.do(cloud.world.power_on, "c1")
    until(
        lambda: [row.status for row in sdk.compute.migrations(instance_uuid=server.id)],
        lambda statuses: statuses == ["completed"],
    )
    assert cloud.nova.split_brains == []


def test_placement(sdk, server):
    [provider] = sdk.placement.resource_providers(name="c1")
    stock = {row.resource_class: row for row in sdk.placement.resource_provider_inventories(provider)}
    assert (stock["MEMORY_MB"].total, stock["VCPU"].allocation_ratio) == (32768, 4.0)


def test_groups_and_aggregates(sdk):
    group = sdk.compute.create_server_group(name="apart", policy="anti-affinity")
    assert group.id in [row.id for row in sdk.compute.server_groups(all_projects=True)]
    sdk.compute.delete_server_group(group)
    aggregate = sdk.compute.create_aggregate(name="rack")
    assert sdk.compute.add_host_to_aggregate(aggregate, "c1").hosts == ["c1"]
    assert [row.hosts for row in sdk.compute.aggregates()] == [["c1"]]
    with pytest.raises(exceptions.ConflictException, match="already has host"):
        sdk.compute.add_host_to_aggregate(aggregate, "c1")
    sdk.compute.remove_host_from_aggregate(aggregate, "c1")
    sdk.compute.delete_aggregate(aggregate)


def test_a_member_is_told_that_it_may_not(cloud):
    with (
        cloud.sdk("member", compute_default_microversion="2.96") as connection,
        pytest.raises(exceptions.ForbiddenException, match="os-services"),
    ):
        list(connection.compute.services())


# --- the command line -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client(cloud):
    """The command `openstack`."""
    pytest.importorskip("openstackclient")
    settings = {
        "OS_AUTH_URL": cloud.url,
        "OS_USERNAME": "admin",
        "OS_PASSWORD": PASSWORD,
        "OS_PROJECT_NAME": "fleet",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_COMPUTE_API_VERSION": "2.96",
    }
    with closing(OpenStackClient(settings)) as started:
        yield started


@pytest.fixture
def openstack(client):
    """Run it; what it says, as JSON or text."""

    def run(*words, as_json=True):
        if as_json:
            return client(*words)
        done = client.run(*words)
        assert done.code == 0, done.err
        return done.out

    return run


@pytest.mark.peer
def test_the_life_of_a_server_by_command(cloud, openstack):
    openstack("keypair", "create", "k1", as_json=False)
    network = ("--nic", f"net-id={cloud.network.id}")
    wish = ("--flavor", "m1.small", "--image", "tiny", *network, "--key-name", "k1", "--wait", "one")
    assert openstack("server", "create", *wish)["status"] == "ACTIVE"
    shown = openstack("server", "show", "one")
    assert (shown["key_name"], list(shown["addresses"])) == ("k1", ["fleet"])
    here = shown["OS-EXT-SRV-ATTR:host"]
    openstack("server", "migrate", "--live-migration", "--wait", "one", as_json=False)
    moves = openstack("server", "migration", "list", "--server", "one")
    assert [(row["Type"], row["Source Compute"], row["Status"]) for row in moves] == [
        ("live-migration", here, "completed")
    ]
    openstack("server", "delete", "--wait", "one", as_json=False)
    assert openstack("server", "list", "--all-projects") == []


@pytest.mark.peer
def test_hosts_by_command(openstack):
    openstack(
        "compute",
        "service",
        "set",
        "--disable",
        "--disable-reason",
        "fan",
        "c2",
        "nova-compute",
        as_json=False,
    )
    rows = openstack("compute", "service", "list", "--service", "nova-compute", "--long")
    assert [(row["Host"], row["Status"], row["Disabled Reason"]) for row in rows] == [
        ("c1", "enabled", None),
        ("c2", "disabled", "fan"),
        ("c3", "enabled", None),
    ]
    openstack("compute", "service", "set", "--enable", "c2", "nova-compute", as_json=False)
    assert [row["Hypervisor Hostname"] for row in openstack("hypervisor", "list")] == ["c1", "c2", "c3"]
    assert openstack("hypervisor", "show", "c1")["state"] == "up"
    openstack("aggregate", "create", "--zone", "z1", "rack")
    assert openstack("aggregate", "add", "host", "rack", "c3")["hosts"] == ["c3"]
    zones = openstack("availability", "zone", "list", "--compute")
    assert {row["Zone Name"] for row in zones} == {"nova", "z1"}
