"""The time until which a job's first answer may still come moves from the process into the database."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("jobs", Column("answer_until", BigInteger, nullable=False, server_default="0"))
