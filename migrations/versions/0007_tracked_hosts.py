"""Tracked hosts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tracked_hosts",
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.Column("down_since", sa.Double(), nullable=True),
        sa.Column("down_count", sa.Integer(), nullable=False),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.Column("next_check_at", sa.Double(), nullable=False),
        sa.Column("announced", sa.Boolean(), nullable=False),
        sa.Column("alarm", sa.String(length=64), nullable=True),
        sa.Column("verdict", sa.JSON(), nullable=False),
        sa.Column("decision_id", sa.String(length=36), nullable=True),
        sa.Column("decided_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_tracked_hosts")),
    )
    op.create_index(op.f("ix_tracked_hosts_decision_id"), "tracked_hosts", ["decision_id"])


def downgrade() -> None:
    op.drop_table("tracked_hosts")
