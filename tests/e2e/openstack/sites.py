"""Clouds whose hosts the product empties, fences and restarts, with a machine and its BMC behind each host.

The simulated one always; a real one when CLOUDMANAGER_TEST_CLOUD names it. There the tests use the hosts of
CLOUDMANAGER_TEST_HOSTS alone, which must be empty, and the hosts follow the power of their simulated machines
by CLOUDMANAGER_TEST_HOST_COMMAND, called with `kill HOST` and `start HOST`.
"""

from __future__ import annotations

import json
import os
import queue
import shlex
import subprocess
import threading
import uuid
from collections import Counter

import pytest

from cloudmanager.simulators.ipmi import Bmc
from cloudmanager.simulators.world import Account, World
from tests.background import Background
from tests.contract.cloud import sites
from tests.contract.cloud.sites import HOST, HOST_COMMAND, REAL
from tests.e2e.product import wait_until

LOGIN, PASSWORD = "operator", "kept-by-the-bmc"
HOSTS = os.environ.get("CLOUDMANAGER_TEST_HOSTS", "").replace(",", " ").split()
FAULTS = os.environ.get("CLOUDMANAGER_TEST_HOST_FAULTS")
"""A program that is called with `fault HOST OPERATION JSON` and `clear HOST`; only where hypervisors are fakes."""

DESTRUCTIVE = os.environ.get("DESTRUCTIVE") == "1"
_ZONE = "cloudmanager-e2e"
_MOVES = {"live-migration", "migration", "evacuation"}


class Bmcs:
    """A BMC for each node of a world; all coroutines belong into the world's loop."""

    def __init__(self, world, nodes):
        self._world = world
        self._nodes = list(nodes)
        self._servers = []
        self.ports = {}

    async def start(self):
        for node in self._nodes:
            name = f"bmc-{node}"
            self._world.add_device(name, "bmc", accounts={2: Account(LOGIN, PASSWORD)})
            self._world.plug(name, "1", node)
            server = Bmc(self._world, name)
            self._world.set_faults(name, soft_off_delay=0.3)
            self.ports[node] = await server.start(HOST, 0)
            self._servers.append(server)

    async def stop(self):
        for server in self._servers:
            await server.stop()


