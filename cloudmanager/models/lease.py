"""Leases: which process does what only one may do."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from cloudmanager.models.base import Base


class Lease(Base):
    """`holder` has `name` until `until` (seconds since the epoch), unless it renews."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    holder: Mapped[str] = mapped_column(String(255))
    until: Mapped[float]
