"""An inventory to fill by files, and another one to fill from it."""

from __future__ import annotations

import io
import itertools
import shutil

import pytest

from cloudmanager import drivers
from cloudmanager.api import power_controls
from cloudmanager.db import Database
from cloudmanager.inventory import export_inventory, import_inventory
from cloudmanager.vault import Vault, create_key_file


class Board(drivers.SupermicroRackDevice):
    """A device with eight ports."""

    control_type = "Board"
    protocol_type = "modbus"
    coils_count = 8
    uses_ssh_key = True


@pytest.fixture(autouse=True)
def known_drivers(monkeypatch):
    known = (drivers.SupermicroRackDevice, drivers.RedfishDevice, Board)
    monkeypatch.setattr(drivers, "DRIVERS", known)
    monkeypatch.setattr(power_controls, "DRIVERS", known)


@pytest.fixture
def vault(tmp_path):
    create_key_file(tmp_path / "secret.key")
    return Vault(tmp_path / "secret.key")


class Site:
    """A database with shorthands for files."""

    def __init__(self, database, vault):
        self.database = database
        self.vault = vault

    def load(self, text, form="yaml", **options):
        return import_inventory(self.database, self.vault, io.StringIO(text, newline=""), form, **options)

    def dump(self, form="yaml"):
        file = io.StringIO(newline="")
        export_inventory(self.database, file, form)
        return file.getvalue()

    def scalars(self, query):
        with self.database.reading() as session:
            return list(session.scalars(query))

    def rows(self, query):
        with self.database.reading() as session:
            return [tuple(row) for row in session.execute(query)]


@pytest.fixture
def site(database, vault):
    return Site(database, vault)


@pytest.fixture
def new_site(empty_database_file, tmp_path, vault):
    """Makes sites without anything but the first data."""
    numbers, opened = itertools.count(), []

    def make():
        path = tmp_path / f"other{next(numbers)}.db"
        shutil.copy(empty_database_file, path)
        opened.append(Database(f"sqlite:///{path}", sqlite_synchronous="NORMAL"))
        return Site(opened[-1], vault)

    yield make
    for database in opened:
        database.close()
