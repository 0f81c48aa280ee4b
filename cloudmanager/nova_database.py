"""Nova's own database, for the one thing that Nova has no API for: `instance_system_metadata`.

Rows are written as Nova writes them: a key that goes is deleted outright (Nova marks only the rows of a
server that is deleted), a value that changes stays in its row.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import (
    Column,
    DateTime,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    create_engine,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cloudmanager.db import is_passing
from cloudmanager.errors import CloudNotConfigured, Misconfigured, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import ColumnElement, Connection, Engine

_ROWS = Table(
    "instance_system_metadata",
    MetaData(),
    Column("created_at", DateTime),
    Column("updated_at", DateTime),
    Column("id", Integer, primary_key=True),
    Column("instance_uuid", String(36)),
    Column("key", String(255)),
    Column("value", String(255)),
    Column("deleted", Integer),
)
"""The columns that we read and write; `deleted` is 0, or the row's own id when its server was deleted."""

_SERVES = 5.0
"""Seconds within which a connection must be there."""


class NovaDatabase:
    """Reads and writes system metadata. The database is reached at the first question, not before."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._engine: Engine | None = None

    def check(self) -> None:
        """Raise `CloudNotConfigured` when the configuration names no database."""
        if not self._url:
            raise CloudNotConfigured(
                "system metadata is only in Nova's database: set [nova] database_connection to the address "
                "of the database of Nova's cell"
            )

    def system_metadata(self, server_id: str) -> dict[str, str | None]:
        """What is written of a server; empty when nothing is, whether the server exists or not."""
        query = select(_ROWS.c.key, _ROWS.c.value).where(*_of(server_id)).order_by(_ROWS.c.key)
        with self._transaction() as connection:
            return dict(connection.execute(query).all())

    def merge(self, server_id: str, values: Mapping[str, str]) -> None:
        """Write these keys and leave all others as they are."""
        query = select(_ROWS.c.key).where(*_of(server_id)).with_for_update()
        change = update(_ROWS).where(*_of(server_id), _ROWS.c.key == bindparam("the_key"))
        now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        with self._transaction() as connection:
            known = set(connection.scalars(query))
            for key in sorted(values.keys() & known):
                connection.execute(change.values(value=values[key], updated_at=now), {"the_key": key})
            new = [
                {"created_at": now, "instance_uuid": server_id, "key": key, "value": value, "deleted": 0}
                for key, value in sorted(values.items())
                if key not in known
            ]
            if new:
                connection.execute(insert(_ROWS), new)

    def remove(self, server_id: str, key: str) -> bool:
        """Delete a key; whether it was there."""
        with self._transaction() as connection:
            statement = delete(_ROWS).where(*_of(server_id), _ROWS.c.key == key)
            return connection.execute(statement).rowcount > 0

    def close(self) -> None:
        """Give all connections back."""
        if self._engine is not None:
            self._engine.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """All or nothing. Raises `Unavailable` when the database is away."""
        try:
            with self._opened().begin() as connection:
                yield connection
        except (PoolTimeout, DBAPIError) as error:
            if isinstance(error, DBAPIError) and not is_passing(error):
                raise
            raise Unavailable("Nova's database does not answer now: try again later") from error

    def _opened(self) -> Engine:
        self.check()
        if self._engine is None:
            self._engine = _engine(self._url or "")
        return self._engine


def _engine(url: str) -> Engine:
    try:
        return create_engine(
            url, hide_parameters=True, pool_pre_ping=True, pool_size=2, pool_timeout=_SERVES, pool_recycle=300
        )
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        what = type(error).__name__  # the message may hold the address, with its password
        raise Misconfigured(f"[nova] database_connection is no address of a database: {what}") from None


def _of(server_id: str) -> tuple[ColumnElement[bool], ...]:
    return _ROWS.c.instance_uuid == server_id, _ROWS.c.deleted == 0
