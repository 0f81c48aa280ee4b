"""Idempotency keys: what a request that may be sent again has already been answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cloudmanager.models.base import Base, utc_now


class IdempotencyKey(Base):
    """A request that carried a key. While `status` is NULL, `claim` holds it until `claimed_until`.

    The answer is written in the transaction of the effect, so that there is never one without the other.
    """

    __tablename__ = "idempotency_keys"

    caller: Mapped[str] = mapped_column(String(255), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    method: Mapped[str] = mapped_column(String(16))
    path: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(64))
    claim: Mapped[str] = mapped_column(String(36))
    claimed_until: Mapped[float]
    status: Mapped[int | None]
    headers: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
