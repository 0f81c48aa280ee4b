"""A migrated database for every test that wants one: the migration runs once, each test begins with what it made.

A test marked `both_databases` runs on SQLite and on PostgreSQL, all others on SQLite.
"""

from __future__ import annotations

import gc
import itertools
import os
import shutil

import hypothesis
import pytest

from cloudmanager import schema
from cloudmanager.db import Database
from tests.peers.postgresql import PostgreSql
from tests.pristine import Pristine

_NUMBERS = itertools.count()


if os.environ.get("CI"):  # the same examples each time; elsewhere others, which find more
    hypothesis.settings.register_profile("ci", derandomize=True)
    hypothesis.settings.load_profile("ci")


def pytest_collection_modifyitems(items):
    """What mostly waits comes first, beside what computes.

    What talks over real sockets to other processes is tried once more where it fails: a busy machine can
    outrun any patience. The summary names those.
    """
    for item in items:
        if {"e2e", "contract"} & set(item.path.parts) or item.get_closest_marker("peer"):
            item.add_marker(pytest.mark.flaky(reruns=1))
    items.sort(key=lambda item: ("e2e" not in item.path.parts, "demo" not in item.path.parts))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A process runs whole files, and all those that share a demo, which is started once."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return "demo" if "/e2e/demo/" in file else file

    return Scheduling(config, log)


gc.disable()  # while tests are collected nothing becomes garbage


def pytest_collection_finish():
    """All tests and what they import stay: no collection of garbage need look at them again."""
    gc.freeze()
    gc.enable()


def pytest_generate_tests(metafunc):
    if "backend" in metafunc.fixturenames and metafunc.definition.get_closest_marker("both_databases"):
        peer = pytest.param("postgresql", marks=pytest.mark.peer)
        metafunc.parametrize("backend", ["sqlite", peer], indirect=True)


@pytest.fixture(autouse=True)
def _usual_umask():
    """What is run here as a program would leave its own behind."""
    os.umask(0o022)


@pytest.fixture
def backend(request):
    """Which database the test runs on."""
    return getattr(request, "param", "sqlite")


@pytest.fixture(scope="session")
def empty_database_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("database") / "empty.db"
    database = Database(f"sqlite:///{path}", sqlite_synchronous="NORMAL")
    schema.upgrade(database)
    database.close()
    return path


@pytest.fixture(scope="session")
def postgresql_server():
    """One server for all tests."""
    with PostgreSql() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql_server):
    """The URL of the database that the tests use one after another, and what puts it back as it was."""
    url = postgresql_server.create("migrated")
    database = Database(url)
    schema.upgrade(database)
    database.close()
    pristine = Pristine(url)
    yield url, pristine
    pristine.close()


@pytest.fixture
def empty_postgresql(postgresql_server):
    """The URL of a database without tables."""
    name = f"test{next(_NUMBERS)}"
    yield postgresql_server.create(name)
    postgresql_server.drop(name)


@pytest.fixture
def database_url(backend, request, tmp_path):
    """Where a migrated database of this test alone is."""
    if backend == "sqlite":
        path = tmp_path / "test.db"
        shutil.copy(request.getfixturevalue("empty_database_file"), path)
        yield f"sqlite:///{path}"
        return
    url, pristine = request.getfixturevalue("migrated_postgresql")
    yield url
    pristine.restore()


@pytest.fixture
def database(database_url):
    database = Database(database_url, sqlite_synchronous="NORMAL", busy_timeout=5)
    yield database
    database.close()
