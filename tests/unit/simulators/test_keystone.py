"""The simulated Keystone, asked by OpenStack's own client and by plain HTTP."""

import json

import httpx
import pytest
from keystoneauth1 import exceptions, identity
from keystoneclient.v3.client import Client

from cloudmanager.simulators.clock import ManualClock
from cloudmanager.simulators.http_faults import HttpFaults
from cloudmanager.simulators.keystone import Identity
from cloudmanager.simulators.keystone.identity import NotAuthenticated
from tests.keystone import PASSWORD, RunningKeystone


@pytest.fixture(scope="module")
def keystone():
    with RunningKeystone() as running:
        yield running


@pytest.fixture(autouse=True)
def healthy(keystone):
    yield
    keystone.service.faults = HttpFaults()


def ask(keystone, method, path, token=None, subject=None, **options):
    headers = {"X-Auth-Token": token, "X-Subject-Token": subject}
    given = {name: value for name, value in headers.items() if value}
    return httpx.request(method, f"http://127.0.0.1:{keystone.port}{path}", headers=given, **options)


def test_the_client_finds_the_version_and_the_catalogue(keystone):
    client = keystone.client("admin")
    [versions] = client.get_all_version_data(service_type="identity")["RegionOne"]["public"].values()
    assert [(version["version"], version["status"]) for version in versions] == [("3.14", "CURRENT")]
    assert client.get_endpoint(service_type="identity", interface="internal") == f"{keystone.url}/"


def test_a_token_carries_the_roles_that_others_imply(keystone):
    access = keystone.client("admin").auth.get_access(keystone.client("admin"))
    assert set(access.role_names) == {"admin", "manager", "member", "reader"}
    assert (access.username, access.project_name, access.user_domain_name) == ("admin", "fleet", "Default")
    assert 3590 < (access.expires - access.issued).total_seconds() <= 3600


def test_a_token_without_a_project_has_no_roles(keystone):
    access = keystone.client("member", None).auth.get_access(keystone.client("member", None))
    assert (access.role_names, access.project_id, access.has_service_catalog()) == ([], None, False)


@pytest.mark.parametrize(
    ("name", "project"), [("nobody", "fleet"), ("admin", "elsewhere"), ("reader", "service")]
)
def test_every_failed_login_is_told_the_same(keystone, name, project):
    with pytest.raises(exceptions.Unauthorized, match="requires authentication"):
        keystone.token(name, project)


def test_a_disabled_user_loses_the_tokens(keystone):
    token = keystone.token("reader")
    user = keystone.user("reader")
    user.enabled = False
    try:
        assert ask(keystone, "GET", "/v3/auth/tokens", token, token).status_code == 401
        with pytest.raises(exceptions.Unauthorized):
            keystone.token("reader")
    finally:
        user.enabled = True


def test_tokens_are_validated_by_services_only(keystone):
    subject = keystone.token("member")
    service, reader = keystone.token("nova", "service"), keystone.token("reader")
    answer = ask(keystone, "GET", "/v3/auth/tokens", service, subject)
    assert (answer.status_code, answer.headers["X-Subject-Token"]) == (200, subject)
    assert answer.json()["token"]["user"]["name"] == "member"
    assert "catalog" in answer.json()["token"]
    assert (
        "catalog" not in ask(keystone, "GET", "/v3/auth/tokens?nocatalog", service, subject).json()["token"]
    )
    assert ask(keystone, "HEAD", "/v3/auth/tokens", service, subject).status_code == 200
    assert ask(keystone, "GET", "/v3/auth/tokens", reader, subject).status_code == 403
    assert ask(keystone, "GET", "/v3/auth/tokens", subject, subject).status_code == 200
    assert ask(keystone, "GET", "/v3/auth/tokens", service, "nonsense").status_code == 404
    assert ask(keystone, "GET", "/v3/auth/tokens", service).status_code == 404
    refused = ask(keystone, "GET", "/v3/auth/tokens", "nonsense", subject)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == f'Keystone uri="{keystone.url}"'


