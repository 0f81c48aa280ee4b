"""Which node writes into which availability storage."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from cloudmanager.models.base import Base


class NodeAvailabilityStorage(Base):
    """A node that shows in this storage that it is alive. The API refuses to delete a storage in use."""

    __tablename__ = "node_availability_storages"

    node_id: Mapped[int] = mapped_column(ForeignKey("nodes.id", ondelete="CASCADE"), primary_key=True)
    availability_storage_id: Mapped[int] = mapped_column(
        ForeignKey("availability_storages.id", ondelete="CASCADE"), primary_key=True, index=True
    )
