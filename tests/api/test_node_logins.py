"""Log-ins of nodes: what is stored, what is shown, and what is refused."""

import asyncssh
import pytest

from cloudmanager.models import NodeLogin

SECRET = "S3cret-pässword"
KEY = asyncssh.generate_private_key("ssh-ed25519")
PRIVATE, PUBLIC = KEY.export_private_key("pkcs8-pem").decode(), KEY.export_public_key().decode().strip()
LOCKED = KEY.export_private_key("pkcs8-pem", SECRET).decode()
NOTHING = {
    "login": None,
    "port_number": None,
    "has_password": False,
    "has_ssh_key": False,
    "host_key": None,
    "sudo": None,
    "updated_at": None,
}


@pytest.fixture
def path(api):
    return f"/v1/nodes/{api.node()['id']}/login"


def put(api, path, status=200, **login):
    return api.put(path, {"node_login": login}, status)


def stored(api):
    with api.database.reading() as session:
        return session.query(NodeLogin).one_or_none()


def test_nothing_of_its_own(api, path):
    shown = api.get(path)["node_login"]
    assert shown == {"node_id": shown["node_id"], **NOTHING}
    assert stored(api) is None


def test_what_is_left_out_stays_and_null_is_as_configured(api, path):
    shown = put(api, path, login="ops", port_number="2222", host_key=PUBLIC, sudo=False)["node_login"]
    assert shown.pop("updated_at")
    node_id = shown.pop("node_id")
    wanted = {**NOTHING, "login": "ops", "port_number": 2222, "host_key": PUBLIC, "sudo": False}
    assert shown == {name: value for name, value in wanted.items() if name != "updated_at"}
    shown = put(api, path, port_number=None, host_key="")["node_login"]
    assert (shown["node_id"], shown["login"], shown["port_number"], shown["host_key"]) == (
        node_id, "ops", None, None,
    )  # fmt: skip
    assert shown["sudo"] is False


def test_secrets_are_sealed_and_never_answered(api, path, capsys, caplog):
    told = str(put(api, path, password=SECRET, ssh_key=LOCKED)) + str(api.get(path))
    row, vault = stored(api), api.services.vault
    assert (vault.open(row.sealed_password), vault.open(row.sealed_ssh_key)) == (SECRET, LOCKED)
    assert (put(api, path)["node_login"]["has_password"], api.get(path)["node_login"]["has_ssh_key"]) == (
        True, True,
    )  # fmt: skip
    told += capsys.readouterr().out + capsys.readouterr().err + caplog.text
    assert SECRET not in told
    assert "PRIVATE KEY" not in told
    shown = put(api, path, password="", ssh_key=None)["node_login"]
    assert (shown["has_password"], shown["has_ssh_key"]) == (False, False)
    assert (stored(api).sealed_password, stored(api).sealed_ssh_key) == (None, None)


@pytest.mark.parametrize(
    ("login", "field"),
    [
        ({"host_key": "ssh-ed25519 nonsense"}, "host_key"),
        ({"ssh_key": "nonsense"}, "ssh_key"),
        ({"ssh_key": LOCKED}, "ssh_key"),
        ({"ssh_key": LOCKED, "password": "wrong"}, "ssh_key"),
        ({"port_number": 0}, "port_number"),
        ({"sudo": "yes"}, "sudo"),
        ({"login": "a\0b"}, "login"),
        ({"key": PRIVATE}, "key"),
    ],
    ids=["host key", "private key", "no password", "wrong password", "port", "sudo", "login", "unknown"],
)
def test_what_is_wrong_is_named(api, path, login, field):
    error = put(api, path, 422, **login)["error"]
    assert any(name.endswith(field) for name in error["errors"]), error
    assert stored(api) is None


def test_a_password_that_does_not_open_the_stored_key(api, path):
    put(api, path, password=SECRET, ssh_key=LOCKED)
    assert "password" in put(api, path, 422, password="wrong")["error"]["errors"]
    assert api.services.vault.open(stored(api).sealed_password) == SECRET


def test_delete_is_as_configured_again(api, path):
    put(api, path, login="ops")
    api.delete(path)
    assert stored(api) is None
    assert api.get(path)["node_login"]["login"] is None
    assert api.delete(path, 404)["error"]["message"].endswith("has no log-in of its own")


def test_nobody_overwrites_what_he_has_not_seen(api, path):
    put(api, path, login="ops")
    tag = api.ask("GET", path).headers["ETag"]
    put(api, path, login="other")
    for method, body in (("PUT", {"node_login": {"login": "mine"}}), ("DELETE", None)):
        assert api.ask(method, path, body, headers={"If-Match": tag}).status_code == 412
    assert stored(api).login == "other"


def test_a_node_that_is_deleted_takes_its_login_along(api, path):
    put(api, path, login="ops", password=SECRET)
    api.delete(path.removesuffix("/login"))
    assert stored(api) is None
    for method, body in (("GET", None), ("PUT", {"node_login": {}}), ("DELETE", None)):
        assert api.ask(method, path, body).status_code == 404


@pytest.mark.parametrize("role", ["reader", "member"])
def test_only_administrators(api, path, role):
    for method, body in (("GET", None), ("PUT", {"node_login": {}}), ("DELETE", None)):
        assert api.ask(method, path, body, role=role).status_code == 403
