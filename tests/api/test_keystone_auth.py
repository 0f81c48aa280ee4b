"""The keystone strategy: OpenStack's middleware and client on one side, the simulated Keystone on the other."""

import logging
import time
from dataclasses import replace

import pytest
from keystoneauth1 import loading
from keystonemiddleware import auth_token

from cloudmanager import config, errors
from cloudmanager.api import auth, memory
from cloudmanager.api.caller import Caller
from cloudmanager.api.keystone import RETRY_AFTER
from cloudmanager.api.services import attach
from cloudmanager.config import keystone_authtoken
from cloudmanager.simulators.http_faults import HttpFaults
from tests.keystone import PASSWORD, RunningKeystone

VALIDATION = "GET /v3/auth/tokens"


@pytest.fixture(scope="module")
def keystone():
    with RunningKeystone() as running:
        yield running


@pytest.fixture(autouse=True)
def healthy(keystone):
    yield
    keystone.service.faults = HttpFaults()
    keystone.service.requests.clear()


def use(api, **options):
    """Let the application ask the Keystone that the options name."""
    overrides = {("keystone_authtoken", name): value for name, value in options.items()}
    made = config.load(overrides={("auth", "strategy"): "keystone", **overrides})
    attach(api.app, replace(api.services, config=made))
    auth.register(api.app)


@pytest.fixture
def cloud(api, keystone):
    """The application, with a token for each role from Keystone."""
    use(api, **keystone.options(http_request_max_retries=0))
    for role in ("admin", "member", "reader"):
        api.tokens[role] = keystone.token(role)
    keystone.service.requests.clear()
    return api


@pytest.fixture
def clock(monkeypatch):
    """Time for what is remembered, and for how long Keystone is left alone."""
    now = [1000.0]
    monkeypatch.setattr(memory, "monotonic", lambda: now[0])
    monkeypatch.setattr("cloudmanager.api.keystone.monotonic", lambda: now[0])
    return now


def test_roles_of_keystone_count(cloud):
    cloud.get("/v1/nodes/", role="reader")
    refused = cloud.post("/v1/nodes/", {"node": {}}, 403, role="member")
    assert "nodes:create" in refused["error"]["message"]
    node = cloud.post("/v1/nodes/", {"node": {"name": "n"}}, role="admin")["node"]
    cloud.post(f"/v1/nodes/{node['id']}/actions/reserve", {"is_reserved": True}, 403, role="reader")


def test_admin_includes_the_others_when_keystone_does_not_say_so(cloud, keystone, monkeypatch):
    monkeypatch.setattr(keystone.identity, "implied", {})
    for path in ("/v1/nodes/", "/v1/power-controls/"):
        cloud.get(path, role="admin")


def test_without_a_role_nothing_is_allowed(cloud, keystone):
    cloud.tokens["unscoped"] = keystone.token("admin", None)
    cloud.get("/v1/info", 403, role="unscoped")


@pytest.mark.parametrize("token", [None, "wrong", "ä", "\x00", "a b", " ", "x" * 5000])
def test_what_keystone_does_not_know_is_refused(cloud, keystone, token):
    sent = {} if token is None else {"X-Auth-Token": token.encode().decode("latin-1")}
    response = cloud.ask("GET", "/v1/info", role="nobody", headers=sent)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == f'Keystone uri="{keystone.url}"'
    error = response.get_json()["error"]
    assert (error["code"], error["title"]) == (401, "Unauthorized")
    assert error["request_id"] == response.headers["X-Openstack-Request-Id"]
    assert (VALIDATION in keystone.requests) is (token in ("wrong", "x" * 5000))


def test_nobody_can_say_who_they_are_by_themselves(cloud):
    forged = {
        "X-Identity-Status": "Confirmed",
        "X-Service-Identity-Status": "Confirmed",
        "X-Roles": "admin",
        "X-User-Id": "1",
        "X-User-Name": "root",
    }
    assert cloud.ask("GET", "/v1/info", role="nobody", headers=forged).status_code == 401
    assert cloud.ask("GET", "/v1/power-controls/", role="reader", headers=forged).status_code == 403


