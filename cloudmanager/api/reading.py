"""Reading many rows fast: Core selects with a cursor, nested lists merged in by key, JSON in chunks.

The number of statements does not depend on the number of rows, and never more than a chunk is in memory.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, select

from cloudmanager.api.answers import dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from sqlalchemy import BindParameter, ColumnElement, Row, Select
    from sqlalchemy.orm import InstrumentedAttribute, Session

    from cloudmanager.api.query import Window

    AnySelect = Select[*tuple[Any, ...]]

CHUNK = 100
"""Objects that are read and written at once: a piece of JSON beyond 128 KiB costs new memory every time."""


@dataclass(frozen=True)
class Nested:
    """A list within each object. The first column of `statement` is `parent`, the key of that object."""

    statement: AnySelect
    parent: InstrumentedAttribute[Any]
    order: InstrumentedAttribute[Any]
    present: Callable[[Any], Any]


@dataclass(frozen=True)
class Source:
    """What is read: the first column of `statement` is `key`, in the order of which `nested` is merged in.

    `present` gets a row and one list per nested, and answers what becomes JSON.
    """

    statement: AnySelect
    key: InstrumentedAttribute[Any]
    present: Callable[..., dict[str, Any]]
    nested: tuple[Nested, ...] = ()

    def objects(self, session: Session, window: Window) -> Iterator[dict[str, Any]]:
        """The objects in the window, one by one."""
        rows = _fetch(session, _windowed(self.statement, self.key, window))
        if not self.nested:
            return map(self.present, rows)
        takes = [
            _grouped(_fetch(session, self._within(nested, window)), nested.present) for nested in self.nested
        ]
        if len(takes) == 1:
            present, take = self.present, takes[0]
            return (present(row, take(row[0])) for row in rows)
        return (self.present(row, *[take(row[0]) for take in takes]) for row in rows)

    def one(self, session: Session, key: int, where: Sequence[ColumnElement[bool]]) -> dict[str, Any] | None:
        """The object with this key, or None; by statements that are built once."""
        connection, values = session.connection(), {"key": key}
        statement, *of_nested = self._by_key
        row = connection.execute(statement.where(*where) if where else statement, values).one_or_none()
        if row is None:
            return None
        lists = (
            list(map(nested.present, connection.execute(each, values)))
            for nested, each in zip(self.nested, of_nested, strict=True)
        )
        return self.present(row, *lists)

    @cached_property
    def _by_key(self) -> list[AnySelect]:
        """The statements for one object: of itself, then of each nested list."""
        key: BindParameter[int] = bindparam("key")
        return [
            self.statement.where(self.key == key),
            *(each.statement.where(each.parent == key).order_by(each.order) for each in self.nested),
        ]

    def count(self, session: Session, window: Window) -> int:
        """How many objects there are in the window."""
        if window.offset or window.limit is not None:
            page = _windowed(select(self.key), self.key, window).subquery()
            return session.scalar(select(func.count()).select_from(page)) or 0
        return session.scalar(select(func.count(self.key)).where(*window.where)) or 0

    def _within(self, nested: Nested, window: Window) -> AnySelect:
        """The nested rows of the objects in the window, in the same order as the objects."""
        paged = window.offset > 0 or window.limit is not None
        if not (paged or window.where or window.sort is not None or window.descending):
            return nested.statement.order_by(nested.parent, nested.order)
        sort = self.key if window.sort is None else window.sort
        page = select(self.key.label("key"), sort.label("sort")).where(*window.where)
        if paged:
            page = _windowed(page, self.key, window)
        rows = page.subquery()
        order = _order(rows.c.sort, rows.c.key, descending=window.descending)
        return nested.statement.join(rows, rows.c.key == nested.parent).order_by(*order, nested.order)


def json_chunks(objects: Iterator[dict[str, Any]], key: str) -> Generator[bytes]:
    """{key: [objects]} in pieces of a hundred objects; what fits into one piece is one piece."""
    start = b'{"%s":[' % key.encode()
    chunk = list(islice(objects, CHUNK))
    while following := list(islice(objects, CHUNK)) if len(chunk) == CHUNK else []:
        yield start + dumps(chunk)[1:-1]
        start = b","
        chunk = following
    yield start + dumps(chunk)[1:-1] + b"]}"


def _fetch(session: Session, statement: AnySelect) -> Generator[Row[Any]]:
    """Rows by a server-side cursor, from the connection itself: a session would load them once more.

    They come in parts, because fetching each by itself takes twice as long.
    """
    result = session.connection().execute(statement, execution_options={"yield_per": CHUNK})
    with closing(result):  # also when the reader breaks off: a cursor stays on PostgreSQL's server
        for rows in result.partitions():
            yield from rows


def _windowed(statement: AnySelect, key: InstrumentedAttribute[Any], window: Window) -> AnySelect:
    sort = key if window.sort is None else window.sort
    statement = statement.where(*window.where).order_by(*_order(sort, key, descending=window.descending))
    if window.offset:
        statement = statement.offset(window.offset)
    return statement if window.limit is None else statement.limit(window.limit)


def _order(sort: Any, key: Any, *, descending: bool) -> Sequence[ColumnElement[Any]]:
    columns = [sort] if sort is key else [sort, key]
    return [column.desc() if descending else column.asc() for column in columns]


def _grouped(rows: Iterator[Row[Any]], present: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    """What takes the rows of one key after another; the keys are asked for in the order of the rows."""
    pending = next(rows, None)

    def take(key: Any) -> list[Any]:
        nonlocal pending
        taken = []
        while pending is not None and pending[0] == key:
            taken.append(present(pending))
            pending = next(rows, None)
        return taken

    return take
