"""Cinder, Glance and Neutron of the simulated cloud in a thread, with its Keystone, and openstacksdk to ask them."""

from __future__ import annotations

import openstack

from cloudmanager.simulators.clock import LoopClock
from cloudmanager.simulators.openstack.images import Glance, Images
from cloudmanager.simulators.openstack.networks import Networks, Neutron
from cloudmanager.simulators.openstack.networks.rows import Network, Subnet
from cloudmanager.simulators.openstack.volumes import Cinder, Volumes
from tests.keystone import HOST, RunningKeystone

GIB = 1 << 30


class RunningStorageCloud(RunningKeystone):
    """`with RunningStorageCloud() as cloud:`; two storage hosts, an image `tiny`, a network `fleet`."""

    def __init__(self):
        super().__init__()
        clock = LoopClock()
        self.other = self.identity.add_project("other")
        self.identity.grant(self.user("member"), self.other, "member")
        self.volumes, self.images, self.networks = Volumes(clock), Images(clock), Networks(clock)
        self.volumes.seconds = 0.2
        self.volumes.add_controller("controller1")
        for number in (1, 2):
            disks = {"/dev/sdb": 40, "/dev/sdc": 40}
            self.volumes.add_backend(f"storage{number}", "lvm", "cinder-volumes", disks)
        self.volumes.add_type("lvm", backend="lvm")
        self.network = self.networks.add_network(Network(name="fleet", project_id=self.fleet.id))
        self.networks.add_subnet(
            Subnet(network_id=self.network.id, cidr="10.0.0.0/29", project_id=self.fleet.id)
        )
        self.cinder = Cinder(self.volumes, self.images, self.identity)
        self.glance = Glance(self.images, self.identity)
        self.neutron = Neutron(self.networks, self.identity)

    @property
    def services(self):
        return (self.cinder, self.glance, self.neutron)

    def start(self):
        super().start()
        for service in self.services:
            self._run(service.start(HOST, 0))

    def stop(self):
        for service in self.services:
            self._run(service.stop())
        super().stop()

    def sdk(self, name, project="fleet", **options):
        """openstacksdk, as somebody."""
        return openstack.connection.Connection(
            session=self.client(name, project), block_storage_api_version="3", **options
        )
