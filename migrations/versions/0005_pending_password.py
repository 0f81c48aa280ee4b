"""The password that a device is being given."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Altered in place: a copy of the table would lose what AUTOINCREMENT remembers.
    op.add_column("power_controls", sa.Column("sealed_pending_password", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("power_controls", "sealed_pending_password")
