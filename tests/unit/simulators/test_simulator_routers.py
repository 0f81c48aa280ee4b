"""The way outside in the simulated Neutron: routers, floating addresses, quotas, as openstacksdk sees them."""

import json
from contextlib import closing

import pytest
from openstack import exceptions

from cloudmanager.simulators.openstack.networks import Networks
from tests.keystone import PASSWORD
from tests.peers.openstack_client import OpenStackClient
from tests.storage_cloud import RunningStorageCloud

pytestmark = pytest.mark.filterwarnings("ignore::openstack.warnings._RemovedInSDKWarning")


@pytest.fixture
def cloud():
    with RunningStorageCloud() as running:
        yield running


@pytest.fixture
def admin(cloud):
    return cloud.sdk("admin").network


@pytest.fixture
def member(cloud):
    return cloud.sdk("member").network


@pytest.fixture
def outside(admin):
    made = admin.create_network(name="outside", is_router_external=True)
    admin.create_subnet(network_id=made.id, ip_version=4, cidr="192.0.2.0/24")
    return made


@pytest.fixture
def subnet(cloud, member):
    [found] = member.subnets(network_id=cloud.network.id)
    return found


@pytest.fixture
def router(member, outside, subnet):
    made = member.create_router(name="r", external_gateway_info={"network_id": outside.id})
    member.add_interface_to_router(made, subnet_id=subnet.id)
    return made


def test_a_router_leads_outside(cloud, member, outside, router, subnet):
    [address] = router.external_gateway_info["external_fixed_ips"]
    assert address["ip_address"] == "192.0.2.2"
    [plug] = member.ports(device_id=router.id)
    assert (plug.device_owner, plug.fixed_ips[0]["ip_address"]) == (
        "network:router_interface",
        subnet.gateway_ip,
    )
    assert [row.id for row in member.routers(name="r")] == [router.id]
    elsewhere = cloud.sdk("member", "other").network
    assert list(elsewhere.routers()) == []
    with pytest.raises(exceptions.NotFoundException):
        elsewhere.get_router(router.id)
    with pytest.raises(exceptions.BadRequestException, match="already has a port"):
        member.add_interface_to_router(router, subnet_id=subnet.id)
    with pytest.raises(exceptions.ConflictException, match="cannot be deleted directly"):
        member.delete_port(plug)


def test_a_router_is_taken_away_in_order(cloud, member, outside, router, subnet):
    with pytest.raises(exceptions.ConflictException, match="still has ports"):
        member.delete_router(router)
    port = member.create_port(network_id=cloud.network.id)
    floating = member.create_ip(floating_network_id=outside.id, port_id=port.id)
    with pytest.raises(exceptions.ConflictException, match="required by one or more floating IPs"):
        member.remove_interface_from_router(router, subnet_id=subnet.id)
    with pytest.raises(exceptions.ConflictException, match="required by one or more floating IPs"):
        member.update_router(router, external_gateway_info={})
    member.delete_ip(floating)
    member.remove_interface_from_router(router, subnet_id=subnet.id)
    with pytest.raises(exceptions.NotFoundException, match="no interface on subnet"):
        member.remove_interface_from_router(router, subnet_id=subnet.id)
    member.update_router(router, external_gateway_info={})
    assert member.get_router(router.id).external_gateway_info is None
    member.delete_router(router)
    assert [row for row in cloud.networks.ports.values() if row.device_id == router.id] == []


def test_without_a_router_no_address_leads_anywhere(cloud, member, outside):
    port = member.create_port(network_id=cloud.network.id)
    with pytest.raises(exceptions.NotFoundException, match="is not reachable from subnet"):
        member.create_ip(floating_network_id=outside.id, port_id=port.id)
    assert list(member.ips()) == []
    made = member.create_ip(floating_network_id=outside.id)
    with pytest.raises(exceptions.NotFoundException, match="is not reachable from subnet"):
        member.update_ip(made, port_id=port.id)
    with pytest.raises(exceptions.BadRequestException, match="is not an external network"):
        member.create_router(name="r", external_gateway_info={"network_id": cloud.network.id})


def test_an_address_moves(cloud, member, outside, router):
    first, second = (member.create_port(network_id=cloud.network.id) for _ in range(2))
    made = member.create_ip(floating_network_id=outside.id, port_id=first.id, description="mine")
    assert (made.router_id, made.description, made.status) == (router.id, "mine", "ACTIVE")
    assert member.update_ip(made, description="ours").port_id == first.id
    moved = member.update_ip(made, port_id=second.id)
    assert moved.fixed_ip_address == second.fixed_ips[0]["ip_address"]
    with pytest.raises(exceptions.ConflictException, match="already has a floating IP"):
        member.create_ip(floating_network_id=outside.id, port_id=second.id)
    free = member.update_ip(made, port_id=None)
    assert (free.port_id, free.router_id, free.status) == (None, None, "DOWN")


def test_quotas(cloud, admin, member, outside):
    admin.update_quota(cloud.fleet.id, floating_ips=1, security_groups=3)
    member.create_ip(floating_network_id=outside.id)
    with pytest.raises(exceptions.ConflictException, match=r"Quota exceeded for resources: \['floatingip'\]"):
        member.create_ip(floating_network_id=outside.id)
    detail = member.get_quota(cloud.fleet.id, details=True)
    assert detail.floating_ips == {"limit": 1, "used": 1, "reserved": 0}
    assert member.get_quota(cloud.fleet.id).security_groups == 3
    with pytest.raises(exceptions.ForbiddenException):
        member.get_quota(cloud.other.id)
    with pytest.raises(exceptions.ForbiddenException):
        member.update_quota(cloud.fleet.id, floating_ips=100)
    admin.delete_quota(cloud.fleet.id)
    assert member.get_quota(cloud.fleet.id).floating_ips == 50


def test_it_is_kept(cloud, admin, member, router):
    admin.update_quota(cloud.fleet.id, floating_ips=1)
    kept = Networks.from_dict(json.loads(json.dumps(cloud.networks.to_dict())), cloud.networks.clock)
    assert kept.routers == cloud.networks.routers
    assert kept.quotas == cloud.networks.quotas
    assert kept.routing.gateway(kept.router(router.id)) == cloud.networks.routing.gateway(
        cloud.networks.router(router.id)
    )


def test_the_command(cloud, member, outside, subnet):
    settings = {
        "OS_AUTH_URL": cloud.url,
        "OS_USERNAME": "member",
        "OS_PASSWORD": PASSWORD,
        "OS_PROJECT_NAME": "fleet",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_IDENTITY_API_VERSION": "3",
    }
    port = member.create_port(network_id=cloud.network.id)
    with closing(OpenStackClient(settings)) as command:
        command("router", "create", "r", "--external-gateway", "outside")
        assert command.run("router", "add", "subnet", "r", subnet.id).code == 0
        made = command("floating", "ip", "create", "outside", "--port", port.id)
        assert made["port_id"] == port.id
        assert command("router", "show", "r")["interfaces_info"][0]["subnet_id"] == subnet.id
