"""The whole simulated cloud in a thread, with quick timings, and openstacksdk to ask it."""

from __future__ import annotations

import asyncio

import openstack

from cloudmanager.simulators.openstack.cloud import OpenStack
from cloudmanager.simulators.openstack.compute import Timings
from cloudmanager.simulators.openstack.images import Image
from cloudmanager.simulators.openstack.networks.rows import Network, Subnet
from cloudmanager.simulators.world import World
from tests.keystone import HOST, RunningKeystone

HOSTS = ("c1", "c2", "c3")


def quick():
    """Timings with which a test takes no time; what must be seen meanwhile is slowed down by the test."""
    return Timings(
        report_interval=0.1,
        service_down_time=0.4,
        boot=0.3,
        rpc=0.01,
        spawn=0.02,
        delete=0.02,
        power=0.02,
        reboot=0.02,
        snapshot=0.02,
        live_migration=0.1,
        cold_step=0.02,
        rebuild_step=0.02,
        evacuation_gap=0.01,
        sync_power_state_interval=0.1,
    )


class RunningComputeCloud(RunningKeystone):
    """`with RunningComputeCloud() as cloud:`; three hosts, an image `tiny`, two flavors, a network `fleet`."""

    def __init__(self):
        super().__init__()
        self.other = self.identity.add_project("other")
        self.identity.grant(self.user("reader"), self.other, "member")
        self.world = World()
        self.openstack = OpenStack(self.world, identity=self.identity)
        self.nova = self.openstack.compute
        self.nova.timings = quick()
        self.image = Image(name="tiny", visibility="public", container_format="bare", disk_format="qcow2")
        self.small = self.nova.add_flavor("m1.small", vcpus=1, ram=1024, disk=1, id="1")
        self.nova.add_flavor("m1.large", vcpus=4, ram=8192, disk=20, id="2")
        self.openstack.volumes.seconds = 0.05
        self.openstack.volumes.add_backend("storage1", "lvm", "cinder-volumes", {"/dev/sdb": 40})
        self.openstack.volumes.add_type("lvm", backend="lvm")
        networks = self.openstack.networks
        self.network = networks.add_network(Network(name="fleet", project_id=self.fleet.id))
        networks.add_subnet(Subnet(network_id=self.network.id, cidr="10.0.0.0/24", project_id=self.fleet.id))

    def start(self):
        self._run(self._start())
        self.service = self.openstack.servers["keystone"]
        self.port = self.openstack.ports["keystone"]

    def stop(self):
        self._run(self.openstack.stop())

    async def _start(self):
        """On the loop, whose clock the world uses."""
        if not self.nova.tables.hosts:
            for name in HOSTS:
                self.world.add_node(name, on=True)
                self.nova.add_host(name, vcpus=16, memory_mb=32768, disk_gb=100)
            self.openstack.images.add(self.image)
            self.openstack.images.upload(self.image, b"disk")
        await self.openstack.start(HOST)

    @property
    def nova_url(self):
        return f"http://{HOST}:{self.openstack.ports['nova']}/v2.1"

    def do(self, work, *args, **options):
        """Do something to the truth, where nothing else is done at the same time."""

        async def done():
            return work(*args, **options)

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(10)

    def sdk(self, name, project="fleet", **options):
        """openstacksdk, as somebody."""
        return openstack.connection.Connection(session=self.client(name, project), **options)
