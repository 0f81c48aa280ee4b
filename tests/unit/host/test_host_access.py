"""Log-ins of nodes: from `[host]`, from what is stored of a node, and from the inventory."""

from __future__ import annotations

import asyncio

import pytest

from cloudmanager.config import load
from cloudmanager.errors import Misconfigured, NotFound
from cloudmanager.host_access import HostLogins, host_port
from cloudmanager.models import Node, NodeLogin
from cloudmanager.vault import Vault, create_key_file

pytestmark = pytest.mark.both_databases


@pytest.fixture
def vault(tmp_path):
    create_key_file(tmp_path / "secret.key")
    return Vault(tmp_path / "secret.key")


@pytest.fixture
def key_file(tmp_path):
    file = tmp_path / "id"
    file.write_text("the key")
    file.chmod(0o600)
    return str(file)


def logins(database, vault, **options):
    return HostLogins(database, vault, load(None, {("host", name): value for name, value in options.items()}))


def add(database, login=None, **node):
    with database.transaction() as session:
        row = Node(**node)
        session.add(row)
        session.flush()
        if login is not None:
            session.add(NodeLogin(node_id=row.id, **login))
        return row.id


async def test_as_configured(database, vault, key_file):
    options = {"login": "ops", "password": "pw", "key_file": key_file, "port": 2222, "known_hosts": "/known"}
    node_id = add(database, name="n1", ip_addresses=["192.0.2.1", "192.0.2.2"])
    login = await logins(database, vault, **options).find(node_id)
    assert (login.host, login.port, login.login) == ("192.0.2.1", 2222, "ops")
    assert (login.password, login.ssh_key, login.known_hosts) == ("pw", "the key", "/known")
    assert (login.sudo, login.pins, login.host_key) == (True, False, "")
    assert "pw" not in repr(login)
    assert "the key" not in repr(login)


@pytest.mark.parametrize(
    ("node", "host"),
    [({"name": "n1"}, "n1"), ({"name": "n1", "ip_addresses": []}, "n1"), ({}, "")],
    ids=["name", "no addresses", "neither"],
)
async def test_the_name_stands_in_for_the_address(database, vault, node, host):
    assert (await logins(database, vault).find(add(database, **node))).host == host


async def test_what_a_node_has_of_its_own_comes_first(database, vault, key_file):
    own = {"login": "other", "port_number": 23, "host_key": "ssh-ed25519 AAAA", "sudo": False}
    node_id = add(database, own, name="n1")
    found = logins(database, vault, key_file=key_file, password="pw")
    login = await found.find(node_id)
    assert (login.login, login.port, login.host_key, login.sudo) == ("other", 23, "ssh-ed25519 AAAA", False)
    assert (login.password, login.ssh_key) == ("pw", "the key")


@pytest.mark.parametrize("own", ["password", "ssh_key"])
async def test_secrets_of_its_own_stand_for_both(database, vault, key_file, own):
    node_id = add(database, {f"sealed_{own}": vault.seal("mine")}, name="n1")
    login = await logins(database, vault, key_file=key_file, password="pw").find(node_id)
    assert {"password": login.password, "ssh_key": login.ssh_key} == {
        "password": "",
        "ssh_key": "",
        own: "mine",
    }


async def test_root_needs_no_sudo(database, vault):
    by_configuration, of_its_own = add(database, name="n1"), add(database, {"sudo": True}, name="n2")
    found = logins(database, vault, login="root")
    assert not (await found.find(by_configuration)).sudo
    assert not (await found.find(of_its_own)).sudo


async def test_a_node_that_there_is_not(database, vault):
    found = logins(database, vault)
    node_id = add(database, name="n1")
    answers = await asyncio.gather(found.find(node_id), found.find(node_id + 1), return_exceptions=True)
    assert answers[0].host == "n1"
    assert isinstance(answers[1], NotFound)


async def test_a_host_key_is_pinned_once(database, vault):
    found = logins(database, vault, pin_on_first_contact=True)
    new, known = add(database, name="n1"), add(database, {"host_key": "a", "login": "x"}, name="n2")
    assert (await found.find(new)).pins
    assert await asyncio.gather(*(found.pin(new, "first") for _ in range(4))) == ["first"] * 4
    assert await found.pin(new, "second") == "first"
    assert await found.pin(known, "second") == "a"
    assert ((await found.find(new)).host_key, (await found.find(known)).login) == ("first", "x")


async def test_a_node_that_is_deleted_meanwhile_is_not_pinned(database, vault):
    assert await logins(database, vault).pin(77, "shown") == "shown"
    with database.reading() as session:
        assert session.query(NodeLogin).count() == 0


def test_what_is_wrong_is_said_at_the_start(database, vault, tmp_path, key_file):
    (tmp_path / "commands.toml").write_text('[x]\nsummary = "x"\n')
    for options, why in (
        ({"key_file": str(tmp_path / "none")}, "key_file .* cannot be read"),
        ({"commands_file": str(tmp_path / "commands.toml")}, "command x: run is missing"),
    ):
        with pytest.raises(Misconfigured, match=why):
            host_port(database, vault, load(None, {("host", name): value for name, value in options.items()}))
    (tmp_path / "id").chmod(0o640)
    with pytest.raises(Misconfigured, match="can be read by others"):
        logins(database, vault, key_file=key_file)
