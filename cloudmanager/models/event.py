"""Events: what happened in the data centre without anybody asking for it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Text, false, text
from sqlalchemy.orm import Mapped, mapped_column

from cloudmanager.models.base import Base, utc_now


class Event(Base):
    """Something that was noticed: `kind` is a constant, `subject` what it is about (`node:7`).

    Until it is `relayed` nothing has been queued for webhooks.
    """

    __tablename__ = "events"
    __table_args__ = (
        Index(
            "ix_events_to_relay",
            "id",
            sqlite_where=text("relayed = 0"),
            postgresql_where=text("NOT relayed"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    time: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    kind: Mapped[str] = mapped_column(String(64), index=True)
    subject: Mapped[str] = mapped_column(String(255), index=True)
    message: Mapped[str] = mapped_column(Text)
    relayed: Mapped[bool] = mapped_column(default=False, server_default=false())
