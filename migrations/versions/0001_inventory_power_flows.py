"""Inventory, power, flows."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

DEFAULT_IMAGE = """default local
prompt 0
timeout 30
label local
menu label Boot from the first disk
localboot 0
"""


def upgrade() -> None:
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_tokens_digest")),
        sa.UniqueConstraint("name", name=op.f("uq_api_tokens_name")),
    )
    op.create_table(
        "flows",
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=True),
        sa.Column("parent_id", sa.String(length=36), nullable=True),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("memo", sa.JSON(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("undoing_to", sa.String(length=16), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("wake_at", sa.Double(), nullable=False),
        sa.Column("deadline", sa.Double(), nullable=True),
        sa.Column("lease_number", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.Double(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("requested_by", sa.String(length=255), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=True),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["flows.id"], name=op.f("fk_flows_parent_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_flows")),
        sa.UniqueConstraint("id", name=op.f("uq_flows_id")),
    )
    with op.batch_alter_table("flows", schema=None) as batch_op:
        batch_op.create_index("ix_flows_due", ["ended_at", "wake_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_flows_kind"), ["kind"], unique=False)
        batch_op.create_index(
            "ix_flows_one_open_per_subject",
            ["subject"],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )
        batch_op.create_index(batch_op.f("ix_flows_parent_id"), ["parent_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_flows_subject"), ["subject"], unique=False)

    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("holder", sa.String(length=255), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "node_classes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_node_classes")),
        sa.UniqueConstraint("name", name=op.f("uq_node_classes_name")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("node_classes", schema=None) as batch_op:
        batch_op.create_index(
            "ix_node_classes_one_default",
            ["is_default"],
            unique=True,
            sqlite_where=sa.text("is_default"),
            postgresql_where=sa.text("is_default"),
        )

    op.create_table(
        "node_images",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_name", sa.String(length=255), nullable=False),
        sa.Column("file_data", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_node_images")),
        sa.UniqueConstraint("image_name", name=op.f("uq_node_images_image_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "power_controls",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("control_type", sa.String(length=64), nullable=False),
        sa.Column("protocol_type", sa.String(length=32), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("port_number", sa.Integer(), nullable=False),
        sa.Column("login", sa.String(length=255), nullable=True),
        sa.Column("sealed_password", sa.Text(), nullable=True),
        sa.Column("sealed_ssh_key", sa.Text(), nullable=True),
        sa.Column("coils_count", sa.Integer(), nullable=False),
        sa.Column("time_created", sa.DateTime(), nullable=False),
        sa.Column("time_updated", sa.DateTime(), nullable=True),
        sa.CheckConstraint("port_number BETWEEN 1 AND 65535", name=op.f("ck_power_controls_port_number")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_power_controls")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "flow_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("flow_id", sa.String(length=36), nullable=False),
        sa.Column("time", sa.DateTime(), nullable=False),
        sa.Column("step", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=255), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["flow_id"], ["flows.id"], name=op.f("fk_flow_events_flow_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flow_events")),
    )
    with op.batch_alter_table("flow_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_flow_events_flow_id"), ["flow_id"], unique=False)

    op.create_table(
        "node_types",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("node_class_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["node_class_id"],
            ["node_classes.id"],
            name=op.f("fk_node_types_node_class_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_node_types")),
        sa.UniqueConstraint("node_class_id", "name", name=op.f("uq_node_types_node_class_id_name")),
    )
    with op.batch_alter_table("node_types", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_node_types_node_class_id"), ["node_class_id"], unique=False)

    op.create_table(
        "nodes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("title", sa.String(length=255), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("owner", sa.String(length=255), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("condition", sa.Integer(), nullable=False),
        sa.Column("is_reserved", sa.Boolean(), nullable=False),
        sa.Column("is_controller", sa.Boolean(), nullable=False),
        sa.Column("inventory_code", sa.String(length=255), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("node_class_id", sa.Integer(), nullable=True),
        sa.Column("node_type_id", sa.Integer(), nullable=True),
        sa.Column("image_id", sa.Integer(), nullable=True),
        sa.Column("hypervisor_id", sa.String(length=255), nullable=True),
        sa.Column("controller_id", sa.String(length=255), nullable=True),
        sa.Column("controller_type", sa.String(length=255), nullable=True),
        sa.Column("cpu_allocation_ratio", sa.Double(), nullable=True),
        sa.Column("ram_allocation_ratio", sa.Double(), nullable=True),
        sa.Column("dtc_number", sa.Integer(), nullable=True),
        sa.Column("row_number", sa.Integer(), nullable=True),
        sa.Column("rack_number", sa.Integer(), nullable=True),
        sa.Column("unit_number", sa.Integer(), nullable=True),
        sa.Column("cpu_amount", sa.Integer(), nullable=True),
        sa.Column("ram_mb", sa.Integer(), nullable=True),
        sa.Column("hdd_gb", sa.Integer(), nullable=True),
        sa.Column("mac_address", sa.Text(), nullable=True),
        sa.Column("ip_addresses", sa.JSON(), nullable=True),
        sa.Column("node_metadata", sa.JSON(), nullable=True),
        sa.Column("power_state", sa.String(length=16), nullable=True),
        sa.Column("power_state_checked_at", sa.DateTime(), nullable=True),
        sa.CheckConstraint("power_state IN ('power_on', 'power_off')", name=op.f("ck_nodes_power_state")),
        sa.CheckConstraint("condition BETWEEN 0 AND 4", name=op.f("ck_nodes_condition")),
        sa.CheckConstraint("cpu_amount BETWEEN 1 AND 99", name=op.f("ck_nodes_cpu_amount")),
        sa.CheckConstraint("dtc_number BETWEEN 1 AND 99", name=op.f("ck_nodes_dtc_number")),
        sa.CheckConstraint("rack_number BETWEEN 1 AND 99", name=op.f("ck_nodes_rack_number")),
        sa.CheckConstraint("row_number BETWEEN 1 AND 99", name=op.f("ck_nodes_row_number")),
        sa.CheckConstraint("unit_number BETWEEN 1 AND 99", name=op.f("ck_nodes_unit_number")),
        sa.ForeignKeyConstraint(["image_id"], ["node_images.id"], name=op.f("fk_nodes_image_id")),
        sa.ForeignKeyConstraint(["node_class_id"], ["node_classes.id"], name=op.f("fk_nodes_node_class_id")),
        sa.ForeignKeyConstraint(["node_type_id"], ["node_types.id"], name=op.f("fk_nodes_node_type_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nodes")),
        sa.UniqueConstraint("name", name=op.f("uq_nodes_name")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("nodes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_nodes_hypervisor_id"), ["hypervisor_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_nodes_image_id"), ["image_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_nodes_node_class_id"), ["node_class_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_nodes_node_type_id"), ["node_type_id"], unique=False)

    op.create_table(
        "node_controls",
        sa.Column("node_id", sa.Integer(), nullable=False),
        sa.Column("power_control_id", sa.Integer(), nullable=False),
        sa.Column("power_control_port", sa.String(length=255), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("is_initialized", sa.Boolean(), nullable=False),
        sa.Column("power_state", sa.String(length=16), nullable=True),
        sa.Column("power_state_checked_at", sa.DateTime(), nullable=True),
        sa.CheckConstraint(
            "power_state IN ('power_on', 'power_off')", name=op.f("ck_node_controls_power_state")
        ),
        sa.ForeignKeyConstraint(
            ["node_id"], ["nodes.id"], name=op.f("fk_node_controls_node_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["power_control_id"], ["power_controls.id"], name=op.f("fk_node_controls_power_control_id")
        ),
        sa.PrimaryKeyConstraint("node_id", "power_control_id", name=op.f("pk_node_controls")),
        sa.UniqueConstraint(
            "power_control_id",
            "power_control_port",
            name=op.f("uq_node_controls_power_control_id_power_control_port"),
        ),
    )
    with op.batch_alter_table("node_controls", schema=None) as batch_op:
        batch_op.create_index(
            "ix_node_controls_one_default",
            ["node_id"],
            unique=True,
            sqlite_where=sa.text("is_default"),
            postgresql_where=sa.text("is_default"),
        )

    op.create_table(
        "power_actions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("node_id", sa.Integer(), nullable=False),
        sa.Column("user_name", sa.String(length=255), nullable=True),
        sa.Column("start_time", sa.DateTime(), nullable=False),
        sa.Column("end_time", sa.DateTime(), nullable=True),
        sa.Column("result", sa.String(length=16), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("task_id", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(
            ["node_id"], ["nodes.id"], name=op.f("fk_power_actions_node_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_power_actions")),
    )
    with op.batch_alter_table("power_actions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_power_actions_node_id"), ["node_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_power_actions_task_id"), ["task_id"], unique=False)
    _load_first_data()


CLASSES = {
    "hypervisor": ("", "QEMU", "KVM", "Docker", "Xen", "VMware", "HyperV"),
    "Storage host": ("", "Ceph", "mdraid", "bcashed", "GlusterFS", "Sheepdog"),
    "Network host": ("", "Network node", "Commutator", "Router"),
    "Server": ("", "Controller node", "PXE", "DHCP", "DNS", "NTP"),
}
DEFAULT_CLASS = "hypervisor"


def _load_first_data() -> None:
    """The classes and types that a new installation knows, with fixed ids, and the PXE image `default`."""
    classes = sa.table("node_classes", sa.column("id"), sa.column("name"), sa.column("is_default"))
    types = sa.table("node_types", sa.column("id"), sa.column("node_class_id"), sa.column("name"))
    images = sa.table(
        "node_images",
        sa.column("id"),
        sa.column("image_name"),
        sa.column("file_data"),
        sa.column("created_at", sa.DateTime()),
    )
    op.bulk_insert(
        classes,
        [
            {"id": number, "name": name, "is_default": name == DEFAULT_CLASS}
            for number, name in enumerate(CLASSES, start=1)
        ],
    )
    named = [(number, name) for number, names in enumerate(CLASSES.values(), start=1) for name in names]
    op.bulk_insert(
        types,
        [
            {"id": number, "node_class_id": owner, "name": name}
            for number, (owner, name) in enumerate(named, start=1)
        ],
    )
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    op.bulk_insert(
        images, [{"id": 1, "image_name": "default", "file_data": DEFAULT_IMAGE, "created_at": now}]
    )
    if op.get_bind().dialect.name == "postgresql":
        for table, count in (("node_classes", len(CLASSES)), ("node_types", len(named)), ("node_images", 1)):
            op.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {count})")


def downgrade() -> None:
    with op.batch_alter_table("power_actions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_power_actions_task_id"))
        batch_op.drop_index(batch_op.f("ix_power_actions_node_id"))

    op.drop_table("power_actions")
    with op.batch_alter_table("node_controls", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_node_controls_one_default",
            sqlite_where=sa.text("is_default"),
            postgresql_where=sa.text("is_default"),
        )

    op.drop_table("node_controls")
    with op.batch_alter_table("nodes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_nodes_node_type_id"))
        batch_op.drop_index(batch_op.f("ix_nodes_node_class_id"))
        batch_op.drop_index(batch_op.f("ix_nodes_image_id"))
        batch_op.drop_index(batch_op.f("ix_nodes_hypervisor_id"))

    op.drop_table("nodes")
    with op.batch_alter_table("node_types", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_node_types_node_class_id"))

    op.drop_table("node_types")
    with op.batch_alter_table("flow_events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_flow_events_flow_id"))

    op.drop_table("flow_events")
    op.drop_table("power_controls")
    op.drop_table("node_images")
    with op.batch_alter_table("node_classes", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_node_classes_one_default",
            sqlite_where=sa.text("is_default"),
            postgresql_where=sa.text("is_default"),
        )

    op.drop_table("node_classes")
    op.drop_table("leases")
    with op.batch_alter_table("flows", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_flows_subject"))
        batch_op.drop_index(batch_op.f("ix_flows_parent_id"))
        batch_op.drop_index(
            "ix_flows_one_open_per_subject",
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_flows_kind"))
        batch_op.drop_index("ix_flows_due")

    op.drop_table("flows")
    op.drop_table("api_tokens")
