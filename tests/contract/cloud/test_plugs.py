"""Where servers are plugged in, asked for many at once; the simulated cloud alone has such networks."""

from __future__ import annotations

import pytest

from cloudmanager.openstack import plugs
from cloudmanager.simulators.openstack.networks.rows import FloatingIp, Network, Subnet


@pytest.fixture
async def cloud(simulated):
    cloud = simulated.cloud()
    yield cloud
    await cloud.close()


@pytest.fixture
def ports(simulated):
    """Ports of three servers on two networks, the first with a floating address."""
    networks, project = simulated.model.networks, simulated.project.id
    for number in (1, 2):
        network = networks.add_network(Network(name=f"net{number}", project_id=project))
        networks.add_subnet(Subnet(network_id=network.id, cidr=f"10.{number}.0.0/24", project_id=project))
    first, second = networks.networks.values()
    made = [
        networks.create_port(network.id, project, device_id=server)
        for network, server in ((first, "s1"), (second, "s1"), (first, "s2"), (first, "s3"))
    ]
    floating = FloatingIp(network_id=first.id, address="203.0.113.7", port_id=made[0].id, project_id=project)
    networks.floating[floating.id] = floating
    return made


@pytest.mark.parametrize("at_once", [1, 2, 100])
async def test_many_servers_are_asked_for_in_a_few_questions(simulated, cloud, ports, monkeypatch, at_once):
    monkeypatch.setattr(plugs, "_ASKED_AT_ONCE", at_once)
    found = await cloud.plugs_of(["s1", "s2", "s2"])
    assert {(plug.server_id, plug.id) for plug in found} == {
        ("s1", ports[0].id),
        ("s1", ports[1].id),
        ("s2", ports[2].id),
    }
    [one] = [plug for plug in found if plug.id == ports[1].id]
    assert (one.mac, one.network_id) == (ports[1].mac, ports[1].network_id)
    assert one.addresses == (ports[1].addresses[0]["ip_address"],)
    assert one.guarded is True
    assert await cloud.public_addresses_of([plug.id for plug in found]) == {ports[0].id: "203.0.113.7"}
    names = await cloud.network_names([plug.network_id for plug in found])
    assert sorted(names.values()) == ["net1", "net2"]
    groups = await cloud.security_group_names(one.group_ids)
    assert list(groups.values()) == ["default"]


async def test_of_nothing_nothing_is_asked(simulated, cloud):
    await cloud.services()
    requests = simulated.model.servers["neutron"].requests
    requests.clear()
    assert await cloud.plugs_of([]) == ()
    assert await cloud.network_names([]) == {}
    assert not requests
