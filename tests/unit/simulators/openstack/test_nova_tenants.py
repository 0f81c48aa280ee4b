"""What tenants meet: quotas, consoles, user data, as openstacksdk and the command `openstack` see them."""

import base64
from contextlib import closing
from types import SimpleNamespace

import pytest
from openstack import exceptions

from cloudmanager.simulators.openstack.images import Image
from cloudmanager.simulators.openstack.networks.rows import Network, Subnet
from cloudmanager.simulators.openstack.volumes.rows import Volume
from tests.compute_cloud import RunningComputeCloud
from tests.keystone import PASSWORD
from tests.peers.openstack_client import OpenStackClient

pytestmark = pytest.mark.filterwarnings("ignore::openstack.warnings._RemovedInSDKWarning")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl someone@example"


@pytest.fixture(scope="module")
def cloud():
    with RunningComputeCloud() as running:
        yield running


@pytest.fixture(autouse=True)
def unlimited(cloud):
    yield
    cloud.nova.tables.quotas.clear()


@pytest.fixture
def member(cloud):
    return cloud.sdk("member").compute


@pytest.fixture
def admin(cloud):
    return cloud.sdk("admin").compute


@pytest.fixture(scope="module")
def command(cloud):
    settings = {
        "OS_AUTH_URL": cloud.url,
        "OS_USERNAME": "member",
        "OS_PASSWORD": PASSWORD,
        "OS_PROJECT_NAME": "fleet",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_IDENTITY_API_VERSION": "3",
    }
    with closing(OpenStackClient(settings)) as started:
        yield started


def wish(cloud, name="s", **more):
    networks = [{"uuid": cloud.network.id}]
    return {"name": name, "flavor_id": "1", "image_id": cloud.image.id, "networks": networks, **more}


@pytest.fixture
def server(cloud, member):
    made = member.create_server(**wish(cloud))
    yield member.wait_for_server(made, interval=0.02, wait=10)
    member.delete_server(made)
    member.wait_for_delete(made, interval=0.02, wait=10)


def test_more_than_the_quota_is_refused_with_the_numbers(cloud, member, admin, server):
    admin.update_quota_set(cloud.fleet.id, instances=1, cores=1)
    with pytest.raises(exceptions.ForbiddenException, match="Quota exceeded for cores, instances") as refused:
        member.create_server(**wish(cloud))
    assert "Requested 1, 1, but already used 1, 1 of 1, 1 cores, instances" in str(refused.value)
    admin.update_quota_set(cloud.fleet.id, instances=5, cores=-1, ram=2047)
    with pytest.raises(exceptions.ForbiddenException, match="Quota exceeded for ram: Requested 1024"):
        member.create_server(**wish(cloud))
    assert [row.id for row in member.servers()] == [server.id]


def test_a_refused_server_leaves_no_volume(cloud, member, admin, server):
    admin.update_quota_set(cloud.fleet.id, instances=1)
    disk = {
        "boot_index": 0,
        "uuid": cloud.image.id,
        "source_type": "image",
        "destination_type": "volume",
        "volume_size": 1,
    }
    before = len(cloud.openstack.volumes.volumes)
    with pytest.raises(exceptions.ForbiddenException):
        member.create_server(**wish(cloud, block_device_mapping=[disk]))
    assert len(cloud.openstack.volumes.volumes) == before


def test_limits_and_quotas_say_the_same(cloud, member, admin, server):
    admin.update_quota_set(cloud.fleet.id, instances=7, cores=20)
    limits = member.get_limits().absolute
    assert (limits.instances, limits.instances_used, limits.total_cores) == (7, 1, 20)
    assert limits.total_ram == -1
    detail = member.get_quota_set(cloud.fleet.id, usage=True)
    assert (detail.instances, detail.usage["instances"], detail.usage["cores"]) == (7, 1, 1)
    with pytest.raises(exceptions.ForbiddenException):
        member.get_quota_set(cloud.other.id)
    with pytest.raises(exceptions.ForbiddenException):
        member.update_quota_set(cloud.fleet.id, instances=100)
    refused = admin.put(f"/os-quota-sets/{cloud.fleet.id}", json={"quota_set": {"apples": 1}})
    assert (refused.status_code, "'apples' was unexpected" in refused.text) == (400, True)
    assert type(cloud.nova.tables).from_dict(cloud.nova.tables.to_dict()).quotas == cloud.nova.tables.quotas


def test_key_pairs_have_a_quota(cloud, member, admin):
    admin.update_quota_set(cloud.fleet.id, key_pairs=1)
    made = member.create_keypair(name="first", public_key=KEY)
    with pytest.raises(exceptions.ForbiddenException, match="too many key pairs"):
        member.create_keypair(name="second", public_key=KEY)
    member.delete_keypair(made)


