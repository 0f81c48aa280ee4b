"""Audits of the balancer: what was seen of an aggregate, the plan for it, and what became of that."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloudmanager.models.base import NEVER_AGAIN, Base, utc_now


class AuditStatus(enum.StrEnum):
    """How far an audit is. A plan is there since DONE; nothing more happens after the last three."""

    NEW = "NEW"
    RUNNING = "RUNNING"
    DONE = "DONE"
    APPLYING = "APPLYING"
    APPLIED = "APPLIED"
    FAILED = "FAILED"
    STALE = "STALE"


class Audit(Base):
    """One audit of an aggregate. `params`, `plan` and `outcomes` (along its moves) are in the API's words.

    `snapshot` is what the plan was made of, packed. `planned_at` and `scheduled_for` are seconds since the
    epoch. `task_id` is that of its newest flow, and no foreign key: an audit is remembered longer than flows.
    """

    __tablename__ = "audits"
    __table_args__ = (UniqueConstraint("aggregate_id", "scheduled_for"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(primary_key=True)
    aggregate_id: Mapped[int] = mapped_column(index=True)
    aggregate_name: Mapped[str] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(16))
    message: Mapped[str | None] = mapped_column(Text)
    mode: Mapped[str] = mapped_column(String(16))
    params: Mapped[dict[str, Any]] = mapped_column(JSON)
    auto_apply: Mapped[bool] = mapped_column(default=False)
    requested_by: Mapped[str | None] = mapped_column(String(255))
    task_id: Mapped[str | None] = mapped_column(String(36), index=True)
    moves: Mapped[int | None]
    gigabytes: Mapped[float | None]
    plan: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    outcomes: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    snapshot: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    planned_at: Mapped[float | None]
    scheduled_for: Mapped[float | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None] = mapped_column(index=True)
