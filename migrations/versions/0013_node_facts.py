"""Facts collected from nodes, and whether we may write configuration of their components."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("nodes", sa.Column("dcc", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.create_table(
        "node_facts",
        sa.Column("node_id", sa.Integer(), nullable=False),
        sa.Column("hwinfo", sa.JSON(), nullable=True),
        sa.Column("nas", sa.JSON(), nullable=True),
        sa.Column("collected_at", sa.DateTime(), nullable=True),
        sa.Column("tried_at", sa.DateTime(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["node_id"], ["nodes.id"], name=op.f("fk_node_facts_node_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("node_id", name=op.f("pk_node_facts")),
    )


def downgrade() -> None:
    op.drop_table("node_facts")
    op.drop_column("nodes", "dcc")
