"""Signatures of servers, the keys that they are made with, and the nodes whose servers are guarded."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cloudmanager.models.base import NEVER_AGAIN, Base, utc_now


class Validity(enum.StrEnum):
    """What is known of a signed server. Unknown is not valid."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


class Signature(Base):
    """What a server was on its node when it was signed (`baseline`; None: never), and what it is now.

    All of it but `signature` is signed, with the key `key_id`. `reason` says why it is not valid.
    `locked_for` is the node for whose sake it was locked; whether that lock is still ours, Nova tells.
    """

    __tablename__ = "signatures"
    __table_args__ = NEVER_AGAIN

    id: Mapped[int] = mapped_column(primary_key=True)
    server_id: Mapped[str] = mapped_column(String(36), unique=True)
    instance_name: Mapped[str | None] = mapped_column(String(255))
    node_id: Mapped[int] = mapped_column(ForeignKey("nodes.id", ondelete="CASCADE"), index=True)
    is_valid: Mapped[str] = mapped_column(String(7))
    reason: Mapped[str | None] = mapped_column(Text)
    baseline: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    locked_for: Mapped[int | None] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime | None]
    key_id: Mapped[str] = mapped_column(String(32))
    signature: Mapped[str] = mapped_column(String(128))


class SigningKey(Base):
    """An Ed25519 key, sealed: the private one while it is the current key, then only the public one.

    Its id is the beginning of the SHA-256 digest of the public key. `is_current` is true for one, else None.
    """

    __tablename__ = "signing_keys"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    sealed: Mapped[str] = mapped_column(Text)
    is_current: Mapped[bool | None] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    retired_at: Mapped[datetime | None]


class GuardedNode(Base):
    """A node whose servers are locked and verified. `checked_at` is the end of the last round."""

    __tablename__ = "guarded_nodes"

    node_id: Mapped[int] = mapped_column(ForeignKey("nodes.id"), primary_key=True, autoincrement=False)
    host: Mapped[str] = mapped_column(String(255))
    activated_at: Mapped[datetime] = mapped_column(default=utc_now)
    activated_by: Mapped[str | None] = mapped_column(String(255))
    checked_at: Mapped[datetime | None]
