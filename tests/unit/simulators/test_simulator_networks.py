"""The simulated Neutron, asked by openstacksdk and by plain HTTP."""

import json

import httpx
import pytest
from openstack import exceptions

from cloudmanager.simulators.openstack.networks import Networks
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


def ask(cloud, name, method, path, **options):
    headers = {"X-Auth-Token": cloud.token(name)}
    return httpx.request(method, f"{cloud.neutron.url}/v2.0/{path}", headers=headers, **options)


def test_networks_and_subnets(cloud, admin, member):
    made = member.create_network(name="n")
    subnet = member.create_subnet(network_id=made.id, ip_version=4, cidr="10.1.0.0/24", name="s")
    assert (subnet.gateway_ip, subnet.allocation_pools) == (
        "10.1.0.1",
        [{"start": "10.1.0.2", "end": "10.1.0.254"}],
    )
    assert [row.subnet_ids for row in member.networks(name="n")] == [[subnet.id]]
    assert admin.get_network(made.id).provider_segmentation_id == 101
    assert member.get_network(made.id).provider_segmentation_id is None
    with pytest.raises(exceptions.BadRequestException, match="not a valid IP subnet"):
        member.create_subnet(network_id=made.id, ip_version=4, cidr="10.1.0.0/99")
    with pytest.raises(exceptions.ForbiddenException, match="disallowed by policy"):
        member.create_network(name="x", is_shared=True)
    elsewhere = cloud.sdk("member", "other").network
    assert elsewhere.find_network("n") is None
    shared = admin.create_network(name="everybody", is_shared=True)
    assert [row.name for row in elsewhere.networks()] == ["everybody"]
    with pytest.raises(exceptions.ForbiddenException):
        elsewhere.delete_network(shared.id)
    member.delete_network(made.id)
    assert member.find_subnet(subnet.id) is None


def test_ports(cloud, admin, member):
    made = member.create_port(network_id=cloud.network.id, name="p", device_id="server-1")
    assert made.fixed_ips[0]["ip_address"] == "10.0.0.2"
    assert (made.status, made.mac_address[:8]) == ("DOWN", "fa:16:3e")
    assert [row.id for row in member.ports(device_id="server-1")] == [made.id]
    assert [row.id for row in member.ports(fixed_ips="ip_address=10.0.0.2")] == [made.id]
    assert list(member.ports(device_id="server-2")) == []
    assert ask(cloud, "member", "GET", "ports?fields=id&device_id=server-1&device_id=x").json() == {
        "ports": [{"id": made.id}]
    }
    wanted = member.create_port(network_id=cloud.network.id, fixed_ips=[{"ip_address": "10.0.0.5"}])
    assert wanted.fixed_ips[0]["ip_address"] == "10.0.0.5"
    with pytest.raises(exceptions.ConflictException, match="already allocated"):
        member.create_port(network_id=cloud.network.id, fixed_ips=[{"ip_address": "10.0.0.5"}])
    with pytest.raises(exceptions.BadRequestException, match="not a valid IP for any"):
        member.create_port(network_id=cloud.network.id, fixed_ips=[{"ip_address": "10.9.0.5"}])
    with pytest.raises(exceptions.ForbiddenException):
        member.update_port(made.id, binding_host_id="r1n01")
    admin.update_port(made.id, binding_host_id="r1n01")
    assert (admin.get_port(made.id).binding_host_id, member.get_port(made.id).status) == ("r1n01", "ACTIVE")
    with pytest.raises(exceptions.ConflictException, match="still in use"):
        member.delete_network(cloud.network.id)
    for _ in range(3):
        member.create_port(network_id=cloud.network.id)
    with pytest.raises(exceptions.ConflictException, match="No more IP addresses"):
        member.create_port(network_id=cloud.network.id)
    member.delete_port(made.id)
    assert member.create_port(network_id=cloud.network.id).fixed_ips[0]["ip_address"] == "10.0.0.2"


def test_security_groups(cloud, member):
    [default] = member.security_groups()
    assert (default.name, len(default.security_group_rules)) == ("default", 4)
    made = member.create_security_group(name="web")
    rule = member.create_security_group_rule(
        security_group_id=made.id, direction="ingress", protocol="tcp", port_range_min=80, port_range_max=80
    )
    with pytest.raises(exceptions.ConflictException, match="already exists"):
        member.create_security_group_rule(
            security_group_id=made.id,
            direction="ingress",
            protocol="tcp",
            port_range_min=80,
            port_range_max=80,
        )
    assert rule.id in {row.id for row in member.security_group_rules(security_group_id=made.id)}
    port = member.create_port(network_id=cloud.network.id, security_groups=[made.id])
    with pytest.raises(exceptions.ConflictException, match="in use"):
        member.delete_security_group(made.id)
    member.delete_port(port.id)
    member.delete_security_group_rule(rule.id)
    member.delete_security_group(made.id)
    assert len(list(member.security_groups())) == 1


def test_floating_addresses(cloud, admin, member):
    outside = admin.create_network(name="outside", is_router_external=True)
    admin.create_subnet(network_id=outside.id, ip_version=4, cidr="192.0.2.0/24")
    router = member.create_router(external_gateway_info={"network_id": outside.id})
    member.add_interface_to_router(router, subnet_id=next(member.subnets(network_id=cloud.network.id)).id)
    port = member.create_port(network_id=cloud.network.id)
    made = member.create_ip(floating_network_id=outside.id, port_id=port.id)
    assert (made.floating_ip_address, made.fixed_ip_address) == ("192.0.2.3", "10.0.0.2")
    second = member.create_ip(floating_network_id=outside.id)
    assert (second.floating_ip_address, second.status) == ("192.0.2.4", "DOWN")
    member.delete_port(port.id)
    assert member.get_ip(made.id).port_id is None
    with pytest.raises(exceptions.BadRequestException, match="not a valid external network"):
        member.create_ip(floating_network_id=cloud.network.id)
    member.delete_ip(made.id)
    assert [row.id for row in member.ips()] == [second.id]


def test_the_wire(cloud, member):
    assert {"security-group", "binding"} <= {row.alias for row in member.extensions()}
    missing = ask(cloud, "member", "GET", "ports/nowhere")
    error = {"type": "PortNotFound", "message": "Port nowhere could not be found.", "detail": ""}
    assert (missing.status_code, missing.json()) == (404, {"NeutronError": error})
    refused = ask(cloud, "reader", "POST", "ports", json={"port": {"network_id": cloud.network.id}})
    assert refused.json()["NeutronError"]["type"] == "PolicyNotAuthorized"
    assert ask(cloud, "reader", "GET", "ports").status_code == 200
    assert ask(cloud, "member", "PUT", "networks").status_code == 405
    assert httpx.get(f"{cloud.neutron.url}/v2.0/ports").status_code == 401
    for _ in range(3):
        member.create_port(network_id=cloud.network.id)
    assert len(list(member.ports(limit=1))) == 3


def test_everything_survives_a_restart(cloud, member):
    member.create_port(network_id=cloud.network.id)
    kept = json.loads(json.dumps(cloud.networks.to_dict()))
    again = Networks.from_dict(kept, cloud.networks.clock)
    assert again.to_dict() == cloud.networks.to_dict()
    macs = {port.mac for port in again.ports.values()}
    assert again.create_port(cloud.network.id, cloud.fleet.id).mac not in macs
