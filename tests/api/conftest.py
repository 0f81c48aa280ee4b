"""An application over a migrated database, with a fake bell and a fake power probe."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import event

from cloudmanager import drivers
from cloudmanager.api import auth
from cloudmanager.api.services import Services, attach
from cloudmanager.app import create_app
from cloudmanager.blocking import Blocking
from cloudmanager.config import load
from cloudmanager.db import Database
from cloudmanager.drivers.base import Action, Driver, PowerState, Settings
from cloudmanager.drivers.ipmi import IpmiSettings
from cloudmanager.drivers.modbus import ModbusSettings
from cloudmanager.drivers.ssh import SshSettings
from cloudmanager.drivers.tls import TlsSettings
from cloudmanager.host.absent import absent_host
from cloudmanager.nova_database import NovaDatabase
from cloudmanager.openstack.absent import absent_cloud
from cloudmanager.openstack.tenants import absent_tenants
from cloudmanager.tokens import create_token
from cloudmanager.vault import Vault
from tests.flows.fake_cloud import FakeCloud
from tests.flows.fake_projects import FakeProjects
from tests.flows.world import Line, Machine


class FakeBell:
    def __init__(self):
        self.rung = []
        self.broker = True
        self.worker = True
        self.on_ring = lambda ids: None

    def ring(self, flow_ids):
        self.rung += flow_ids
        self.on_ring(flow_ids)

    def broker_alive(self):
        return self.broker

    def ping(self):
        return self.worker


class FakeProbe:
    def __init__(self):
        self.asked = []
        self.error = None
        self.states = {"1": PowerState.ON, "2": PowerState.OFF, "3": PowerState.UNKNOWN}

    def probe(self, control_type, settings, outlets=()):
        self.outlets = outlets
        self.asked.append((control_type, settings))
        if self.error is not None:
            raise self.error
        return self.states


def _driver(
    control_type_, protocol, coils, settings=Settings, *, ssh_key=False, names=False, counts=False, password=0
):
    class FakeDriver(Driver):
        control_type = control_type_
        protocol_type = protocol
        default_port = 1
        coils_count = coils
        actions = frozenset(Action)
        settings_type = settings
        uses_ssh_key = ssh_key
        names_outlets = names
        counts_outlets = counts
        longest_password = password

        @classmethod
        def may_have_outlet(cls, outlet):
            if counts:
                return outlet in ("1", "2", "3", "4")
            return outlet != "no name" if names else super().may_have_outlet(outlet)

        async def _read_states(self, outlets):
            raise NotImplementedError

        async def _apply(self, outlet, action):
            raise NotImplementedError

        async def _close(self):
            raise NotImplementedError

    return FakeDriver


FAKE_DRIVERS = (
    _driver("SupermicroRackDevice", "ipmi", 1, IpmiSettings, password=20),
    _driver("ET7067", "modbus", 8, ModbusSettings),
    _driver("SshDevice", "ssh", 0, SshSettings, ssh_key=True, names=True),
    _driver("Redfish", "redfish", 1, TlsSettings, counts=True),
)


@pytest.fixture(autouse=True)
def known_drivers(monkeypatch):
    from cloudmanager.api import power_controls

    monkeypatch.setattr(drivers, "DRIVERS", FAKE_DRIVERS)
    monkeypatch.setattr(power_controls, "DRIVERS", FAKE_DRIVERS)


@dataclass
class Api:
    """The application with a token for each role, and shorthands for requests."""

    app: object
    services: Services
    tokens: dict
    role: str = "admin"
    queries: list = field(default_factory=list)

    @property
    def bell(self):
        return self.services.bell

    @property
    def power(self):
        return self.services.power

    @property
    def database(self):
        return self.services.database

    def ask(self, method, path, body=None, *, role=None, headers=None, **options):
        token = self.tokens.get(role or self.role)
        sent = {"X-Auth-Token": token} if token else {}
        if body is not None:
            options["json"] = body
        return self.app.test_client().open(
            path, method=method, headers={**sent, **(headers or {})}, **options
        )

    def get(self, path, status=200, **options):
        return expect(self.ask("GET", path, **options), status)

    def post(self, path, body=None, status=201, **options):
        return expect(self.ask("POST", path, body, **options), status)

    def put(self, path, body=None, status=200, **options):
        return expect(self.ask("PUT", path, body, **options), status)

    def delete(self, path, status=204, **options):
        return expect(self.ask("DELETE", path, **options), status)

    # Things to work with

    def node(self, **values):
        return self.post("/v1/nodes/", {"node": values})["node"]

    def control(self, **values):
        body = {
            "control_type": "SupermicroRackDevice",
            "protocol_type": "ipmi",
            "host": "10.35.17.33",
            "port_number": 623,
            **values,
        }
        return self.post("/v1/power-controls/", {"power_control": body})["power_control"]

    def assign(self, node_id, control_id, port="1", **values):
        body = {"power_control_id": control_id, "power_control_port": port, **values}
        return self.post(f"/v1/nodes/{node_id}/power-controls/", body)["power_control"]

    def powered_node(self, **values):
        """A node with one control of its own."""
        node = self.node(**values)
        self.assign(node["id"], self.control(title=f"of {node['id']}")["id"])
        return node["id"]


def expect(response, status):
    """The answer's document, after checking its status and what every answer has."""
    assert response.status_code == status, (response.status_code, response.text)
    assert response.headers["X-Openstack-Request-Id"].startswith("req-")
    return response.get_json() if response.data else None


@pytest.fixture(scope="session")
def key_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("vault") / "secret.key"
    path.write_bytes(Fernet.generate_key())
    path.chmod(0o600)
    return path


@pytest.fixture(scope="session")
def application():
    """Made once, because describing all operations takes a while; each test gives it services of its own."""
    nothing = dict.fromkeys(
        ("database", "vault", "bell", "power", "cloud", "host", "nova_database", "tenants")
    )
    return create_app(Services(config=load(), **nothing))


@pytest.fixture
def api(database_url, key_file, application):
    database = Database(database_url, sqlite_synchronous="NORMAL", busy_timeout=1)
    with database.transaction() as session:
        tokens = {role: create_token(session, f"the {role}", role) for role in ("reader", "member", "admin")}
    services = Services(
        config=load(),
        database=database,
        vault=Vault(key_file),
        bell=FakeBell(),
        power=FakeProbe(),
        cloud=Blocking("cloud", absent_cloud),
        host=Blocking("host", absent_host),
        nova_database=NovaDatabase(None),
        tenants=Blocking("tenants", absent_tenants),
    )
    attach(application, services)
    auth.register(application)
    yield Api(application, services, tokens)
    database.close()


@pytest.fixture
def nova(api):
    """A cloud of three hosts, of which `r1n02` is down; two servers on the first."""
    clock = SimpleNamespace(now=lambda: 1_700_000_000.0)
    cloud = FakeCloud(Line(), clock)
    for name, on in (("r1n01", True), ("r1n02", False), ("r1n03", True)):
        cloud.add_host(name, Machine(clock, on=on))
    for server_id in ("a", "b"):
        cloud.add_server(server_id, "r1n01")
    cloud.projects = FakeProjects(cloud)
    api.services = replace(
        api.services,
        cloud=Blocking("cloud", lambda: cloud),
        tenants=Blocking("tenants", lambda: cloud.projects),
    )
    attach(api.app, api.services)
    return cloud


@pytest.fixture
def count_queries(api):
    """Calls a function and answers how many statements reached the database."""
    seen = []
    event.listen(api.database.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))

    def count(function):
        seen.clear()
        function()
        return len(seen)

    return count
