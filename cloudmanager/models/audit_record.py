"""The audit log: who did what to what, and what came of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cloudmanager.models.base import Base, utc_now


class AuditRecord(Base):
    """One request. Append-only: triggers refuse UPDATE, and DELETE of what is younger than 30 days.

    An age is easier to trust than a switch that the prune turns off: nobody who gets at the daemon's account
    can delete recent traces, and the prune needs no right of its own.
    """

    __tablename__ = "audit_log"
    __table_args__ = (CheckConstraint("outcome IN ('success', 'refused', 'failed')", name="outcome"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    time: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    request_id: Mapped[str] = mapped_column(String(64))
    user_name: Mapped[str | None] = mapped_column(String(255), index=True)
    user_id: Mapped[str | None] = mapped_column(String(255))
    project_id: Mapped[str | None] = mapped_column(String(255))
    roles: Mapped[str | None] = mapped_column(Text)
    address: Mapped[str | None] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(255))
    method: Mapped[str] = mapped_column(String(16))
    path: Mapped[str] = mapped_column(Text)
    subject: Mapped[str | None] = mapped_column(String(255), index=True)
    status: Mapped[int]
    outcome: Mapped[str] = mapped_column(String(16))
    detail: Mapped[str | None] = mapped_column(Text)