def test_a_revoked_token_is_unknown(keystone):
    token, service = keystone.token("member"), keystone.token("nova", "service")
    assert ask(keystone, "DELETE", "/v3/auth/tokens", token, token).status_code == 204
    assert ask(keystone, "GET", "/v3/auth/tokens", service, token).status_code == 404


def test_an_expired_token_is_known_to_those_who_ask_for_it(keystone):
    token = keystone.token("member")
    keystone.identity.expire_tokens()
    service = keystone.token("nova", "service")
    assert ask(keystone, "GET", "/v3/auth/tokens", service, token).status_code == 404
    assert ask(keystone, "GET", "/v3/auth/tokens?allow_expired=1", service, token).status_code == 200


def test_a_token_for_a_token_ends_with_it(keystone):
    first = keystone.client("member")
    old = first.auth.get_access(first)
    plugin = identity.v3.Token(
        keystone.url, old.auth_token, project_name="fleet", project_domain_name="Default"
    )
    new = plugin.get_access(first)
    assert new.auth_token != old.auth_token
    assert (new.expires, new.audit_chain_id) == (old.expires, old.audit_id)


def test_application_credentials(keystone):
    user, project = keystone.user("member"), keystone.fleet
    made = keystone.identity.add_credential("ci", user, project, "secret-of-ci")
    plugin = identity.v3.ApplicationCredential(keystone.url, "secret-of-ci", made.id)
    access = plugin.get_access(keystone.client("member"))
    assert (access.username, set(access.role_names)) == ("member", {"member", "reader"})
    with pytest.raises(exceptions.Unauthorized):
        identity.v3.ApplicationCredential(keystone.url, "wrong", made.id).get_access(
            keystone.client("member")
        )


def test_lists_are_for_administrators(keystone):
    client = Client(session=keystone.client("admin"))
    assert {"admin", "nova"} < {user.name for user in client.users.list()}
    assert [project.name for project in client.projects.list(name="fleet")] == ["fleet"]
    assert [domain.id for domain in client.domains.list()] == ["default"]
    assert "service" in {role.name for role in client.roles.list()}
    assert client.users.get(keystone.user("nova").id).name == "nova"
    with pytest.raises(exceptions.NotFound):
        client.users.get("nova")
    with pytest.raises(exceptions.Forbidden):
        Client(session=keystone.client("reader")).users.list()
    mine = Client(session=keystone.client("reader")).auth.projects()
    assert [project.name for project in mine] == ["fleet"]
    assert "password" not in ask(keystone, "GET", "/v3/users", keystone.token("admin")).text.replace(
        "password_expires_at", ""
    )


DOMAIN_CONFIG = "/v3/domains/default/config"
LDAP = {"identity": {"driver": "ldap"}, "ldap": {"url": "ldap://ldap.example", "password": "s3cret"}}


def test_domain_config_is_set_changed_and_deleted_and_its_password_never_shown(keystone):
    token = keystone.token("admin")
    assert ask(keystone, "GET", DOMAIN_CONFIG, token).status_code == 404
    made = ask(keystone, "PUT", DOMAIN_CONFIG, token, json={"config": LDAP})
    assert made.status_code == 201
    assert made.json() == {"config": {"identity": {"driver": "ldap"}, "ldap": {"url": "ldap://ldap.example"}}}
    change = {"config": {"ldap": {"user_tree_dn": "ou=people"}}}
    changed = ask(keystone, "PATCH", DOMAIN_CONFIG, token, json=change)
    assert changed.status_code == 200
    shown = ask(keystone, "GET", DOMAIN_CONFIG, token).json()["config"]
    assert shown["ldap"] == {"url": "ldap://ldap.example", "user_tree_dn": "ou=people"}
    assert keystone.identity.domain_configs["default"]["ldap"]["password"] == "s3cret"
    assert (
        ask(
            keystone, "PUT", DOMAIN_CONFIG, token, json={"config": {"identity": {"driver": "sql"}}}
        ).status_code
        == 200
    )
    for _ in range(2):
        assert ask(keystone, "DELETE", DOMAIN_CONFIG, token).status_code == 204
        assert ask(keystone, "GET", DOMAIN_CONFIG, token).status_code == 404
    assert ask(keystone, "PATCH", DOMAIN_CONFIG, token, json=change).status_code == 200
    assert ask(keystone, "DELETE", DOMAIN_CONFIG, token).status_code == 204
    nowhere = DOMAIN_CONFIG.replace("default", "nowhere")
    assert "options" in ask(keystone, "GET", nowhere, token).json()["error"]["message"]
    assert "find domain" in ask(keystone, "PUT", nowhere, token, json=change).json()["error"]["message"]


