"""Keep the sums that usage is computed from by day, so that old generations are not needed for it."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String, Text

revision = "0013"
down_revision = "0012"

_AMOUNTS = ("images", "failed", "price", "refunded", "cost", "corrected")
FILL = """
INSERT INTO daily_usage (guild_id, day, user_id, model, provider, images, failed, price, refunded, cost, corrected)
SELECT guild_id, day, user_id, model, provider,
    SUM(made), SUM(failed), SUM(made * price), SUM(made * refunded * price), SUM(made * cost + corrected), SUM(corrected)
FROM (
    SELECT COALESCE(guild_id, 0) AS guild_id, ended_at / 86400000 AS day, CASE WHEN user_id < 0 THEN 0 ELSE user_id END AS user_id,
        model, provider, price, cost, made, failed, refunded,
        CASE WHEN billed IS NULL THEN 0 ELSE billed - made * cost END AS corrected
    FROM (
        SELECT guild_id, ended_at, user_id, model, provider, price, cost, billed,
            CASE WHEN state = 'succeeded' THEN 1 ELSE 0 END AS made,
            CASE WHEN state = 'failed' THEN 1 ELSE 0 END AS failed,
            CASE WHEN refunded_at IS NULL THEN 0 ELSE 1 END AS refunded
        FROM generations WHERE ended_at IS NOT NULL AND (state <> 'cancelled' OR billed IS NOT NULL)
    ) AS marked
) AS counted
GROUP BY guild_id, day, user_id, model, provider
"""


def upgrade() -> None:
    op.create_table(
        "daily_usage",
        Column("guild_id", BigInteger, primary_key=True, autoincrement=False),
        Column("day", Integer, primary_key=True, autoincrement=False),
        Column("user_id", BigInteger, primary_key=True, autoincrement=False),
        Column("model", Text, primary_key=True),
        Column("provider", String(32), primary_key=True),
        *(Column(name, BigInteger, nullable=False) for name in _AMOUNTS),
        sqlite_with_rowid=False,
    )
    op.execute(FILL)
    op.create_index("ix_daily_usage_user", "daily_usage", ["user_id", "day"])
    op.create_index("ix_daily_usage_day", "daily_usage", ["day"])
    op.drop_index("ix_generations_usage", "generations")
