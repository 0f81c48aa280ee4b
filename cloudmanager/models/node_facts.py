"""What was last collected from the operating systems of nodes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from cloudmanager.models.base import Base


class NodeFacts(Base):
    """`hwinfo` and `nas` are those of the last success, `tried_at` and `error` tell of the last attempt.

    `nas` is {name of the storage host, else its address: [names of targets]}.
    """

    __tablename__ = "node_facts"

    node_id: Mapped[int] = mapped_column(ForeignKey("nodes.id", ondelete="CASCADE"), primary_key=True)
    hwinfo: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    nas: Mapped[dict[str, list[str]] | None] = mapped_column(JSON(none_as_null=True))
    collected_at: Mapped[datetime | None]
    tried_at: Mapped[datetime]
    error: Mapped[str | None] = mapped_column(Text)
