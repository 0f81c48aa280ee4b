"""Power actions: who switched which node when, and what came of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cloudmanager.models.base import Base, utc_now


class PowerAction(Base):
    """One power action on a node; `result` is None while it runs, then the status of its task."""

    __tablename__ = "power_actions"

    id: Mapped[int] = mapped_column(primary_key=True)
    action: Mapped[str] = mapped_column(String(32))
    node_id: Mapped[int] = mapped_column(ForeignKey("nodes.id", ondelete="CASCADE"), index=True)
    user_name: Mapped[str | None] = mapped_column(String(255))
    start_time: Mapped[datetime] = mapped_column(default=utc_now)
    end_time: Mapped[datetime | None]
    result: Mapped[str | None] = mapped_column(String(16))
    error: Mapped[str | None] = mapped_column(Text)
    task_id: Mapped[str | None] = mapped_column(String(36), index=True)
