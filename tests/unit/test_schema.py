"""Migrations on both databases: up from nothing, the same tables as the models say, and down again."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, inspect, select, text

from cloudmanager import schema
from cloudmanager.db import Database
from cloudmanager.errors import Misconfigured
from cloudmanager.models import Base, PowerControl

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

    migrate(empty, "downgrade", "base")
    assert tables(empty) == {"alembic_version"}
    schema.upgrade(empty)
    schema.check(empty)


def migrate(database, direction, revision):
    config = schema.alembic_config()
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        getattr(command, direction)(config, revision)


def test_power_controls_get_options_and_keep_what_they_had(empty):
    """Assignments stay, and the id of a control that was deleted is never given again."""
    control = (
        "INSERT INTO power_controls (title, control_type, protocol_type, host, port_number, coils_count, "
        "time_created) VALUES (:type, :type, 'p', 'h', 1, 1, '2026-01-01') RETURNING id"
    )
    rows = "SELECT id, control_type, coils_count FROM power_controls ORDER BY id"
    migrate(empty, "upgrade", "0003")
    with empty.transaction() as session:
        for kind in ("SupermicroRackDevice", "RedfishDevice", "deleted"):
            session.execute(text(control), {"type": kind})
        session.execute(
            text(
                "INSERT INTO nodes (id, active, condition, is_reserved, is_controller, created_at) "
                "VALUES (1, true, 0, false, false, '2026-01-01')"
            )
        )
        session.execute(text("INSERT INTO node_controls VALUES (1, 1, '1', true, false, null, null)"))
        session.execute(text("DELETE FROM power_controls WHERE title = 'deleted'"))
    migrate(empty, "upgrade", "0004")
    with empty.transaction() as session:
        assert [tuple(row) for row in session.execute(text(rows))] == [
            (1, "SupermicroRackDevice", 1),
            (2, "RedfishDevice", 0),
        ]
        assert list(session.scalars(select(PowerControl.options))) == [{}, {}]
        assert session.scalar(text("SELECT power_control_id FROM node_controls")) == 1
        assert session.scalar(text(control), {"type": "ET7067"}) == 4
    migrate(empty, "downgrade", "0003")
    assert "options" not in {column["name"] for column in inspect(empty.engine).get_columns("power_controls")}
    with empty.transaction() as session:
        assert [tuple(row)[2] for row in session.execute(text(rows))] == [1, 1, 1]
        assert session.scalar(text(control), {"type": "ET7067"}) == 5


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
