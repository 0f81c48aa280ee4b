"""The Compute portal over tenants' clouds in memory: who sees what, what is refused, what is begun."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID

import pytest
from sqlalchemy import select

from cloudmanager import config
from cloudmanager.api import bearer, policy, rate_limit
from cloudmanager.api.portal.overview import forecast
from cloudmanager.api.services import attach
from cloudmanager.app import openapi_document
from cloudmanager.blocking import Blocking
from cloudmanager.errors import CloudRefused
from cloudmanager.models import FlowRow
from cloudmanager.oidc import keys
from cloudmanager.openstack.records import Flavor, Server
from cloudmanager.openstack.tenant_records import Network, SecurityGroup
from tests.flows.fake_tenants import FakeTenants
from tests.flows.world import Line
from tests.issuer import AUDIENCE, ISSUER, Issuer

PATH = "/api/cloud/compute"
NOTHING = "00000000-0000-0000-0000-000000000000"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA someone@example"
OPERATIONS = [
    (method.upper(), path)
    for path, methods in openapi_document()["paths"].items()
    for method in methods
    if path.startswith(PATH)
]
WISH = {
    "name": "web-01",
    "image": "red-image",
    "imageName": "Ubuntu 22.04",
    "flavor": 1,
    "securityGroups": [{"value": "default", "label": "default"}],
    "key_name": "laptop",
    "network": "red-net",
    "is_public": "shouldbetrue",
    "dname": "App.example.com",
    "enable_ssh": True,
    "user_data": "#cloud-config\nhostname: web-01\n",
    "volume": {"name": "web-01-volume", "size": 20},
}


@pytest.fixture(scope="module")
def issuer():
    return Issuer()


@pytest.fixture
def portal(api, issuer, monkeypatch):
    """The application with two tenants, whose tokens are at hand: `red` is the usual one."""
    monkeypatch.setattr(keys, "fetch", lambda url, **_: issuer.published)
    clock = SimpleNamespace(now=lambda: 1_700_000_000.0)
    clouds = FakeTenants(Line(), clock, "red", "blue")
    api.services = replace(api.services, tenants=Blocking("tenants", lambda: clouds))
    portal = Portal(api, clouds, {name: issuer.token(project_id=name) for name in ("red", "blue", "closed")})
    portal.configure()
    return portal


class Portal:
    def __init__(self, api, clouds, tokens):
        self.api, self.clouds, self.tokens = api, clouds, tokens
        self.red = clouds.projects["red"]

    def configure(self, **options):
        oidc = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks_url": f"{ISSUER}/certs"}
        made = config.load(
            overrides={
                **{("oidc", name): value for name, value in oidc.items()},
                **{("portal", name): value for name, value in options.items()},
            }
        )
        self.api.services = replace(self.api.services, config=made)
        attach(self.api.app, self.api.services)
        bearer.register(self.api.app)
        rate_limit.register(self.api.app, "portal")

    def ask(self, method, path, body=None, *, tenant="red", headers=None):
        sent = {"Authorization": f"Bearer {self.tokens[tenant]}"} if tenant else {}
        return self.api.ask(method, f"{PATH}{path}", body, role="nobody", headers={**sent, **(headers or {})})

    def get(self, path, status=200, **options):
        return self._checked(self.ask("GET", path, **options), status)

    def post(self, path, body, status=200, **options):
        return self._checked(self.ask("POST", path, body, **options), status)

    def delete(self, path, status=204, **options):
        return self._checked(self.ask("DELETE", path, **options), status)

    def begun(self, method, path, body=None):
        """The flow that a request has begun, after checking its documented answer."""
        response = self.ask(method, path, body)
        assert response.status_code == 200, response.text
        said = response.get_json()
        assert response.headers["Location"] == f"/v1/tasks/{said['task_id']}"
        assert self.api.bell.rung[-1] == said["task_id"]
        shown = self.api.get(f"/v1/tasks/{said['task_id']}", role="admin")
        assert shown["requested_by"] == "alice"
        with self.api.database.reading() as session:
            row = session.scalars(select(FlowRow).where(FlowRow.id == said["task_id"])).one()
        return said["message"], row

    def flows(self):
        with self.api.database.reading() as session:
            return list(session.scalars(select(FlowRow.id)))

    def _checked(self, response, status):
        assert response.status_code == status, (response.status_code, response.text)
        return response.get_json() if response.data else None


# --- who may -----------------------------------------------------------------------------------------------


def test_the_document_has_every_operation():
    shown = {(method, re.sub("{[a-z_]+}", ":", path.removeprefix(PATH))) for method, path in OPERATIONS}
    assert shown == {
        ("GET", "/overview"),
        ("GET", "/instances/flavors"),
        ("GET", "/instances/list"),
        ("POST", "/instances/create"),
        ("POST", "/instances/console"),
        ("DELETE", "/instances/delete/:"),
        ("GET", "/instances/:/logs"),
        ("GET", "/instances/:/actionlog"),
        ("GET", "/keypairs"),
        ("POST", "/keypairs"),
        ("DELETE", "/keypairs/:"),
        ("POST", "/instance/make-public"),
        ("POST", "/instance/make-private"),
        ("GET", "/snapshots"),
        ("POST", "/snapshot"),
        ("DELETE", "/snapshot/:"),
        ("GET", "/backups"),
        ("POST", "/backup"),
        ("DELETE", "/backup/:"),
        ("GET", "/billing/forecast"),
        ("POST", "/instance/attach-volume"),
        ("GET", "/instances/:/volumes"),
    }


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_operation_wants_a_tenants_token(portal, method, path):
    path = re.sub("{[a-z_]+}", NOTHING, path.removeprefix(PATH))
    refused = portal.ask(method, path, {}, tenant=None)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer ")
    forged = portal.ask(method, path, {}, tenant=None, headers={"Authorization": "Bearer a.b.c"})
    assert forged.status_code == 401
    admin = portal.api.ask(method, f"{PATH}{path}", {}, role="admin")
    assert admin.status_code == 401, "the daemon's own tokens are none of a tenant's"


def test_a_tenants_token_opens_nothing_else(portal):
    for header in ("Authorization", "X-Auth-Token"):
        value = portal.tokens["red"] if header == "X-Auth-Token" else f"Bearer {portal.tokens['red']}"
        assert portal.api.ask("GET", "/v1/nodes/", role="nobody", headers={header: value}).status_code == 401


def test_without_an_issuer_it_says_what_to_configure(portal, api):
    attach(api.app, replace(api.services, config=config.load()))
    bearer.register(api.app)
    assert "[oidc] issuer" in portal.get("/overview", 501)["error"]["message"]


def test_a_project_that_is_closed_to_us(portal):
    assert "project closed" in portal.get("/instances/list", 403, tenant="closed")["error"]["message"]


def test_a_policy_may_ask_for_roles_of_the_token(portal, issuer, tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text(
        '"portal:create_instance": "role:builder"\n"portal:list_portal_instances": "role:builder"\n'
    )
    names = {rule.name for rule in policy.defaults()}
    rule = next(name for name in names if name.endswith("list_instances") and name.startswith("portal:"))
    file.write_text(f'"{rule}": "role:builder"\n')
    made = config.load(overrides={("oslo_policy", "policy_file"): str(file)})
    enforcer = policy.Policy(policy.load(made))
    known = portal.api.app.extensions[policy._KEY]
    portal.api.app.extensions[policy._KEY] = enforcer
    try:
        assert rule in portal.get("/instances/list", 403)["error"]["message"]
        portal.tokens["builder"] = issuer.token(project_id="red", realm_access={"roles": ["builder"]})
        portal.get("/instances/list", tenant="builder")
    finally:
        portal.api.app.extensions[policy._KEY] = known


def test_too_many_requests(portal, issuer):
    portal.configure(rate=0.01, burst=2)
    portal.get("/instances/flavors")
    portal.tokens["again"] = issuer.token(project_id="red", jti="another token of the same user")
    portal.get("/instances/flavors", tenant="again")
    response = portal.ask("GET", "/instances/flavors")
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 100
    portal.get("/instances/flavors", tenant="blue")


# --- another tenant's --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/instances/delete/{server}", None),
        ("GET", "/instances/{server}/logs", None),
        ("GET", "/instances/{server}/actionlog", None),
        ("GET", "/instances/{server}/volumes", None),
        ("POST", "/instances/console", {"instanceId": "{server}"}),
        ("POST", "/instance/make-public", {"instanceId": "{server}"}),
        ("POST", "/instance/make-private", {"instanceId": "{server}"}),
        ("POST", "/snapshot", {"instanceId": "{server}", "snapshotName": "s"}),
        ("POST", "/instance/attach-volume", {"instanceId": "{server}", "volumeId": "{volume}"}),
        ("POST", "/backup", {"volumeId": "{volume}", "backupName": "b"}),
        ("DELETE", "/snapshot/{image}", None),
        ("DELETE", "/backup/{volume}", None),
        ("DELETE", "/keypairs/laptop", None),
    ],
)
def test_what_is_anothers_is_not_there(portal, method, path, body):
    server = portal.red.add_server()
    volume = str(UUID(int=5))
    portal.red.add_volume(volume)
    image = portal.red.image_store.one("red-image")
    portal.red.image_store.things[str(UUID(int=6))] = replace(image, properties={"image_type": "snapshot"})
    portal.post("/keypairs", {"name": "laptop", "publicKey": KEY}, 201)
    values = {"server": server.id, "volume": volume, "image": str(UUID(int=6))}
    sent = body and {name: value.format(**values) for name, value in body.items()}

    response = portal.ask(method, path.format(**values), sent, tenant="blue")

    assert response.status_code == 404
    assert "red" not in response.text
    assert portal.flows() == []
    assert portal.get("/instances/list", tenant="blue") == []
    assert portal.get("/keypairs", tenant="blue") == []
    assert portal.get("/snapshots", tenant="blue") == []


# --- looking -----------------------------------------------------------------------------------------------


def test_the_overview(portal):
    portal.red.add_server()
    shown = portal.get("/overview")
    assert shown["instances"] == {"limit": 10, "used": 1}
    assert shown["volume_snapshots"] == {"limit": None, "used": 0}
    assert shown["security_groups"] == {"limit": None, "used": None}


def test_flavors_with_prices(portal):
    portal.configure(prices={"m1.small": 0.02})
    assert portal.get("/instances/flavors")[0] == {
        "id": "1",
        "name": "m1.small",
        "vcpus": 1,
        "ram_mb": 1024,
        "disk_gb": 10,
        "price_per_hour": 0.02,
    }
    assert portal.get("/instances/flavors")[1]["price_per_hour"] is None


def test_instances(portal):
    server = portal.red.add_server(
        metadata={"image_name": "Ubuntu", "cloudmanager_domain": "app.example.com"},
        key_name="red laptop",
        addresses={"fleet": ("10.0.0.5", "192.0.2.9")},
    )
    (shown,) = portal.get("/instances/list")
    assert shown["id"] == server.id
    assert (shown["image_name"], shown["domain_name"]) == ("Ubuntu", "app.example.com")
    assert (shown["key_name"], shown["addresses"]) == ("laptop", ["10.0.0.5", "192.0.2.9"])
    assert shown["created_at"] == "2023-11-14T22:13:20"


def test_console_and_logs(portal):
    server = portal.red.add_server()
    portal.configure(console="spice-html5", log_lines=7)
    console = portal.post("/instances/console", {"instanceId": server.id}, 201)
    assert console == {
        "protocol": "vnc",
        "type": "spice-html5",
        "url": f"http://console.example/?token={server.id}",
    }
    assert portal.get(f"/instances/{server.id}/logs") == {"output": f"{server.name}: the last 7"}
    assert portal.get(f"/instances/{server.id}/actionlog")[0]["action"] == "create"
    stopped = portal.red.add_server(status="SHUTOFF")
    assert (
        "not ready" in portal.post("/instances/console", {"instanceId": stopped.id}, 409)["error"]["message"]
    )


def test_keypairs(portal):
    made = portal.post("/keypairs", {"name": "laptop", "publicKey": KEY}, 201)
    assert made == {"name": "laptop", "fingerprint": "aa:bb", "public_key": KEY}
    assert portal.get("/keypairs") == [made]
    portal.post("/keypairs", {"name": "laptop", "publicKey": KEY}, 409)
    portal.post("/keypairs", {"name": "red laptop", "publicKey": KEY}, 400)
    portal.delete("/keypairs/laptop")
    portal.delete("/keypairs/laptop", 404)


def test_volumes(portal):
    server, volume = portal.red.add_server(), str(UUID(int=5))
    portal.red.add_volume(volume)
    body = {"instanceId": server.id, "volumeId": volume}
    assert portal.post("/instance/attach-volume", body) == {"message": "Volume attached successfully"}
    assert portal.get(f"/instances/{server.id}/volumes") == [
        {"id": volume, "volume_id": volume, "device": "/dev/vdb"}
    ]
    assert "in-use" in portal.post("/instance/attach-volume", body, 409)["error"]["message"]


def test_what_the_cloud_refuses_is_told(portal, monkeypatch):
    for status, told in ((400, 400), (403, 403), (409, 409), (413, 403), (401, 502), (418, 502)):

        async def refuse(status=status):
            raise CloudRefused("Nova: Quota exceeded for cores", status=status)

        monkeypatch.setattr(portal.red, "sizes", refuse)
        assert "cores" in portal.get("/instances/flavors", told)["error"]["message"]


# --- what is begun -----------------------------------------------------------------------------------------


def test_creation(portal):
    portal.post("/keypairs", {"name": "laptop", "publicKey": KEY}, 201)
    message, row = portal.begun("POST", "/instances/create", WISH)

    assert message == "Instance creation started"
    assert (row.kind, row.subject) == ("create-instance", "instance:red:web-01")
    assert portal.api.services.vault.open(row.params.pop("user_data")) == WISH["user_data"]
    assert row.params == {
        "project_id": "red",
        "name": "web-01",
        "image_id": "red-image",
        "image_name": "Ubuntu 22.04",
        "flavor_id": "1",
        "security_groups": ["red-default"],
        "key_name": "laptop",
        "networks": ["red-net"],
        "volume": {"name": "web-01-volume", "size": 20},
        "enable_ssh": True,
        "public": True,
        "dname": "app.example.com",
    }
    again = portal.ask("POST", "/instances/create", WISH)
    assert (again.status_code, again.get_json()["error"]["task_id"]) == (409, row.id)


def test_the_least_creation(portal):
    least = {"name": "a", "image": "red-image", "imageName": "", "flavor": "1", "volume": None, "dname": ""}
    _, row = portal.begun("POST", "/instances/create", least)
    assert row.params["networks"] == ["red-net"]
    assert row.params["user_data"] is None
    assert (row.params["public"], row.params["security_groups"]) == (False, [])


def test_a_creation_is_done_once_for_a_key(portal):
    least = {"name": "a", "image": "red-image", "imageName": "", "flavor": "1"}
    first, second = (
        portal.post("/instances/create", least, headers={"Idempotency-Key": "one"}) for _ in range(2)
    )
    assert first == second
    assert len(portal.flows()) == 1


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("flavor", "77", "no flavor 77"),
        ("image", "other", "no image other"),
        ("network", "blue-net", "no network blue-net"),
        ("key_name", "none", "no keypair none"),
        ("securityGroups", [{"value": "web"}], "no security group web"),
        ("is_public", "perhaps", "Not true"),
        ("dname", "-x", "Not a domain name"),
        ("dname", "app.example.com\n", "Not a domain name"),
        ("user_data", "x" * 49152, "65535 bytes"),
        ("volume", {"name": "v"}, ""),
        ("name", " ", "blank"),
        ("unknown", 1, "Unknown"),
    ],
)
def test_what_is_wrong_is_named(portal, field, value, says):
    portal.post("/keypairs", {"name": "laptop", "publicKey": KEY}, 201)
    error = portal.post("/instances/create", {**WISH, field: value}, 400)["error"]
    assert [name.split(".")[0] for name in error["errors"]] == [field]
    assert says in str(error["errors"])
    assert portal.flows() == []


def test_all_that_is_wrong_is_named_at_once(portal):
    error = portal.post("/instances/create", {**WISH, "flavor": 9, "image": "x", "network": "y"}, 400)[
        "error"
    ]
    assert set(error["errors"]) == {"flavor", "image", "network", "key_name"}


def test_what_contradicts_itself(portal):
    wrong = {**WISH, "key_name": None, "is_public": False}
    assert set(portal.post("/instances/create", wrong, 400)["error"]["errors"]) == {"key_name", "dname"}
    most = "a" * (65535 // 4 * 3)
    body = {"name": "a", "image": "red-image", "imageName": "", "flavor": "1", "user_data": most}
    portal.begun("POST", "/instances/create", body)


def test_networks_and_groups_that_are_not_clear(portal):
    portal.red.nets.append(Network("red-net-2", "other", external=False))
    portal.red.groups["second"] = SecurityGroup("second", "default", "")
    portal.post("/keypairs", {"name": "laptop", "publicKey": KEY}, 201)
    errors = portal.post("/instances/create", {**WISH, "network": None}, 400)["error"]["errors"]
    assert set(errors) == {"network", "securityGroups"}
    portal.red.nets = portal.red.nets[:1]
    errors = portal.post("/instances/create", {**WISH, "securityGroups": []}, 400)["error"]["errors"]
    assert errors == {"is_public": ["The project sees no external network."]}


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ("instances", "instances: 0 of 0 used, 1 more wanted"),
        ("cores", "cores: 0 of 0 used, 1 more wanted"),
        ("ram_mb", "ram_mb: 0 of 0 used, 1024 more wanted"),
        ("volumes", "volumes: 0 of 0 used, 1 more wanted"),
        ("gigabytes", "gigabytes: 0 of 0 used, 20 more wanted"),
        ("floating_ips", "floating_ips: 0 of 0 used, 1 more wanted"),
    ],
)
def test_a_quota_that_is_full_is_told_with_its_numbers(portal, limit, says):
    portal.post("/keypairs", {"name": "laptop", "publicKey": KEY}, 201)
    portal.red.limits[limit] = 0
    assert says in portal.post("/instances/create", WISH, 403)["error"]["message"]
    assert portal.flows() == []


@pytest.mark.parametrize(
    ("method", "path", "kind", "message"),
    [
        ("DELETE", "/instances/delete/{}", "delete-instance", "Instance deletion started"),
        ("POST", "/instance/make-public", "make-public", "Make public started"),
        ("POST", "/instance/make-private", "make-private", "Make private started"),
    ],
)
def test_what_is_begun_with_an_instance(portal, method, path, kind, message):
    server = portal.red.add_server()
    body = {"instanceId": server.id} if method == "POST" else None
    said, row = portal.begun(method, path.format(server.id), body)
    assert (said, row.kind, row.subject) == (message, kind, f"server:{server.id}")
    assert row.params == {"project_id": "red", "server_id": server.id}
    portal.post("/instance/make-public", {"instanceId": server.id}, 409)


def test_snapshots(portal):
    server = portal.red.add_server()
    body = {"instanceId": server.id, "snapshotName": "snap"}
    _, row = portal.begun("POST", "/snapshot", body)
    assert (row.kind, row.params["name"]) == ("snapshot-instance", "snap")
    for state in ({"vm_state": "building"}, {"task_state": "image_snapshot"}, {"vm_state": "error"}):
        portal.post("/snapshot", {**body, "instanceId": portal.red.add_server(**state).id}, 409)

    image = portal.red.image_store.one("red-image")
    properties = {"image_type": "snapshot", "instance_uuid": server.id}
    key = str(UUID(int=6))
    portal.red.image_store.things[key] = replace(image, id=key, name="snap", properties=properties)
    assert [(one["id"], one["instance_id"]) for one in portal.get("/snapshots")] == [(key, server.id)]
    portal.delete(f"/snapshot/{key}")
    portal.delete(f"/snapshot/{key}", 404)
    assert set(portal.red.image_store.things) == {"red-image"}


def test_an_image_that_is_no_snapshot_is_not_deleted(portal):
    key = str(UUID(int=7))
    portal.red.image_store.things[key] = replace(portal.red.image_store.one("red-image"), id=key)
    portal.delete(f"/snapshot/{key}", 404)
    assert key in portal.red.image_store.things


def test_backups(portal):
    volume = str(UUID(int=5))
    portal.red.add_volume(volume, status="in-use")
    body = {"volumeId": volume, "backupName": "nightly"}
    _, row = portal.begun("POST", "/backup", body)
    assert (row.kind, row.subject, row.params["name"]) == ("backup-volume", f"volume:{volume}", "nightly")
    creating = str(UUID(int=8))
    portal.red.add_volume(creating, status="creating")
    portal.post("/backup", {**body, "volumeId": creating}, 409)
    portal.red.limits["backups"] = 0
    assert "backups: 0 of 0" in portal.post("/backup", body, 403)["error"]["message"]
    assert portal.get("/backups") == []
    portal.delete(f"/backup/{volume}", 404)


# --- what it costs -----------------------------------------------------------------------------------------


def test_a_forecast_without_prices_says_so(portal):
    portal.red.add_server()
    shown = portal.get("/billing/forecast")
    assert "[portal] prices" in shown["message"]
    assert (shown["forecast"], shown["currency"], len(shown["instances"])) == (None, None, 1)
    portal.configure(prices={"m1.small": 0.5}, currency="CHF")
    shown = portal.get("/billing/forecast")
    assert (shown["currency"], shown["message"]) == ("CHF", "1 instances, of which 1 have a price")
    assert shown["forecast"] >= 0.5 * 28 * 24


def test_the_forecast():
    def server(name, flavor, created):
        size = Flavor(flavor, 1, 1, 1)
        return Server(
            name,
            name,
            "ACTIVE",
            "active",
            None,
            None,
            flavor=size,
            created_at=created and created.replace(tzinfo=UTC),
        )

    now = datetime(2024, 12, 11, tzinfo=UTC)
    servers = [
        server("old", "small", datetime(2023, 5, 1)),  # noqa: DTZ001
        server("new", "small", datetime(2024, 12, 10, 12)),  # noqa: DTZ001
        server("dear", "large", None),
    ]
    shown = forecast(servers, {"small": 0.1}, "EUR", now)

    assert (shown["month_begins_at"], shown["month_ends_at"]) == (datetime(2024, 12, 1), datetime(2025, 1, 1))  # noqa: DTZ001
    old, new, dear = shown["instances"]
    assert (old["hours"], old["spent"], old["forecast"]) == (240.0, 24.0, 74.4)
    assert (new["hours"], new["spent"], new["forecast"]) == (12.0, 1.2, 51.6)
    assert (dear["price_per_hour"], dear["spent"]) == (None, None)
    assert (shown["spent"], shown["forecast"]) == (25.2, 126.0)
