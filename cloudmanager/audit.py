"""The audit log as rows: writing one, reading all, deleting old ones. What goes in is the API's business."""

from __future__ import annotations

import csv
import io
import itertools
from typing import TYPE_CHECKING, Any, cast

import orjson
from sqlalchemy import delete, insert, select

from cloudmanager.models import AuditRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from sqlalchemy import Table

    from cloudmanager.db import Database

CHUNK = 500
FORMATS = ("jsonl", "csv")
_TABLE = cast("Table", AuditRecord.__table__)


def write(database: Database, record: Mapping[str, Any]) -> None:
    """Add a record, in a transaction of its own."""
    with database.transaction() as session:
        session.execute(insert(_TABLE), [record])


def prune(database: Database, before: datetime) -> int:
    """Delete what is older; answers how many. The database itself refuses to delete recent records."""
    with database.transaction() as session:
        gone = session.execute(delete(_TABLE).where(_TABLE.c.time < before).returning(_TABLE.c.id))
        return len(gone.all())


def export(database: Database, form: str, since: datetime | None, until: datetime | None) -> Iterator[str]:
    """The records from `since` up to `until`, the oldest first, as text in chunks; CSV has a head."""
    names = [column.name for column in _TABLE.columns]
    if form == "csv":
        yield _as_csv([names])
    rows = _rows(database, since, until)
    while chunk := list(itertools.islice(rows, CHUNK)):
        if form == "csv":
            yield _as_csv(chunk)
        else:
            yield "".join(f"{orjson.dumps(dict(zip(names, row, strict=True))).decode()}\n" for row in chunk)


def _rows(database: Database, since: datetime | None, until: datetime | None) -> Iterator[Any]:
    query = select(_TABLE).order_by(_TABLE.c.id)
    if since is not None:
        query = query.where(_TABLE.c.time >= since)
    if until is not None:
        query = query.where(_TABLE.c.time < until)
    with database.reading() as session:
        for row in session.connection().execute(query, execution_options={"yield_per": CHUNK}):
            yield tuple(row)


def _as_csv(rows: list[Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow([value.isoformat() if hasattr(value, "isoformat") else value for value in row])
    return text.getvalue()
