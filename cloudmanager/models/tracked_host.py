"""Tracked hosts: those that were seen down, and what was made of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from cloudmanager.models.base import Base


class TrackedHost(Base):
    """What must outlive the process that decides on a host. Times are seconds since the epoch.

    `down_count` is how often in a row it was seen down while nothing explained it, `checks` how often none of
    its storages could be read, `alarm` the gate whose refusal was told last, `decision_id` the task that was
    started for this outage.
    """

    __tablename__ = "tracked_hosts"

    host: Mapped[str] = mapped_column(String(255), primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    seen_at: Mapped[float]
    down_since: Mapped[float | None]
    down_count: Mapped[int] = mapped_column(default=0)
    checks: Mapped[int] = mapped_column(default=0)
    next_check_at: Mapped[float] = mapped_column(default=0.0)
    announced: Mapped[bool] = mapped_column(default=False)
    alarm: Mapped[str | None] = mapped_column(String(64))
    verdict: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    decision_id: Mapped[str | None] = mapped_column(String(36), index=True)
    decided_at: Mapped[float | None]
