"""Tell what an image costs the operator from its price, count the cost against a monthly limit, and find what may be given away."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, String, text

revision = "0011"
down_revision = "0010"

_USAGE = "ix_generations_usage"
_USED = ("guild_id", "ended_at", "user_id", "model", "state", "price", "cost", "billed", "refunded_at")


def upgrade() -> None:
    """Until now the price was counted as the cost, so budgets and ledger agree with it."""
    op.add_column("generations", Column("cost", BigInteger, nullable=False, server_default="0"))
    op.add_column("generations", Column("operator", String(64)))
    op.add_column("generations", Column("billed", BigInteger))
    op.execute("UPDATE generations SET cost = price")
    op.drop_index(_USAGE, "generations")
    where = text("guild_id IS NOT NULL AND ended_at IS NOT NULL")
    moved = text("entry IN ('grant', 'reward', 'gift', 'sponsor', 'return')")
    op.create_index("ix_ledger_moved", "ledger", ("account", "available"), sqlite_where=moved, postgresql_where=moved)
    op.create_index(_USAGE, "generations", _USED, sqlite_where=where, postgresql_where=where)
