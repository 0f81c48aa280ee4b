"""Loans of spare nodes: which one stands in for which lost host, and what is to be restored."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from cloudmanager.models.base import NEVER_AGAIN, Base, utc_now


class LoanState(enum.StrEnum):
    """How a loan stands; one that is LENDING or LENT is open."""

    LENDING = "lending"
    LENT = "lent"
    RETURNED = "returned"
    FAILED = "failed"
    KEPT = "kept"
    """Somebody took the node out of reserve meanwhile: it is a host like any other now."""


class SpareLoan(Base):
    """A spare that was asked for. `host` is the spare's, `lost_host` the one for which it stands in.

    `found` is what it was like before (`power`, `enabled`, `reason`), `aggregates` are the ids of those
    that it joined for the loan. A node or a task may be forgotten before it: neither is a foreign key.
    """

    __tablename__ = "spare_loans"
    __table_args__ = (
        Index(
            "ix_spare_loans_one_open_per_host",
            "host",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    node_id: Mapped[int]
    lost_host: Mapped[str] = mapped_column(String(255), index=True)
    state: Mapped[str] = mapped_column(String(16), default=LoanState.LENDING)
    found: Mapped[dict[str, Any]] = mapped_column(JSON)
    aggregates: Mapped[list[int]] = mapped_column(JSON, default=list)
    task_id: Mapped[str] = mapped_column(String(36), unique=True)
    message: Mapped[str | None] = mapped_column(Text)
    began_at: Mapped[datetime] = mapped_column(default=utc_now)
    ended_at: Mapped[datetime | None]
