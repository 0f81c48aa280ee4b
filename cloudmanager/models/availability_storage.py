"""Availability storages: shared directories in which nodes show that they are alive."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cloudmanager.models.base import NEVER_AGAIN, Base, utc_now


class AvailabilityStorage(Base):
    """A directory that nodes see at `compute_path` and this daemon at `controller_path`."""

    __tablename__ = "availability_storages"
    __table_args__ = NEVER_AGAIN

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    compute_path: Mapped[str] = mapped_column(Text)
    controller_path: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime | None] = mapped_column(onupdate=utc_now)