def test_what_needs_no_token_never_asks_keystone(cloud, keystone):
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/nothing"):
        for role in ("nobody", "reader"):
            assert cloud.ask("GET", path, role=role).status_code in (200, 404)
    assert not keystone.requests


def test_a_poller_is_asked_about_once(cloud, keystone):
    for _ in range(20):
        cloud.get("/v1/info", role="reader")
    assert keystone.requests.count(VALIDATION) == 1


def test_a_revoked_token_ends_when_it_is_forgotten(cloud, keystone, clock):
    cloud.get("/v1/info", role="reader")
    keystone.identity.revoke(keystone.identity.find(cloud.tokens["reader"]))
    clock[0] += 59
    cloud.get("/v1/info", role="reader")
    clock[0] += 2
    cloud.get("/v1/info", 401, role="reader")


def test_an_expired_token_is_refused_though_remembered(cloud, keystone, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(keystone.identity, "token_seconds", 2.0)
        cloud.tokens["short"] = keystone.token("reader")
    cloud.get("/v1/info", role="short")
    time.sleep(2)
    cloud.get("/v1/info", 401, role="short")
    assert keystone.requests.count(VALIDATION) == 1


def test_keystone_is_away(cloud, keystone, clock):
    cloud.get("/v1/info", role="reader")
    keystone.stop()
    try:
        response = cloud.ask("GET", "/v1/info", role="admin")
        assert (response.status_code, response.headers["Retry-After"]) == (503, str(RETRY_AFTER))
        assert "Keystone" in response.get_json()["error"]["message"]
        assert "WWW-Authenticate" not in response.headers
        cloud.get("/v1/info", role="reader")  # remembered
    finally:
        keystone.start()
    cloud.get("/v1/info", 503, role="admin")
    clock[0] += RETRY_AFTER
    cloud.get("/v1/info", role="admin")


@pytest.mark.parametrize("status", [500, 503, 403, 200])
def test_whatever_keystone_answers_it_is_no_mistake_of_ours(cloud, keystone, status):
    keystone.service.faults = HttpFaults(status=status)
    cloud.get("/v1/info", 503, role="admin")
    keystone.service.faults = HttpFaults(down=True)
    cloud.get("/v1/info", 503, role="member")


def test_a_silent_keystone_is_not_waited_for_again_and_again(api, keystone):
    use(api, **keystone.options(http_connect_timeout=1, http_request_max_retries=0))
    api.tokens["reader"] = keystone.token("reader")
    keystone.service.faults = HttpFaults(lag=30)
    api.get("/v1/info", 503, role="reader")
    asked = keystone.asked
    for _ in range(5):
        api.get("/v1/info", 503, role="reader")
    assert keystone.asked == asked


def test_the_start_needs_no_keystone(api, keystone, clock):
    keystone.stop()
    try:
        use(api, **keystone.options(http_request_max_retries=0))
        api.tokens["reader"] = "x"
        api.get("/v1/info", 503, role="reader")
        api.get("/healthz")
    finally:
        keystone.start()
    clock[0] += RETRY_AFTER
    api.tokens["reader"] = keystone.token("reader")
    api.get("/v1/info", role="reader")


def test_our_own_token_is_renewed(cloud, keystone):
    cloud.get("/v1/info", role="reader")
    keystone.identity.tokens.clear()
    cloud.tokens["member"] = keystone.token("member")
    cloud.get("/v1/info", role="member")


def test_services_may_pass_on_a_token_that_has_expired(cloud, keystone):
    keystone.identity.expire_tokens()
    headers = {"X-Service-Token": keystone.token("nova", "service")}
    cloud.get("/v1/info", 401, role="reader")
    cloud.get("/v1/info", role="reader", headers=headers)
    cloud.post("/v1/nodes/", {"node": {}}, 403, role="reader", headers=headers)


def test_what_is_no_token_of_a_service_spoils_a_good_token(cloud, keystone):
    cloud.get("/v1/info", role="member", headers={"X-Service-Token": keystone.token("nova", "service")})
    for wrong in ("nonsense", "ä", keystone.token("admin")):
        latin = wrong.encode().decode("latin-1")
        cloud.get("/v1/info", 401, role="member", headers={"X-Service-Token": latin})


def test_all_that_keystone_tells_of_the_caller(cloud, keystone):
    headers = {"X-Service-Token": keystone.token("nova", "service")}
    with cloud.app.test_request_context(headers=headers):
        caller = auth._strategy().identify(cloud.tokens["reader"])
    user = keystone.user("reader")
    assert caller == Caller("reader", ("reader",), user.id, keystone.fleet.id, "fleet", service="nova")
    assert caller.identity == user.id


def test_wrong_credentials_of_ours_are_said_to_the_operator_alone(api, keystone, capsys):
    use(api, **keystone.options(password="wr0ng-s3cret"))
    api.tokens["reader"] = token = keystone.token("reader")
    answer = api.ask("GET", "/v1/info", role="reader")
    assert answer.status_code == 503
    logged = capsys.readouterr().out
    assert "Keystone does not check tokens" in logged
    for secret in ("wr0ng-s3cret", token, PASSWORD):
        assert secret not in logged + answer.text


def test_no_secret_is_logged(cloud, keystone, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    keystone.service.faults = HttpFaults(status=500)
    cloud.get("/v1/info", 503, role="member")
    keystone.service.faults = HttpFaults()
    cloud.get("/v1/info", role="member")
    logged = caplog.text + capsys.readouterr().out
    assert "Received request from user" in logged
    for secret in (cloud.tokens["member"], PASSWORD):
        assert secret not in logged


def test_an_application_credential_serves_too(api, keystone):
    services = next(project for project in keystone.identity.projects.values() if project.name == "service")
    made = keystone.identity.add_credential("us", keystone.user("cloudmanager"), services, "s3cret")
    use(
        api,
        auth_url=keystone.url,
        auth_type="v3applicationcredential",
        application_credential_id=made.id,
        application_credential_secret="s3cret",
    )
    api.tokens["reader"] = keystone.token("reader")
    api.get("/v1/info", role="reader")


@pytest.mark.parametrize("missing", ["auth_url", "username", "password"])
def test_what_is_missing_is_named(api, keystone, missing):
    with pytest.raises(errors.Misconfigured, match=rf"\[keystone_authtoken\] {missing}"):
        use(api, **keystone.options(**{missing: ""}))


def test_what_memcached_needs_is_named(api, keystone, monkeypatch):
    monkeypatch.setattr("cloudmanager.api.keystone.find_spec", lambda _: None)
    with pytest.raises(errors.Misconfigured, match="memcached_servers"):
        use(api, **keystone.options(memcached_servers=["127.0.0.1:11211"]))


def test_a_task_remembers_the_user(cloud):
    node = cloud.powered_node()
    response = cloud.ask("POST", f"/v1/nodes/{node}/actions/reset", role="member")
    assert cloud.get(response.headers["Location"])["requested_by"] == "member"


def test_our_options_are_those_of_the_middleware():
    [(_, options)] = auth_token.list_opts()
    theirs = {option.dest: option for option in options}
    for plugin in ("password", "v3applicationcredential"):
        for option in loading.get_auth_plugin_conf_options(loading.get_plugin_loader(plugin)):
            theirs[option.dest] = option
    ours = {option.dest: option for option in keystone_authtoken.OPTIONS}
    assert ours.keys() <= {name.replace("-", "_") for name in theirs}
    assert {name for name, option in ours.items() if option.secret} == {
        name for name in ours if theirs[name].secret
    }
