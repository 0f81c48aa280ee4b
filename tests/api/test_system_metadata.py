"""`system_metadata`: rows of Nova's table, with Nova's columns, on SQLite, and on the databases that Nova runs on."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest
from sqlalchemy import create_engine, text

from cloudmanager.api.services import attach
from cloudmanager.errors import Misconfigured, Unavailable
from cloudmanager.nova_database import NovaDatabase
from tests.peers.mariadb import MariaDb

VM = "45bb8680-c070-4080-be45-ec4d2312eda8"
OTHER = "9d3c1a52-1111-4000-8000-000000000000"
URL = f"/v1/system_metadata/{VM}"

TABLE = """
CREATE TABLE instance_system_metadata (
    created_at {moment},
    updated_at {moment},
    deleted_at {moment},
    id {id},
    instance_uuid VARCHAR(36) NOT NULL,
    {key} VARCHAR(255) NOT NULL,
    value VARCHAR(255),
    deleted INTEGER
)
"""
"""As Nova's migrations make it."""

DIALECTS = {
    "sqlite": {"moment": "DATETIME", "id": "INTEGER PRIMARY KEY AUTOINCREMENT", "key": '"key"'},
    "postgresql": {"moment": "TIMESTAMP", "id": "SERIAL PRIMARY KEY", "key": '"key"'},
    "mysql": {"moment": "DATETIME", "id": "INTEGER PRIMARY KEY AUTO_INCREMENT", "key": "`key`"},
}


class Nova:
    """The table, written and read past our code."""

    def __init__(self, url):
        self.url = url
        self.engine = create_engine(url)
        self.key = DIALECTS[self.engine.dialect.name]["key"]
        self.run(TABLE.format(**DIALECTS[self.engine.dialect.name]))

    def run(self, statement, **values):
        with self.engine.begin() as connection:
            return connection.execute(text(statement), values)

    def write(self, server_id, key, value, deleted=0):
        self.run(
            f"INSERT INTO instance_system_metadata (instance_uuid, {self.key}, value, deleted) "
            "VALUES (:server_id, :name, :value, :deleted)",
            server_id=server_id,
            name=key,
            value=value,
            deleted=deleted,
        )

    def rows(self, server_id=VM):
        found = self.run(
            f"SELECT {self.key}, value, deleted, created_at, updated_at FROM instance_system_metadata "
            f"WHERE instance_uuid = :server_id ORDER BY id",
            server_id=server_id,
        )
        return found.all()


@pytest.fixture(scope="module")
def mariadb():
    with MariaDb() as server:
        yield server


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.peer),
        pytest.param("mariadb", marks=pytest.mark.peer),
    ]
)
def address(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'nova.db'}"
    if request.param == "postgresql":
        return request.getfixturevalue("empty_postgresql")
    return request.getfixturevalue("mariadb").create()


@pytest.fixture
def table(address):
    found = Nova(address)
    found.write(VM, "image_min_ram", "0")
    found.write(VM, "gone", "1", deleted=7)
    found.write(OTHER, "image_min_ram", "512")
    yield found
    found.engine.dispose()


@pytest.fixture
def vm(api, nova, table):
    nova.add_server(VM, "r1n01")
    nova.add_server(OTHER, "r1n01")
    database = NovaDatabase(table.url)
    attach(api.app, replace(api.services, nova_database=database))
    yield nova
    database.close()


def test_it_is_shown(api, vm):
    assert api.get(URL) == {"metadata": {"image_min_ram": "0"}}


def test_put_merges(api, vm, table):
    api.put(URL, {"image_min_ram": "1", "cpu_benchmark": "test"}, 204)
    assert api.get(URL) == {"metadata": {"cpu_benchmark": "test", "image_min_ram": "1"}}
    old, deleted, new = table.rows()
    assert (old.value, old.updated_at is not None) == ("1", True)
    assert (deleted.value, deleted.deleted) == ("1", 7), "rows of a server that was deleted are not touched"
    assert (new.deleted, new.created_at is not None, new.updated_at) == (0, True, None)
    assert table.rows(OTHER)[0].value == "512"


def test_the_same_again_makes_no_second_row(api, vm, table):
    for _ in range(2):
        api.put(URL, {"cpu_benchmark": "test"}, 204)
    assert len(table.rows()) == 3


def test_a_removed_key_is_gone(api, vm, table):
    api.delete(f"{URL}/removed/image_min_ram")
    assert api.get(URL) == {"metadata": {}}
    assert [row.deleted for row in table.rows()] == [7], "as Nova does: the row is deleted"
    assert len(table.rows(OTHER)) == 1
    assert api.ask("DELETE", f"{URL}/removed/image_min_ram").status_code == 404


@pytest.mark.parametrize("body", [{"a": 1}, {"a": None}, {"a": "x" * 256}, {"": "x"}, {"k" * 256: "x"}])
def test_what_the_table_does_not_take_is_refused(api, nova, tmp_path, body):
    nova.add_server(VM, "r1n01")
    table = Nova(f"sqlite:///{tmp_path / 'nova.db'}")
    attach(api.app, replace(api.services, nova_database=NovaDatabase(table.url)))
    response = api.ask("PUT", URL, body)
    assert response.status_code == 422
    assert next(iter(body)) in response.json["error"]["errors"]
    assert table.rows() == []


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("PUT", ""), ("DELETE", "/removed/gone")])
class TestRefusals:
    """What is the same for reading, writing and removing."""

    def test_an_unknown_server(self, api, nova, method, path, tmp_path):
        table = Nova(f"sqlite:///{tmp_path / 'nova.db'}")
        attach(api.app, replace(api.services, nova_database=NovaDatabase(table.url)))
        assert api.ask(method, URL + path, {} if method == "PUT" else None).status_code == 404

    def test_without_the_option(self, api, nova, method, path):
        response = api.ask(method, URL + path, {} if method == "PUT" else None)
        assert response.status_code == 501
        assert "[nova] database_connection" in response.json["error"]["message"]

    def test_a_database_that_is_away(self, api, nova, method, path, tmp_path):
        nova.add_server(VM, "r1n01")
        database = NovaDatabase(f"sqlite:///{tmp_path}/nowhere/nova.db")
        attach(api.app, replace(api.services, nova_database=database))
        response = api.ask(method, URL + path, {"a": "b"} if method == "PUT" else None)
        assert response.status_code == 503
        assert "Nova's database" in response.json["error"]["message"]
        assert "Retry-After" in response.headers

    def test_only_an_admin(self, api, nova, method, path):
        body = {} if method == "PUT" else None
        assert api.ask(method, URL + path, body, role="member").status_code == 403


def test_a_server_that_refuses_connections_is_away():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    database = NovaDatabase(f"mysql+pymysql://nova:s3cret@127.0.0.1:{port}/nova")
    with pytest.raises(Unavailable) as raised:
        database.system_metadata(VM)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("address", ["s3cret", "nosuch://nova:s3cret@h/nova", "sqlite+nosuch:///s3cret"])
def test_an_address_that_is_none_is_said_without_it(address):
    with pytest.raises(Misconfigured, match="database_connection") as raised:
        NovaDatabase(address).system_metadata(VM)
    assert "s3cret" not in str(raised.value)
