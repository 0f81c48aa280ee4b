"""Log-ins of single nodes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "node_logins",
        sa.Column("node_id", sa.Integer(), nullable=False),
        sa.Column("login", sa.String(length=255), nullable=True),
        sa.Column("port_number", sa.Integer(), nullable=True),
        sa.Column("sealed_password", sa.Text(), nullable=True),
        sa.Column("sealed_ssh_key", sa.Text(), nullable=True),
        sa.Column("host_key", sa.Text(), nullable=True),
        sa.Column("sudo", sa.Boolean(), nullable=True),
        sa.Column("updated_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["node_id"], ["nodes.id"], name=op.f("fk_node_logins_node_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("node_id", name=op.f("pk_node_logins")),
    )


def downgrade() -> None:
    op.drop_table("node_logins")
