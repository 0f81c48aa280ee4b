"""Classes of nodes and the types within a class."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from cloudmanager.models.base import NEVER_AGAIN, Base


class NodeClass(Base):
    """What a node is for: hypervisor, storage host, …; exactly one class is the default."""

    __tablename__ = "node_classes"
    __table_args__ = (
        Index(
            "ix_node_classes_one_default",
            "is_default",
            unique=True,
            sqlite_where=text("is_default"),
            postgresql_where=text("is_default"),
        ),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    is_default: Mapped[bool] = mapped_column(default=False)
    node_types: Mapped[list[NodeType]] = relationship(
        order_by="NodeType.id", cascade="all, delete-orphan", passive_deletes=True
    )


class NodeType(Base):
    """A kind within a class (KVM, Xen, …); the type named "" is the class's unspecified one."""

    __tablename__ = "node_types"
    __table_args__ = (UniqueConstraint("node_class_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    node_class_id: Mapped[int] = mapped_column(ForeignKey("node_classes.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(255))
