"""Migrations on both databases: up from nothing, the same tables as the models say, and down again."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, inspect, text

from cloudmanager import schema
from cloudmanager.db import Database
from cloudmanager.errors import Misconfigured
from cloudmanager.models import Base

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index"),
    pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based index"),
]

EXPRESSIONS = {
    index.name
    for table in Base.metadata.sorted_tables
    for index in table.indexes
    if not all(isinstance(expression, Column) for expression in index.expressions)
}


@pytest.fixture
def empty(backend, request, tmp_path):
    """A database without tables."""
    sqlite = f"sqlite:///{tmp_path}/new.db"
    database = Database(sqlite if backend == "sqlite" else request.getfixturevalue("empty_postgresql"))
    yield database
    database.close()


def tables(database):
    return set(inspect(database.engine).get_table_names())


def test_up_from_nothing_and_down_again(empty):
    with pytest.raises(Misconfigured, match="schema none"):
        schema.check(empty)
    schema.upgrade(empty)
    schema.check(empty)
    assert tables(empty) == {"alembic_version", *Base.metadata.tables}
    schema.upgrade(empty)  # a second time does nothing

    config = schema.alembic_config()
    with empty.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert tables(empty) == {"alembic_version"}
    schema.upgrade(empty)
    schema.check(empty)


def test_tables_are_as_the_models_say(database):
    """Indexes of expressions apart: no database tells them as they were written."""
    options = {"compare_type": True, "include_object": lambda _, name, *rest: name not in EXPRESSIONS}
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_indexes_of_expressions_are_there(database):
    catalogue = {"sqlite": "SELECT name FROM sqlite_master", "postgresql": "SELECT indexname FROM pg_indexes"}
    with database.reading() as session:
        assert set(session.scalars(text(catalogue[database.dialect]))) >= EXPRESSIONS


def test_constraints_have_the_names_that_the_models_give(database):
    inspector = inspect(database.engine)
    for table in Base.metadata.sorted_tables:
        found = {inspector.get_pk_constraint(table.name)["name"]}
        for kind in ("unique_constraints", "check_constraints", "foreign_keys"):
            found |= {each["name"] for each in getattr(inspector, f"get_{kind}")(table.name)}
        expected = {constraint.name for constraint in table.constraints}
        if database.dialect == "sqlite" and table.dialect_options["sqlite"]["autoincrement"]:
            expected.discard(table.primary_key.name)  # AUTOINCREMENT stands in the column, without a name
        assert found >= expected, table.name


def test_a_new_row_follows_the_first_data(database):
    """Sequences of PostgreSQL know of the ids that the migration gave."""
    with database.transaction() as session:
        for table, values in (
            ("node_classes", "(name, is_default) VALUES ('new', false)"),
            ("node_types", "(node_class_id, name) VALUES (1, 'new')"),
            ("node_images", "(image_name, file_data, created_at) VALUES ('new', '', '2026-01-01')"),
        ):
            highest = session.scalar(text(f"SELECT max(id) FROM {table}"))
            made = session.scalar(text(f"INSERT INTO {table} {values} RETURNING id"))
            assert made == highest + 1
