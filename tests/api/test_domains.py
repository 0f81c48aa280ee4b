"""`/v1/domains`: options of domains are read from files and given to Keystone as a whole."""

import json
from dataclasses import replace

import pytest

from cloudmanager.api.services import attach
from cloudmanager.config import load
from cloudmanager.errors import CloudUnreachable

ID = "4c8cb6a4be6f4b7ea2dd0b62c3a04ab5"
URL = f"/v1/domains/{ID}/actions/configure"
FILE = """
[identity]
driver = ldap

[ldap]
url = ldap://directory.example
password = s3cret
user_filter = (&(objectClass=person)
    (memberOf=cn=cloud))
pool_size = 10
pool_size = 20
"""


@pytest.fixture
def directory(api, tmp_path):
    configure(api, config_directory=str(tmp_path))
    return tmp_path


def configure(api, **options):
    given = {("domains", name): value for name, value in options.items()}
    attach(api.app, replace(api.services, config=load(None, given)))


@pytest.fixture
def domain(nova, directory):
    """A domain with a file."""
    nova.domains[ID] = "example.com"
    configure_file = directory / "keystone.example.com.conf"
    configure_file.write_text(FILE)
    return configure_file


@pytest.mark.parametrize("path", ["/domains/actions/get-store", "/v1/domains/actions/get-store"])
def test_the_store_is_told_with_and_without_the_version(api, path):
    assert api.post(path, status=200, role="reader") == {"store": "file"}
    configure(api, store="database")
    assert api.post(f"{path}/", status=200) == {"store": "database"}
    assert api.ask("POST", path, role="nobody").status_code == 401


def test_no_other_path_is_without_the_version(api):
    for path in (
        "/info",
        f"/domains/{ID}/actions/configure",
        "/domains/totp-allowed",
        "/signs",
        "/v1/v1/sign",
    ):
        assert api.ask("GET", path).status_code == 404
        assert api.ask("POST", path).status_code == 404


def test_totp_is_told_as_a_text(api):
    assert api.get("/v1/domains/totp-allowed", role="reader") == {"totp_allowed": "false"}
    configure(api, totp_allowed=True)
    assert api.get("/v1/domains/totp-allowed") == {"totp_allowed": "true"}


def test_the_file_replaces_the_options(api, nova, domain):
    api.post(URL, status=204)
    assert nova.domain_options == {
        ID: {
            "identity": {"driver": "ldap"},
            "ldap": {
                "url": "ldap://directory.example",
                "password": "s3cret",
                "user_filter": "(&(objectClass=person)\n(memberOf=cn=cloud))",
                "pool_size": "10",
            },
        }
    }


def test_admins_only(api, nova, domain):
    for role in ("member", "reader"):
        assert api.ask("POST", URL, role=role).status_code == 403
    assert not nova.domain_options


def test_a_domain_that_is_not_known(api, nova, domain):
    assert (
        "Could not find domain"
        in api.post("/v1/domains/nowhere/actions/configure", status=404)["error"]["message"]
    )
    assert api.ask("POST", "/v1/domains/..%2Fusers/actions/configure").status_code == 404


def test_a_file_that_is_not_there_is_named(api, nova, domain):
    domain.unlink()
    message = api.post(URL, status=409)["error"]["message"]
    assert str(domain) in message
    assert "No such file" in message


def test_a_name_does_not_lead_out_of_the_directory(api, nova, directory, tmp_path):
    nova.domains[ID] = "../secret"
    (tmp_path / "keystone...").mkdir()
    assert "rename the domain" in api.post(URL, status=409)["error"]["message"]


def test_options_that_a_domain_cannot_have_are_named(api, nova, domain):
    domain.write_text(
        f"{FILE}\n[database]\nconnection = mysql://u:p4ssword@h\n[ldap]\nfoo = 1\n[DEFAULT]\ndebug = true\n"
    )
    error = api.post(URL, status=422)["error"]
    assert set(error["errors"]) == {"database.connection", "ldap.foo", "DEFAULT.debug"}
    assert "s3cret" not in json.dumps(error)
    assert "p4ssword" not in json.dumps(error)
    assert not nova.domain_options


def test_options_that_keystone_was_told_to_allow(api, nova, domain):
    configure(api, config_directory=str(domain.parent), additional_options="ldap.foo,other.bar")
    domain.write_text("[ldap]\nfoo = 1\n[other]\nbar = 2\n")
    api.post(URL, status=204)
    assert nova.domain_options[ID] == {"ldap": {"foo": "1"}, "other": {"bar": "2"}}


@pytest.mark.parametrize(
    "content", [b"", b"[ldap]\n", b"password s3cret\n", b"[ldap]\npassword = \xff\n", b"[ldap\n"]
)
def test_a_file_that_says_nothing_that_can_be_used(api, nova, domain, content):
    domain.write_bytes(content)
    error = api.post(URL, status=422)["error"]
    assert str(domain) in error["message"]
    assert "s3cret" not in json.dumps(error)
    assert not nova.domain_options


def test_keystone_away(api, nova, domain):
    async def silent(*_):
        raise CloudUnreachable("Keystone: no answer")

    nova.configure_domain = silent
    assert api.post(URL, status=504)["error"]["message"] == "Keystone: no answer"


def test_without_openstack(api, directory):
    assert "[nova]" in api.post(URL, status=501)["error"]["message"]
