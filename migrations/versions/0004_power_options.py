"""Options of power controls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Altered in place: a copy of the table would lose what AUTOINCREMENT remembers.
    op.add_column(
        "power_controls",
        sa.Column("options", sa.JSON(), nullable=False, server_default=sa.text("'{}'")),
    )
    # How many systems such a service has was never asked.
    op.execute("UPDATE power_controls SET coils_count = 0 WHERE control_type = 'RedfishDevice'")


def downgrade() -> None:
    op.execute(
        "UPDATE power_controls SET coils_count = 1 WHERE coils_count = 0 AND control_type = 'RedfishDevice'"
    )
    op.drop_column("power_controls", "options")
