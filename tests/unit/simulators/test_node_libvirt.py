"""Definitions and firmware of servers, as a simulated node tells them."""

import hashlib

import pytest

from cloudmanager.sign.definition import read
from cloudmanager.simulators.clock import ManualClock
from cloudmanager.simulators.node_os.server import add_os
from cloudmanager.simulators.node_os.shell import NodeShell
from cloudmanager.simulators.node_os.system import BOOT_SECONDS, System
from cloudmanager.simulators.openstack.cloud import OpenStack
from cloudmanager.simulators.openstack.compute.rows import Server
from cloudmanager.simulators.world import World

DUMP = "sudo -n -- timeout 8 virsh --connect qemu:///system --readonly dumpxml --inactive {}"


@pytest.fixture
def place():
    world = World(clock=ManualClock())
    for name in ("n1", "n2"):
        world.add_node(name, on=True)
    world.clock.advance(BOOT_SECONDS)
    cloud = OpenStack(world)
    for name in ("n1", "n2"):
        cloud.compute.add_host(name)
    flavor = cloud.compute.add_flavor("m1.nano", vcpus=1, ram=64, disk=0)
    server = Server(
        name="a <b> & c", project_id="p", user_id="u", flavor=flavor, host="n1", vm_state="active"
    )
    cloud.compute.tables.add_server(server)
    cloud.compute.tables.hosts["n1"].guests[server.id] = 1
    shells = {
        name: NodeShell(System(world, add_os(world, name, password="secret").name, cloud))
        for name in ("n1", "n2")
    }
    return cloud, server, shells


def test_a_definition_is_one_of_libvirt(place):
    _, server, shells = place
    answer = shells["n1"].execute(DUMP.format(server.id))
    found = read(answer.out)
    assert (found.uuid, found.name) == (server.id, f"instance-{server.number:08x}")
    for path in (*found.firmware, *found.own):
        told = shells["n1"].execute(f"sha256sum --binary {path}").out
        assert told.endswith(f" *{path}\n")
        assert len(told.split()[0]) == 64
    assert shells["n1"].execute("virsh list --all --name").out.split() == [found.name]


def test_it_is_where_the_guest_is(place):
    cloud, server, shells = place
    missing = shells["n2"].execute(DUMP.format(server.id))
    assert (missing.status, "failed to get domain" in missing.err) == (1, True)
    hosts = cloud.compute.tables.hosts
    hosts["n2"].guests[server.id] = hosts["n1"].guests.pop(server.id)
    moved = read(shells["n2"].execute(DUMP.format(server.id)).out)
    assert moved.uuid == server.id
    assert shells["n1"].execute(DUMP.format(server.id)).status == 1


def test_what_somebody_writes_there_is_told(place):
    _, server, shells = place
    before = read(shells["n1"].execute(DUMP.format(server.id)).out)
    text = shells["n1"].execute(DUMP.format(server.id)).out.replace("65536", "131072")
    shells["n1"].execute(f"install -D -m 600 /dev/stdin /etc/libvirt/qemu/{before.name}.xml", text.encode())
    assert read(shells["n1"].execute(DUMP.format(server.id)).out).portable != before.portable
    shells["n1"].execute(f"install -D -m 600 /dev/stdin {before.firmware[0]}", b"evil")
    told = shells["n1"].execute(f"sha256sum --binary {before.firmware[0]}").out
    assert told.startswith(hashlib.sha256(b"evil").hexdigest())
    assert "No such file or directory" in shells["n1"].execute("sha256sum /nowhere").err
    assert "unknown command" in shells["n1"].execute("virsh destroy x").err
