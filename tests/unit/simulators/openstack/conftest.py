"""A small cloud in which time passes only when a test says so."""

from __future__ import annotations

import itertools

import pytest

from cloudmanager.simulators.clock import ManualClock
from cloudmanager.simulators.openstack.compute import Compute, Origin, Timings
from cloudmanager.simulators.openstack.compute.rows import Server
from cloudmanager.simulators.world import World

HOSTS = ("c1", "c2", "c3", "c4")


class Lab:
    """Four compute nodes that are on, and short words for what tests do with them."""

    def __init__(self, **how):
        self.clock = ManualClock()
        self.world = World(clock=self.clock)
        for name in HOSTS:
            self.world.add_node(name, on=True)
        self.nova = Compute(self.world, timings=Timings(), **how)
        for name in HOSTS:
            self.nova.add_host(name, vcpus=8, memory_mb=16384, disk_gb=100)
        self.small = self.nova.add_flavor("small", vcpus=1, ram=1024, disk=1, id="1")
        self.large = self.nova.add_flavor("large", vcpus=2, ram=4096, disk=10, id="2")
        self._numbers = itertools.count(1)

    def host(self, name):
        return self.nova.tables.hosts[name]

    def origin(self):
        return Origin(f"req-{next(self._numbers)}", "user", "project")

    def ask(self, **what):
        """What is wanted of a new server."""
        wish = {
            "name": "vm",
            "project_id": "project",
            "user_id": "user",
            "flavor": self.small,
            "image_id": "i",
        }
        return Server(**wish | what)

    def boot(self, host="c1", **what):
        """A server that runs."""
        [server] = self.nova.building.create(self.ask(**what), self.origin(), host=host)
        self.clock.advance(1)
        assert (server.vm_state, server.host) == ("active", host)
        return server

    def die(self, host):
        """Cut the power of a host and wait until Nova has noticed."""
        self.world.power_off(host)
        self.clock.advance(11)
        assert not self.is_up(host)

    def is_up(self, host):
        return self.nova.hosts.is_up(self.host(host))

    def state(self, server):
        return server.vm_state, server.task_state, server.host

    def moves(self, server):
        return [(row.type, row.status) for row in self.nova.tables.migrations_of(server.id)]

    def move(self, server):
        """The newest migration of a server."""
        return self.nova.tables.migrations_of(server.id)[-1]

    def runs(self, server):
        return self.nova.hosts.runs(server.id)

    def why(self, server):
        """What the last action says of its end."""
        return [event.details for event in self.nova.actions.of(server.id)[0].events if event.details]

    def follow(self, server, seconds, step=0.01):
        """Every state that is seen on the way, without repetition."""
        seen = []
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            now = self.state(server), self.moves(server)[-1][1] if self.moves(server) else None
            if not seen or seen[-1] != now:
                seen.append(now)
        return seen


@pytest.fixture
def lab():
    return Lab()