class Site:
    """What tests do to a cloud and ask of it, by OpenStack's own client. Hosts are given back empty and up."""

    hosts: list[str]
    flavor_id: str
    image_id: str
    zone: str | None = None
    patience: float

    # --- servers --------------------------------------------------------------------------------------------

    def boot(self, host, count=1, **wish):
        """So many servers that run on the host."""
        made = [self._create(host, **wish) for _ in range(count)]
        for server_id in made:
            self.until(lambda server_id=server_id: self.state(server_id) == ("active", None))
            assert self.server(server_id).compute_host == host
        return made

    def _create(self, host, **wish):
        zone = {"availability_zone": self.zone} if self.zone else {}
        server = self.sdk.compute.create_server(
            name=f"e2e-{uuid.uuid4().hex[:8]}",
            flavor_id=self.flavor_id,
            image_id=self.image_id,
            networks="none",
            host=host,
            **zone,
            **wish,
        )
        self.made.append(server.id)
        return server.id

    def server(self, server_id):
        return self.sdk.compute.get_server(server_id)

    def state(self, server_id):
        server = self.server(server_id)
        return server.vm_state, server.task_state

    def hosts_of(self, servers):
        return {server_id: self.server(server_id).compute_host for server_id in servers}

    def act(self, server_id, action, vm_state):
        """Do what an owner does (`stop_server` …), and wait for it."""
        getattr(self.sdk.compute, action)(server_id)
        self.until(lambda: self.state(server_id) == (vm_state, None))

    def migrations(self, server_id):
        """Nova's records of the moves of a server, the newest first."""
        answer = self.sdk.compute.get(f"/os-migrations?instance_uuid={server_id}", microversion="2.80")
        rows = [row for row in answer.json()["migrations"] if row["migration_type"] in _MOVES]
        return sorted(rows, key=lambda row: -row["id"])

    def request_ids(self, server_id):
        """Ids of the requests that Nova noted for a server."""
        return {action.request_id for action in self.sdk.compute.server_actions(server_id)}

    # --- hosts ----------------------------------------------------------------------------------------------

    def service(self, host):
        [found] = self.sdk.compute.services(host=host, binary="nova-compute")
        return found

    def dead_hosts(self):
        """Those whose nova-compute does not report."""
        services = self.sdk.compute.services(binary="nova-compute")
        return [service.host for service in services if service.state != "up"]

    def servers_on(self, host):
        answer = self.sdk.compute.get(f"/servers?all_tenants=1&host={host}")
        return [row["id"] for row in answer.json()["servers"]]

    def is_on(self, host):
        return self.world.is_on(host)

    def is_up(self, host):
        return self.service(host).state == "up"

    def press_power_off(self, host):
        """The machine loses its power, without any doing of the product."""
        self.change(self.world.power_off, host)
        self.until(lambda: not self.is_up(host))

    def power_on(self, host):
        self.change(self.world.power_on, host)

    def until(self, condition, seconds=None):
        wait_until(condition, within=seconds or self.patience)

    def tidy(self):
        """Nothing that a test has made or done is left."""
        self.heal()
        for host in self.hosts:
            self.power_on(host)
        for server_id in self.made:
            self.sdk.compute.delete_server(server_id, ignore_missing=True)
        for server_id in self.made:
            self.until(lambda server_id=server_id: self.sdk.compute.find_server(server_id) is None)
        self.made.clear()
        for host in self.hosts:
            self.until(lambda host=host: self._serves(host))

    def _serves(self, host):
        service = self.service(host)
        if service.status != "enabled":
            self.sdk.compute.enable_service(service)
        if service.is_forced_down:
            self._release(service)
        return service.state == "up" and service.status == "enabled"

    def _release(self, service):
        body = {"forced_down": False}
        self.sdk.compute.put(f"/os-services/{service.id}", json=body, microversion="2.96", raise_exc=False)


class Simulated(Site, sites.Simulated):
    """The simulated Nova on four machines."""

    real = False
    patience = 20.0

    def __init__(self):
        super().__init__()
        self.made = []
        self.hosts = sorted(self.world.nodes)
        self.sdk = sites.Simulated.sdk(self)
        self.flavor_id = self.sdk.compute.find_flavor("m1.nano").id
        self.image_id = sites.image(self.sdk).id

    async def _build(self):
        await super()._build()
        self.bmcs = Bmcs(self.world, self.world.nodes)
        await self.bmcs.start()

    @property
    def nova(self):
        """Options of [nova] for the product."""
        return {
            "auth_url": self.url,
            "username": "admin",
            "password": sites.PASSWORD,
            "project_name": "fleet",
            "interface": "public",
        }

    def fail(self, operation, host=None, **how):
        """Let an operation go wrong on a host, or on all."""
        self.change(self.model.compute.faults.add, operation, host=host, **how)

    def slow_down(self, host, seconds):
        """Live migrations from this host take so long."""
        self.change(setattr, self.model.compute.timings, "live_migration", seconds)

    def copy_one_at_a_time(self):
        """As a Nova does that nobody has told otherwise."""
        self.change(setattr, self.model.compute.timings, "max_concurrent_live_migrations", 1)

    def heal(self):
        self.change(self.model.compute.faults.clear)
        self.change(setattr, self.model.compute.timings, "live_migration", 1.0)
        self.change(setattr, self.model.compute.timings, "max_concurrent_live_migrations", 4)

    def stop(self):
        self.sdk.close()
        self.run(self.bmcs.stop())
        super().stop()


