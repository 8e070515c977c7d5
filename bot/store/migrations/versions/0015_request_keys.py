"""Keys of the requests that were carried out, so that one that is delivered twice is carried out once."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, String

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table("request_keys", Column("key", String(128), primary_key=True), Column("at", BigInteger, nullable=False))
    op.create_index("ix_request_keys_at", "request_keys", ["at"])
