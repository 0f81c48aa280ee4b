"""Availability storages, idempotency keys, audit log; names of nodes without regard to case."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

AUDIT_INDEXES = ("time", "user_name", "subject")


def upgrade() -> None:
    _create_storages()
    _create_idempotency_keys()
    _create_audit_log()
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for statement in _POSTGRESQL_GUARDS if is_postgresql else _SQLITE_GUARDS:
        op.execute(statement)
    folded = 'lower(name::text COLLATE "C")' if is_postgresql else "lower(name)"
    op.execute(f"CREATE UNIQUE INDEX ix_nodes_name_without_case ON nodes ({folded})")


def _create_storages() -> None:
    op.create_table(
        "availability_storages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("compute_path", sa.Text(), nullable=False),
        sa.Column("controller_path", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_availability_storages"),
        sa.UniqueConstraint("name", name="uq_availability_storages_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "node_availability_storages",
        sa.Column("node_id", sa.Integer(), nullable=False),
        sa.Column("availability_storage_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["node_id"], ["nodes.id"], name="fk_node_availability_storages_node_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["availability_storage_id"],
            ["availability_storages.id"],
            name="fk_node_availability_storages_availability_storage_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("node_id", "availability_storage_id", name="pk_node_availability_storages"),
    )
    op.create_index(
        "ix_node_availability_storages_availability_storage_id",
        "node_availability_storages",
        ["availability_storage_id"],
    )


def _create_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("caller", sa.String(length=255), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("claim", sa.String(length=36), nullable=False),
        sa.Column("claimed_until", sa.Double(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("caller", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])


def _create_audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("time", sa.DateTime(), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("user_name", sa.String(length=255), nullable=True),
        sa.Column("user_id", sa.String(length=255), nullable=True),
        sa.Column("project_id", sa.String(length=255), nullable=True),
        sa.Column("roles", sa.Text(), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("action", sa.String(length=255), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=True),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.CheckConstraint("outcome IN ('success', 'refused', 'failed')", name=op.f("ck_audit_log_outcome")),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
    )
    for column in AUDIT_INDEXES:
        op.create_index(f"ix_audit_log_{column}", "audit_log", [column])


REFUSAL = "audit_log is append-only: rows are never changed, and deleted only when older than 30 days"
_SQLITE_GUARDS = (
    f"""
    CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log
    BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END
    """,
    f"""
    CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
    WHEN OLD.time > datetime('now', '-30 days')
    BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END
    """,
    # REPLACE deletes without asking the trigger of DELETE
    f"""
    CREATE TRIGGER audit_log_no_replace BEFORE INSERT ON audit_log
    WHEN EXISTS (SELECT 1 FROM audit_log WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END
    """,
)
_POSTGRESQL_GUARDS = (
    f"""
    CREATE FUNCTION audit_log_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'restrict_violation'; END $$
    """,
    """
    CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_refuse()
    """,
    """
    CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
    FOR EACH ROW WHEN (OLD.time > timezone('UTC', now()) - interval '30 days')
    EXECUTE FUNCTION audit_log_refuse()
    """,
    """
    CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse()
    """,
)


def downgrade() -> None:
    op.drop_index("ix_nodes_name_without_case", "nodes")
    op.drop_table("audit_log")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_log_refuse()")
    for table in ("idempotency_keys", "node_availability_storages", "availability_storages"):
        op.drop_table(table)
