"""Maintenance windows, and what became of each of their openings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloudmanager.models.base import NEVER_AGAIN, Base, utc_now


class MaintenanceWindow(Base):
    """When what is done to which hosts. `hosts`, `schedule` and `blockers` are in the API's words.

    `length` in seconds.
    """

    __tablename__ = "maintenance_windows"
    __table_args__ = NEVER_AGAIN

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    enabled: Mapped[bool] = mapped_column(default=True)
    action: Mapped[str] = mapped_column(String(64))
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON)
    hosts: Mapped[dict[str, Any]] = mapped_column(JSON)
    schedule: Mapped[dict[str, Any]] = mapped_column(JSON)
    length: Mapped[int]
    batch: Mapped[int]
    stop_after_failures: Mapped[int]
    blockers: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime | None] = mapped_column(onupdate=utc_now)


class MaintenanceRun(Base):
    """One opening of a window: there is never a second one of the same time. `hosts` as its flow tells them.

    `task_id` is no foreign key: a run is remembered longer than its flow.
    """

    __tablename__ = "maintenance_runs"
    __table_args__ = (UniqueConstraint("window_id", "opens_at"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(primary_key=True)
    window_id: Mapped[int] = mapped_column(ForeignKey("maintenance_windows.id", ondelete="CASCADE"))
    opens_at: Mapped[datetime]
    closes_at: Mapped[datetime]
    task_id: Mapped[str | None] = mapped_column(String(36), index=True)
    begun_at: Mapped[datetime] = mapped_column(default=utc_now)
    ended_at: Mapped[datetime | None] = mapped_column(index=True)
    status: Mapped[str] = mapped_column(String(16))
    message: Mapped[str | None] = mapped_column(Text)
    hosts: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
