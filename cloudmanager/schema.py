"""The version of the database's schema: bring it to the newest, or say that it is not."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from cloudmanager.errors import Misconfigured

if TYPE_CHECKING:
    from cloudmanager.db import Database


def alembic_config() -> AlembicConfig:
    """Alembic's configuration; the caller puts a connection into `attributes["connection"]`."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(files("migrations")))
    return config


def upgrade(database: Database) -> None:
    """Bring the schema to the newest version, in one transaction."""
    config = alembic_config()
    with database.engine.execution_options(begin="BEGIN IMMEDIATE").begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check(database: Database) -> None:
    """Raise `Misconfigured` unless the schema is the newest."""
    newest = ScriptDirectory.from_config(alembic_config()).get_current_head()
    with database.engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found != newest:
        raise Misconfigured(
            f"the database has schema {found or 'none'}, this version {newest}: run `cloudmanager db upgrade`"
        )
