"""A migrated database for every test that wants one: the migration runs once, each test copies its file."""

from __future__ import annotations

import shutil

import pytest

from cloudmanager import schema
from cloudmanager.db import Database


@pytest.fixture(scope="session")
def empty_database_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("database") / "empty.db"
    database = Database(f"sqlite:///{path}", sqlite_synchronous="NORMAL")
    schema.upgrade(database)
    database.close()
    return path


@pytest.fixture
def database(empty_database_file, tmp_path):
    path = tmp_path / "test.db"
    shutil.copy(empty_database_file, path)
    database = Database(f"sqlite:///{path}", sqlite_synchronous="NORMAL")
    yield database
    database.close()
