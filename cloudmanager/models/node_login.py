"""How the daemon gets into the operating system of one node, where that is not as configured."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cloudmanager.models.base import Base


class NodeLogin(Base):
    """What is empty is as `[host]` says. `host_key` may be one that was pinned at the first contact."""

    __tablename__ = "node_logins"

    node_id: Mapped[int] = mapped_column(ForeignKey("nodes.id", ondelete="CASCADE"), primary_key=True)
    login: Mapped[str | None] = mapped_column(String(255))
    port_number: Mapped[int | None]
    sealed_password: Mapped[str | None] = mapped_column(Text)
    sealed_ssh_key: Mapped[str | None] = mapped_column(Text)
    host_key: Mapped[str | None] = mapped_column(Text)
    sudo: Mapped[bool | None]
    updated_at: Mapped[datetime | None]
