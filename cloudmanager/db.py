"""The database: one engine per process, one transaction per piece of work.

On SQLite a transaction that writes takes the write lock at its start (BEGIN IMMEDIATE), so that it waits for
another writer instead of failing in its middle. On PostgreSQL a reader sees one state (REPEATABLE READ), as
on SQLite, and may not write; no wait is endless.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from cloudmanager.errors import Misconfigured
from cloudmanager.shared_clock import SharedClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloudmanager.config import Config

_AFTER_COMMIT = "after_commit"
_POSTGRESQL_ARGUMENTS = {
    "connect_timeout": 10,
    "keepalives_idle": 30,  # a server that vanished without a word is noticed within a minute
    "keepalives_interval": 10,
    "keepalives_count": 3,
}

_SQLITE_TRANSACTIONS: tuple[dict[str, Any], dict[str, Any]] = ({"begin": "BEGIN IMMEDIATE"}, {})
_POSTGRESQL_TRANSACTIONS: tuple[dict[str, Any], dict[str, Any]] = (
    {},
    {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
)
"""Options of transactions that write, and of those that read."""


class Database:
    """The engine and the two ways to use it: `transaction()` to write, `reading()` to read."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        busy_timeout: float = 15.0,
        statement_timeout: float = 60.0,
        sqlite_synchronous: str = "FULL",
    ) -> None:
        try:
            is_sqlite = make_url(url).get_backend_name() == "sqlite"
            self.engine = create_engine(
                url,
                hide_parameters=True,  # a bound value may be a secret, and errors are logged
                pool_size=pool_size,
                max_overflow=2 * pool_size,
                connect_args={"timeout": busy_timeout} if is_sqlite else _POSTGRESQL_ARGUMENTS,
                pool_pre_ping=not is_sqlite,
            )
        except (ArgumentError, ImportError) as error:
            raise Misconfigured(f"[database] connection: {error}") from None
        if is_sqlite:
            _prepare_sqlite(self.engine, sqlite_synchronous)
        else:
            _prepare_postgresql(self.engine, busy_timeout, statement_timeout)
        to_write, to_read = _SQLITE_TRANSACTIONS if is_sqlite else _POSTGRESQL_TRANSACTIONS
        self._writer = sessionmaker(self.engine.execution_options(**to_write), expire_on_commit=False)
        self._reader = sessionmaker(self.engine.execution_options(**to_read), expire_on_commit=False)
        self.now: Callable[[], float] = time.time if is_sqlite else SharedClock(self._servers_time).now
        """Seconds since the epoch for what processes agree on: PostgreSQL's clock, or SQLite's machine's."""

    @classmethod
    def from_config(cls, config: Config) -> Database:
        """The database that `[database]` describes."""
        options = config.database
        return cls(
            options.connection,
            pool_size=options.pool_size,
            busy_timeout=options.busy_timeout,
            statement_timeout=options.statement_timeout,
            sqlite_synchronous=options.sqlite_synchronous,
        )

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """All or nothing: commit at the end, roll back on any exception; then run what awaits the commit."""
        with self._writer() as session:
            with session.begin():
                yield session
            for callback in session.info.pop(_AFTER_COMMIT, []):
                callback()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A consistent view; nothing is written and no writer is held up."""
        with self._reader() as session:
            yield session

    def ping(self) -> None:
        """Raise an SQLAlchemy error when the database does not answer."""
        with self.reading() as session:
            session.execute(text("SELECT 1"))

    def _servers_time(self) -> float:
        with self.reading() as session:
            return float(session.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def after_commit(session: Session, callback: Callable[[], None]) -> None:
    """Run `callback` once the transaction has been committed; never when it is rolled back."""
    session.info.setdefault(_AFTER_COMMIT, []).append(callback)


def insert_or_ignore(session: Session, table: type[Any]) -> Any:
    """An INSERT that leaves out rows which break a unique index; RETURNING tells which went in."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()


def is_passing(error: DBAPIError) -> bool:
    """Whether trying again may help (a locked or restarting database): not a mistake in the statement."""
    return error.connection_invalidated or type(error).__name__ == "OperationalError"


def _prepare_sqlite(engine: Engine, synchronous: str) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN comes too late and is never IMMEDIATE
        for pragma in ("journal_mode=WAL", f"synchronous={synchronous}", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.create_function(
            "casefold", 1, lambda value: value.casefold() if value else value, deterministic=True
        )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


def _prepare_postgresql(engine: Engine, lock_timeout: float, statement_timeout: float) -> None:
    settings = {
        "lock_timeout": lock_timeout,
        "statement_timeout": statement_timeout,
        "idle_in_transaction_session_timeout": statement_timeout,  # of a process that hangs and holds locks
    }
    statement = "; ".join(f"SET {name} = {round(1000 * seconds)}" for name, seconds in settings.items())

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.execute(statement)
        connection.commit()
