"""What all tables share: the metadata with constraint names, and the way times are kept."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """Constraint names are fixed, so that migrations can name them on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


NEVER_AGAIN = {"sqlite_autoincrement": True}
"""Table option: the id of a deleted row is not given to a new one, because somebody may remember it."""


def utc_now() -> datetime:
    """Now in UTC, without zone, in whole seconds: the form in which times are stored and answered."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)
