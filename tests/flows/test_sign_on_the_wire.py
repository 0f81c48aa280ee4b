"""Signing, guarding and a violation over sockets: the API, the engine, a simulated Nova, simulated nodes."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from sqlalchemy import select

from cloudmanager import config as configuration
from cloudmanager.api.services import Services
from cloudmanager.app import create_app
from cloudmanager.blocking import Blocking
from cloudmanager.flows import store
from cloudmanager.flows.base import Ports
from cloudmanager.flows.engine import Engine, EngineOptions
from cloudmanager.host_access import host_port
from cloudmanager.models import Event, Node, NodeLogin
from cloudmanager.nova_database import NovaDatabase
from cloudmanager.openstack.cloud import cloud_for
from cloudmanager.openstack.tenants import absent_tenants
from cloudmanager.power import Power, Probe
from cloudmanager.prometheus import Prometheus
from cloudmanager.sign.keys import SigningKeys
from cloudmanager.simulators.node_os import NodeOs
from cloudmanager.simulators.node_os.firmware import LOADER
from cloudmanager.simulators.node_os.server import add_os
from cloudmanager.simulators.node_os.system import BOOT_SECONDS
from cloudmanager.simulators.node_os.virsh import DEFINITION, name_of, virsh
from cloudmanager.simulators.openstack.compute.rows import Server
from cloudmanager.system_clock import SystemClock
from cloudmanager.tokens import create_token
from cloudmanager.vault import Vault, create_key_file
from tests.contract.cloud.sites import PASSWORD, Simulated


class Place(Simulated):
    """A cloud whose first two hosts have operating systems, with a server on the first."""

    def __init__(self):
        super().__init__()
        self.run(self._install())

    async def _install(self):
        nova, self.systems, self.ports = self.model.compute, {}, {}
        for name in ("c1", "c2"):
            self.world.node(name).power_changed_at -= BOOT_SECONDS
            device = add_os(self.world, name, password="secret of the nodes")
            self.systems[name] = NodeOs(self.world, device.name, self.model)
            self.ports[name] = await self.systems[name].start()
        flavor = next(iter(nova.tables.flavors.values()))
        self.server = Server(
            name="vm",
            project_id="p",
            user_id="u",
            flavor=flavor,
            host="c1",
            vm_state="active",
            task_state=None,
            power_state=1,
        )
        nova.tables.add_server(self.server)
        nova.tables.hosts["c1"].guests[self.server.id] = 1

    def write(self, name, path, text):
        self.change(self.systems[name].system.files.__setitem__, path, text)

    def definition(self, name):
        words = ["--readonly", "dumpxml", "--inactive", self.server.id]
        return self.change(virsh, self.systems[name].system, words, b"")

    def move(self, host):
        """As a live migration leaves it."""
        hosts = self.model.compute.tables.hosts
        hosts[host].guests[self.server.id] = hosts[self.server.host].guests.pop(self.server.id)
        self.model.compute.tables.place(self.server, host)

    def stop(self):
        for system in self.systems.values():
            self.run(system.stop())
        super().stop()


@pytest.fixture(scope="module")
def place():
    place = Place()
    yield place
    place.stop()


class Product:
    """The API and a worker, in this process."""

    def __init__(self, database, place, directory):
        key = directory / "secret.key"
        create_key_file(key)
        self.database, self.place, vault = database, place, Vault(key)
        overrides = {
            "auth_url": place.url,
            "username": "admin",
            "password": PASSWORD,
            "project_name": "fleet",
            "interface": "public",
        }
        self.config = config = configuration.load(
            overrides={
                **{("nova", name): value for name, value in overrides.items()},
                ("host", "password"): "secret of the nodes",
                ("sign", "verify_interval"): 1.0,
                ("hosts", "poll_interval"): 0.2,
            }
        )
        with database.transaction() as session:
            self.token = create_token(session, "t", "admin")
            for number, name in enumerate(("c1", "c2"), start=1):
                session.add(Node(id=number, name=name, ip_addresses=["127.0.0.1"]))
                session.flush()
                system = place.systems[name]
                session.add(
                    NodeLogin(node_id=number, port_number=place.ports[name], host_key=system.host_key)
                )
        self.rung = []
        services = Services(
            config=config,
            database=database,
            vault=vault,
            bell=self,
            power=Probe(config),
            cloud=Blocking("cloud", lambda: cloud_for(config)),
            host=Blocking("host", lambda: host_port(database, vault, config)),
            nova_database=NovaDatabase(None),
            tenants=Blocking("tenants", absent_tenants),
        )
        self.app = create_app(services)
        self.ports = Ports(
            power=Power(database, vault, config),
            cloud=cloud_for(config),
            host=host_port(database, vault, config),
            alerts=Prometheus(config.prometheus),
            clock=SystemClock(),
            config=config,
            signing=SigningKeys(vault),
        )
        self.engine = Engine(database, self.ports, EngineOptions(hold=0.0, retry_delay=0.1), self.ring)

    def ring(self, ids):
        self.rung += ids

    async def ask(self, method, path, body=None):
        """A request, as of a client."""

        def ask():
            headers = {"X-Auth-Token": self.token}
            return self.app.test_client().open(path, method=method, json=body, headers=headers)

        answer = await asyncio.to_thread(ask)
        assert answer.status_code < 300, answer.text
        return answer.get_json()

    async def sign_of(self):
        return (await self.ask("GET", f"/sign/{self.place.server.id}"))["sign"]

    async def until(self, condition, seconds=20.0):
        """Let the worker work until it is so."""
        async with asyncio.timeout(seconds):
            while not (found := await condition()):
                due = await asyncio.to_thread(store.due, self.database, self.ports.clock.now(), horizon=0.1)
                await self.engine.advance([flow_id for flow_id, _ in due])
                await asyncio.sleep(0.05)
        return found

    async def done(self, task_id):
        async def ended():
            task = await self.ask("GET", f"/v1/tasks/{task_id}")
            return task if task["ended_at"] else None

        return await self.until(ended)

    async def guard(self, action):
        task_id = (await self.ask("POST", "/sign/node/1/action", {"action": action}))["task_id"]
        assert (await self.done(task_id))["status"] == "SUCCESS"

    def events(self):
        with self.database.reading() as session:
            return session.scalars(select(Event.kind).order_by(Event.id)).all()

    async def close(self):
        for port in (self.ports.power, self.ports.cloud, self.ports.host):
            await port.close()


@pytest.fixture
async def product(database, place, tmp_path):
    async with contextlib.AsyncExitStack() as stack:
        product = Product(database, place, tmp_path)
        stack.push_async_callback(product.close)
        yield product


async def test_a_server_from_its_signature_to_a_violation(product, place):
    server = place.server
    sign = (await product.ask("POST", "/v1/sign", {"server_id": server.id}))["sign"]
    assert (sign["is_valid"], sign["instance_name"], sign["node_id"]) == ("true", name_of(server), 1)

    await product.guard("activate")
    assert (server.locked, server.vm_state) == (True, "active")
    assert (await product.sign_of())["is_valid"] == "unknown"
    await product.ask("PUT", "/v1/sign", {"server_id": server.id})

    async def shown(is_valid, node_id):
        sign = await product.sign_of()
        return (sign["is_valid"], sign["node_id"]) == (is_valid, node_id)

    place.write("c1", LOADER, "another firmware")
    await product.until(lambda: shown("false", 1))

    async def cordoned():
        return not place.model.compute.tables.hosts["c1"].enabled

    await product.until(cordoned)
    assert server.vm_state == "active"
    await product.ask("PUT", "/v1/sign", {"server_id": server.id})

    place.write("c2", LOADER, "another firmware")
    place.change(place.move, "c2")

    await product.until(lambda: shown("true", 2))
    place.change(place.move, "c1")
    await product.until(lambda: shown("true", 1))

    definition = place.definition("c1").replace("</devices>", "<watchdog model='i6300esb'/></devices>")
    place.write("c1", DEFINITION.format(name_of(server)), definition)

    async def stopped():
        return "signature.stopped" in product.events()

    await product.until(stopped)
    assert server.vm_state == "stopped"
    assert "its definition" in (await product.sign_of())["reason"]
    assert server.locked

    await product.guard("deactivate")
    assert not server.locked
    assert {"signature.violated", "signature.firmware_changed"} <= set(product.events())
