"""Clouds that the promises of the Cloud port are tried on: a simulated one, and whichever an operator names."""

from __future__ import annotations

import asyncio
import os
import shlex
import uuid
from dataclasses import dataclass, field
from functools import partial

import openstack
import pytest

from cloudmanager import config as configuration
from cloudmanager.openstack.cloud import Cloud
from cloudmanager.openstack.tenants import ProjectCloud, tenants_for
from cloudmanager.simulators.keystone.people import Domain
from cloudmanager.simulators.openstack.cloud import OpenStack
from cloudmanager.simulators.openstack.volumes.volumes import Volumes
from cloudmanager.simulators.world import World
from tests.background import Background

HOST = "127.0.0.1"
PASSWORD = "s3cret-of-everybody"
REAL = os.environ.get("CLOUDMANAGER_TEST_CLOUD")
HOST_COMMAND = os.environ.get("CLOUDMANAGER_TEST_HOST_COMMAND")
"""A program that is called with `kill HOST` and `start HOST`."""


async def eventually(look, wanted, seconds=60.0):
    """What `look` answers once it is as wanted."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not wanted(found := await look()):
        assert asyncio.get_running_loop().time() < deadline, f"still {found}"
        await asyncio.sleep(0.1)
    return found


def image(sdk):
    """The image of which tests make servers."""
    return sdk.image.find_image("tiny") or sdk.image.create_image(
        name="tiny",
        container_format="bare",
        disk_format="raw",
        data=b"\0" * 4096,
        validate_checksum=False,
        visibility="public",
    )


@dataclass
class Site:
    """A cloud under test, the project of its client's user, that client, and what its tests have made there."""

    cloud: Cloud
    project: ProjectCloud
    sdk: openstack.connection.Connection
    flavor_id: str
    image_id: str
    hosts: list[str]
    made: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)

    async def ask(self, call, *args, **options):
        """A call of the independent client."""
        return await asyncio.to_thread(call, *args, **options)

    async def boot(self, host=None, **wish):
        """A server that runs on a host, made by the independent client."""
        wish = {"name": f"contract-{uuid.uuid4().hex[:8]}", "networks": "none", **wish}
        server = await self.ask(
            self.sdk.compute.create_server,
            flavor_id=self.flavor_id,
            image_id=self.image_id,
            host=host or self.hosts[0],
            **wish,
        )
        self.made.append(server.id)
        return await self.settled(server.id, "active")

    async def settled(self, server_id, vm_state, seconds=60.0):
        """The server, once nothing is done with it."""

        def settled(server):
            assert server.vm_state != "error", server.fault
            return (server.vm_state, server.task_state) == (vm_state, None)

        return await eventually(lambda: self.cloud.server(server_id), settled, seconds)

    async def newest(self, server_id):
        return next(iter(await self.cloud.migrations_of(server_id)), None)

    async def moved(self, server_id, *statuses):
        """The newest migration, once it is in one of the states."""
        return await eventually(
            lambda: self.newest(server_id), lambda found: found and found.status in statuses
        )

    async def tidy(self):
        for server_id in self.made:
            await self.cloud.delete_server(server_id)
        for server_id in self.made:
            await eventually(partial(self._gone, server_id), bool)
        for volume_id in self.volumes:
            await self.project.delete_volume(volume_id)
        for host in self.hosts:
            await self.cloud.uncordon(host)

    async def _gone(self, server_id):
        return await self.ask(self.sdk.compute.find_server, server_id) is None


class Simulated(Background):
    """A cloud in a thread of this process, with four compute nodes."""

    def __init__(self):
        super().__init__()
        self.run(self._build())

    async def _build(self):
        self.world = World()
        self.model = OpenStack(self.world, volumes=Volumes(self.world.clock))
        self.project = self.model.identity.add_project("fleet")
        for role in ("admin", "member"):
            self.model.identity.grant(self.model.identity.add_user(role, PASSWORD), self.project, role)
        nova = self.model.compute
        nova.timings.boot = 0.3
        nova.timings.report_interval, nova.timings.service_down_time = 0.2, 1.0
        for number in range(1, 5):
            self.world.add_node(f"c{number}", on=True)
            nova.add_host(f"c{number}")
        nova.add_flavor("m1.nano", vcpus=1, ram=64, disk=0)
        self.model.volumes.seconds = 0.1
        self.model.volumes.add_controller("controller1")
        self.model.volumes.add_backend("storage1", "lvm", "cinder-volumes", {"/dev/sdb": 40})
        self.model.volumes.add_type("lvm", backend="lvm")
        await self.model.start(HOST)

    @property
    def url(self):
        return f"http://{HOST}:{self.model.ports['keystone']}/v3"

    def configured(self, **options):
        nova = {
            "auth_url": self.url,
            "username": "admin",
            "password": PASSWORD,
            "project_name": "fleet",
            "interface": "public",
            "timeout": 3.0,
            **options,
        }
        return configuration.load(overrides={("nova", name): value for name, value in nova.items()})

    def cloud(self, **options):
        return Cloud.from_config(self.configured(**options))

    def tenants(self, **options):
        return tenants_for(self.configured(**options))

    def sdk(self):
        return openstack.connect(
            auth_url=self.url,
            username="admin",
            password=PASSWORD,
            project_name="fleet",
            user_domain_name="Default",
            project_domain_name="Default",
            compute_default_microversion="2.96",
            load_yaml_config=False,
            load_envvars=False,
        )

    def add_domain(self, _sdk, name):
        self.model.identity.domains[name] = Domain(name, name)
        return name

    def remove_domain(self, _sdk, domain_id):
        del self.model.identity.domains[domain_id]

    def stop(self):
        self.run(self.model.stop())
        self.end()

    async def kill(self, host):
        self.change(self.world.power_off, host)

    async def revive(self, host):
        self.change(self.world.power_on, host)


class Real:
    """A cloud of clouds.yaml. Its hosts can be killed where a command for that is named."""

    def cloud(self):
        return Cloud.from_config(self._configured())

    def tenants(self):
        return tenants_for(self._configured())

    def _configured(self):
        return configuration.load(overrides={("nova", "cloud"): REAL})

    def sdk(self):
        return openstack.connect(cloud=REAL, compute_default_microversion="2.96")

    def add_domain(self, sdk, name):
        return sdk.identity.create_domain(name=name, is_enabled=False).id

    def remove_domain(self, sdk, domain_id):
        sdk.identity.delete_domain(domain_id)

    def stop(self):
        """It stays."""

    async def kill(self, host):
        await self._command("kill", host)

    async def revive(self, host):
        await self._command("start", host)

    async def _command(self, verb, host):
        if not HOST_COMMAND or os.environ.get("DESTRUCTIVE") != "1":
            pytest.skip(
                "kills a host: set DESTRUCTIVE=1 and CLOUDMANAGER_TEST_HOST_COMMAND (kill|start HOST)"
            )
        process = await asyncio.create_subprocess_exec(*shlex.split(HOST_COMMAND), verb, host)
        assert await process.wait() == 0
