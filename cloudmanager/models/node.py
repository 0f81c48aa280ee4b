"""Nodes: physical machines."""

from __future__ import annotations

import string
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.functions import FunctionElement

from cloudmanager.models.base import NEVER_AGAIN, Base, utc_now

SMALL_NUMBERS = ("dtc_number", "row_number", "rack_number", "unit_number", "cpu_amount")
"""Columns that take 1..99."""

CONDITIONS = range(5)
"""0 out of service, 1 enabled, 2 disabled, 3 alarm, 4 reserved: set by the operator, not measured."""


class Node(Base):
    """A physical machine. `power_state` is what was last observed; None is unknown, which is not off.

    `dcc` (dynamic component configuration): whether we may write configuration of its components.
    Names are host names: two that differ only in the case of ASCII letters are one name, as in DNS.
    """

    __tablename__ = "nodes"
    __table_args__ = (
        *(CheckConstraint(f"{name} BETWEEN 1 AND 99", name=name) for name in SMALL_NUMBERS),
        CheckConstraint("condition BETWEEN 0 AND 4", name="condition"),
        CheckConstraint("power_state IN ('power_on', 'power_off')", name="power_state"),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(255), unique=True)
    title: Mapped[str | None] = mapped_column(String(255))
    description: Mapped[str | None] = mapped_column(Text)
    owner: Mapped[str | None] = mapped_column(String(255))
    active: Mapped[bool] = mapped_column(default=True)
    condition: Mapped[int] = mapped_column(default=0)
    is_reserved: Mapped[bool] = mapped_column(default=False)
    is_controller: Mapped[bool] = mapped_column(default=False)
    inventory_code: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    dcc: Mapped[bool] = mapped_column(default=True, server_default=true())

    node_class_id: Mapped[int | None] = mapped_column(ForeignKey("node_classes.id"), index=True)
    node_type_id: Mapped[int | None] = mapped_column(ForeignKey("node_types.id"), index=True)
    image_id: Mapped[int | None] = mapped_column(ForeignKey("node_images.id"), index=True)

    hypervisor_id: Mapped[str | None] = mapped_column(String(255), index=True)
    controller_id: Mapped[str | None] = mapped_column(String(255))
    controller_type: Mapped[str | None] = mapped_column(String(255))
    cpu_allocation_ratio: Mapped[float | None]
    ram_allocation_ratio: Mapped[float | None]

    dtc_number: Mapped[int | None]
    row_number: Mapped[int | None]
    rack_number: Mapped[int | None]
    unit_number: Mapped[int | None]
    cpu_amount: Mapped[int | None]
    ram_mb: Mapped[int | None]
    hdd_gb: Mapped[int | None]

    mac_address: Mapped[str | None] = mapped_column(Text)
    ip_addresses: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    node_metadata: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    power_state: Mapped[str | None] = mapped_column(String(16))
    power_state_checked_at: Mapped[datetime | None]


_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def folded(name: str) -> str:
    """A name as names of nodes are compared."""
    return name.translate(_LOWER)


class without_case(FunctionElement[str]):  # noqa: N801  # it stands in expressions like a function
    """What `folded` does, in the database."""

    type = String()
    inherit_cache = True


@compiles(without_case)
def _lower(element: Any, compiler: Any, **options: Any) -> str:
    return f"lower({compiler.process(element.clauses, **options)})"  # SQLite knows the case of ASCII only


@compiles(without_case, "postgresql")
def _lower_ascii(element: Any, compiler: Any, **options: Any) -> str:
    return f'lower({compiler.process(element.clauses, **options)}::text COLLATE "C")'


Index("ix_nodes_name_without_case", without_case(Node.name), unique=True)
