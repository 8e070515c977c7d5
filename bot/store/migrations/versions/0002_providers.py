"""Several image APIs: which one a generation belongs to, how it failed, and how often its answer was lost."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Integer, String, Text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("generations", Column("provider", String(32), nullable=False, server_default="oxen"))  # the only one until now
    op.add_column("generations", Column("api_model", Text, nullable=False, server_default=""))
    op.add_column("generations", Column("uncertain", Integer, nullable=False, server_default="0"))
    op.add_column("generations", Column("failure", String(16)))
    op.execute("UPDATE generations SET api_model = model")
