"""Power controls: devices that can switch power, and which node hangs on which of their ports."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from cloudmanager.models.base import NEVER_AGAIN, Base, utc_now


class PowerControl(Base):
    """A device that can switch power. `sealed_*` are encrypted and never leave the daemon.

    `options` are those that somebody has set, see `cloudmanager.drivers.options`; `coils_count` 0: not known.
    """

    __tablename__ = "power_controls"
    __table_args__ = (CheckConstraint("port_number BETWEEN 1 AND 65535", name="port_number"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(255))
    control_type: Mapped[str] = mapped_column(String(64))
    protocol_type: Mapped[str] = mapped_column(String(32))
    host: Mapped[str] = mapped_column(String(255))
    port_number: Mapped[int]
    login: Mapped[str | None] = mapped_column(String(255))
    sealed_password: Mapped[str | None] = mapped_column(Text)
    sealed_pending_password: Mapped[str | None] = mapped_column(Text)
    """What the password is being changed to: the device has one of them (`flows.rotate_password`)."""
    sealed_ssh_key: Mapped[str | None] = mapped_column(Text)
    options: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default=text("'{}'"))
    coils_count: Mapped[int]
    time_created: Mapped[datetime] = mapped_column(default=utc_now)
    time_updated: Mapped[datetime | None]


class NodeControl(Base):
    """A node plugged into one port (coil) of a power control."""

    __tablename__ = "node_controls"
    __table_args__ = (
        UniqueConstraint("power_control_id", "power_control_port"),
        Index(
            "ix_node_controls_one_default",
            "node_id",
            unique=True,
            sqlite_where=text("is_default"),
            postgresql_where=text("is_default"),
        ),
        CheckConstraint("power_state IN ('power_on', 'power_off')", name="power_state"),
    )

    node_id: Mapped[int] = mapped_column(ForeignKey("nodes.id", ondelete="CASCADE"), primary_key=True)
    power_control_id: Mapped[int] = mapped_column(ForeignKey("power_controls.id"), primary_key=True)
    power_control_port: Mapped[str] = mapped_column(String(255))
    is_default: Mapped[bool] = mapped_column(default=False)
    is_initialized: Mapped[bool] = mapped_column(default=False)
    power_state: Mapped[str | None] = mapped_column(String(16))
    power_state_checked_at: Mapped[datetime | None]