_OPERATIONS = {
    "live_migration": "live_migration",
    "pre_check": "check_can_live_migrate_destination",
    "cold_migration": "finish_migration",
    "evacuate": "spawn",
}
"""Our words for what can fail, and the methods of Nova's drivers."""


class Real(Site, Background):
    """A cloud of clouds.yaml, and the hosts of it that are ours for the tests."""

    real = True
    patience = 120.0

    def __init__(self):
        super().__init__()
        self.made = []
        self.hosts = HOSTS
        self.nova = {"cloud": REAL}
        self.sdk = sites.Real().sdk()
        self.world = World()
        self._orders = queue.SimpleQueue()
        self._follower = threading.Thread(target=self._follow)
        self._follower.start()
        self.run(self._build())
        self.flavor_id = self.sdk.compute.find_flavor("m1.nano").id
        self.image_id = sites.image(self.sdk).id
        self._fence_in()

    async def _build(self):
        for host in self.hosts:
            self.world.add_node(host, on=True)
        self.world.watch(self._note)
        self.bmcs = Bmcs(self.world, self.hosts)
        await self.bmcs.start()

    def _fence_in(self):
        """A zone of our hosts alone, so that no server of ours comes to another and none of others' to ours."""
        if occupied := [host for host in self.hosts if self.servers_on(host)]:
            pytest.skip(f"there are servers on {', '.join(occupied)}")
        self._open()
        aggregate = self.sdk.compute.create_aggregate(name=_ZONE, availability_zone=_ZONE)
        for host in self.hosts:
            self.sdk.compute.add_host_to_aggregate(aggregate, host)
        self.zone = _ZONE

    def _open(self):
        for aggregate in [row for row in self.sdk.compute.aggregates() if row.name == _ZONE]:
            for host in aggregate.hosts or ():
                self.sdk.compute.remove_host_from_aggregate(aggregate, host)
            self.sdk.compute.delete_aggregate(aggregate)

    # --- power ----------------------------------------------------------------------------------------------

    def _note(self, event):
        match event.what:
            case "power off" | "shutdown":
                self._orders.put(("kill", event.subject))
            case "power on":
                self._orders.put(("start", event.subject))

    def _follow(self):
        while order := self._orders.get():
            subprocess.run(
                [*shlex.split(HOST_COMMAND), *order], check=True, timeout=60, stdin=subprocess.DEVNULL
            )

    # --- faults ---------------------------------------------------------------------------------------------

    def fail(self, operation, host=None, message="the hypervisor failed", count=None, stall=False):
        how = {"fail": message} if not stall else {"seconds": 600}
        if operation == "live_migration" and not stall:
            how |= {"seconds": 3, "at": 0.5}
        if operation == "pre_check":
            how |= {"exc": "MigrationPreCheckError"}
        if count is not None:
            how |= {"count": count}
        self._fault(host, _OPERATIONS[operation], how)

    def slow_down(self, host, seconds):
        self._fault(host, "live_migration", {"seconds": seconds})

    def copy_one_at_a_time(self):
        """It does."""

    def _fault(self, host, operation, how):
        if not FAULTS:
            pytest.skip(
                "lets hypervisors fail: set CLOUDMANAGER_TEST_HOST_FAULTS (fault HOST OPERATION JSON)"
            )
        for each in [host] if host else self.hosts:
            subprocess.run(
                [*shlex.split(FAULTS), "fault", each, operation, json.dumps(how)], check=True, timeout=30
            )

    def heal(self):
        if FAULTS:
            for host in self.hosts:
                subprocess.run([*shlex.split(FAULTS), "clear", host], check=True, timeout=30)

    def stop(self):
        self._open()
        self._orders.put(None)
        self._follower.join()
        self.run(self.bmcs.stop())
        self.end()
        self.sdk.close()


def moves(site, servers):
    """{server: how many moves Nova has noted}, which is never more than one where all went well."""
    return Counter({server_id: len(site.migrations(server_id)) for server_id in servers})