def test_consoles(cloud, member, server):
    shown = member.create_console(server, console_type="novnc")
    again = member.create_console(server, console_type="novnc")
    assert shown["protocol"] == "vnc"
    assert shown["url"].startswith("http://127.0.0.1:6080/vnc_auto.html?path=%3Ftoken%3D")
    assert shown["url"] != again["url"]
    with pytest.raises(exceptions.BadRequestException, match="Unavailable console type spice-html5"):
        member.create_console(server, console_type="spice-html5")
    reader = cloud.sdk("reader").compute
    with pytest.raises(exceptions.ForbiddenException):
        reader.create_console(server, console_type="novnc")
    elsewhere = cloud.sdk("reader", "other").compute
    with pytest.raises(exceptions.NotFoundException):
        elsewhere.create_console(server, console_type="novnc")


def test_the_command_shows_console_and_quota(command, server):
    assert command("console", "url", "show", server.id)["type"] == "novnc"
    assert "login:" in command.run("console", "log", "show", server.id).out
    rows = {row["Resource"]: row["Limit"] for row in command("quota", "show", "--compute")}
    assert (rows["instances"], rows["key-pairs"]) == (-1, 100)


def test_the_command_does_what_tenants_do(command, tmp_path):
    key = tmp_path / "key.pub"
    key.write_text(KEY)
    assert command("keypair", "create", "--public-key", key, "laptop")["name"] == "laptop"
    assert [row["Name"] for row in command("keypair", "list")] == ["laptop"]
    assert command.run("keypair", "delete", "laptop").code == 0

    group = command("security", "group", "create", "ssh")
    words = ("--protocol", "tcp", "--dst-port", "22", "--remote-ip", "192.0.2.0/24")
    rule = command("security", "group", "rule", "create", *words, group["id"])
    assert (rule["port_range_min"], rule["remote_ip_prefix"]) == (22, "192.0.2.0/24")
    again = command.run("security", "group", "rule", "create", *words, group["id"])
    assert (again.code, "already exists" in again.err) == (1, True)

    volume = command("volume", "create", "--size", "1", "data")
    until(lambda: command("volume", "show", volume["id"])["status"] == "available")
    backup = command("volume", "backup", "create", "--name", "nightly", volume["id"])
    until(lambda: command("volume", "backup", "show", backup["id"])["status"] == "available")
    shown = {row["Name"]: row["Value"] for row in command("limits", "show", "--absolute")}
    assert (shown["total_volumes_used"], shown["total_backup_gigabytes_used"]) == (1, 1)


def until(condition):
    """Commands take a while: ask again, a few times."""
    assert any(condition() for _ in range(10))


@pytest.mark.parametrize("data", ["x" * 65536, "no base64!"], ids=["long", "text"])
def test_user_data_that_nova_refuses(cloud, member, data):
    with pytest.raises(exceptions.BadRequestException, match="user_data"):
        member.create_server(**wish(cloud, user_data=data))


def test_user_data_is_kept(cloud, member, admin):
    data = base64.b64encode(b"#cloud-config\n").decode()
    made = member.create_server(**wish(cloud, user_data=data))
    assert cloud.nova.tables.server(made.id).user_data == data
    member.delete_server(made)


@pytest.fixture
def theirs(cloud):
    """What belongs to the other project."""
    model, owner = cloud.openstack, cloud.other.id
    image = model.images.add(Image(name="i", owner=owner, visibility="private"))
    network = model.networks.add_network(Network(name="theirs", project_id=owner))
    model.networks.add_subnet(Subnet(network_id=network.id, cidr="10.9.0.0/24", project_id=owner))
    volume = model.volumes.create(
        Volume(name="v", size=1, project_id=owner, type_id=model.volumes.default_type)
    )
    model.volumes.change(volume, "available")
    return SimpleNamespace(
        image=image, network=network, port=model.networks.create_port(network.id, owner), volume=volume
    )


def test_what_is_anothers_is_not_there(cloud, member, server, theirs):
    disk = {"boot_index": 1, "uuid": theirs.volume.id, "source_type": "volume", "destination_type": "volume"}
    for name, said in (
        ({"image_id": theirs.image.id}, "Can not find requested image"),
        ({"networks": [{"uuid": theirs.network.id}]}, f"Network {theirs.network.id} could not be found"),
        ({"networks": [{"port": theirs.port.id}]}, f"Port id {theirs.port.id} could not be found"),
        ({"block_device_mapping": [disk]}, f"failed to get volume {theirs.volume.id}"),
    ):
        with pytest.raises(exceptions.BadRequestException, match=said):
            member.create_server(**wish(cloud, **name))
    with pytest.raises(exceptions.NotFoundException, match="could not be found"):
        member.create_volume_attachment(server, volume_id=theirs.volume.id)
    with pytest.raises(exceptions.BadRequestException, match="could not be found"):
        member.create_server_interface(server, net_id=theirs.network.id)
    assert [row.id for row in member.servers()] == [server.id]


def test_no_server_stands_outside(cloud, member):
    outside = cloud.openstack.networks.add_network(Network(name="o", external=True, project_id="nobody"))
    with pytest.raises(exceptions.ForbiddenException, match="on external network"):
        member.create_server(**wish(cloud, networks=[{"uuid": outside.id}]))
