"""Moderators' reasons for their decisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.add_column("cases", sa.Column("decision_reason", sa.Text, nullable=False, server_default=""))