@pytest.mark.parametrize(
    ("config", "status"),
    [
        ({"config": {"cache": {"enabled": True}}}, 403),
        ({"config": {"ldap": {"tls_ciphers": "x"}}}, 403),
        ({"config": []}, 403),
        ({}, 403),
        ({"config": "x"}, 400),
    ],
)
def test_domain_config_takes_what_domains_may_have(keystone, config, status):
    token = keystone.token("admin")
    assert ask(keystone, "PUT", DOMAIN_CONFIG, token, json=config).status_code == status
    assert ask(keystone, "GET", DOMAIN_CONFIG, token).status_code == 404


def test_domain_config_is_for_administrators(keystone):
    token = keystone.token("member")
    assert ask(keystone, "PUT", DOMAIN_CONFIG, token, json={"config": LDAP}).status_code == 403


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"auth": 1}', b'{"auth": {"identity": {"methods": []}}}']
)
def test_broken_logins_are_malformed(keystone, body):
    assert ask(keystone, "POST", "/v3/auth/tokens", content=body).status_code == 400


def test_unknown_paths_and_methods(keystone):
    token = keystone.token("admin")
    assert ask(keystone, "GET", "/v3/nothing", token).status_code == 404
    assert ask(keystone, "POST", "/v3/users", token).status_code == 405
    assert ask(keystone, "GET", "/v3/users").status_code == 401


def test_faults(keystone):
    keystone.service.faults = HttpFaults(status=503)
    assert ask(keystone, "GET", "/v3").json()["error"]["code"] == 503
    keystone.service.faults = HttpFaults(down=True)
    with pytest.raises(httpx.RemoteProtocolError):
        ask(keystone, "GET", "/v3")
    keystone.service.faults = HttpFaults(lag=0.3)
    with pytest.raises(httpx.ReadTimeout):
        ask(keystone, "GET", "/v3", timeout=0.1)
    assert ask(keystone, "GET", "/v3", timeout=5).status_code == 200


def test_everything_survives_a_restart(keystone):
    token = keystone.token("member")
    kept = json.loads(json.dumps(keystone.identity.to_dict()))
    again = Identity.from_dict(kept, keystone.identity.clock)
    assert again.to_dict() == keystone.identity.to_dict()
    assert set(again.roles_of(again.find(token))) == {"member", "reader"}


def test_tokens_end_with_their_time():
    clock = ManualClock()
    known = Identity(clock)
    project, user = known.add_project("p"), known.add_user("u", "x")
    known.grant(user, project, "reader")
    token = known.log_in(user, "x", project)
    clock.advance(known.token_seconds - 1)
    assert known.find(token.id) is token
    second = known.exchange(token.id, project)
    clock.advance(1)
    assert known.find(token.id) is None
    assert known.find(second.id) is None
    with pytest.raises(NotAuthenticated):
        known.log_in(user, "y", project)


def test_secrets_are_in_no_repr(keystone):
    token = keystone.token("admin")
    shown = repr(keystone.identity.users) + repr(keystone.identity.tokens)
    assert PASSWORD not in shown
    assert f"'{token}'" in shown  # the key of the map only
    assert shown.count(token) == 1
