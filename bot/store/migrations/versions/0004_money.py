"""Money by account: who pays for a picture, budgets charged beside it, the slow lane, transfers, sponsorships."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, String, Text, text

revision = "0004"
down_revision = "0003"

_ONE_END = text("entry IN ('settle', 'release')")


def upgrade() -> None:
    _generations()
    _ledger()
    _sponsorships()


def _generations() -> None:
    """Until now everyone paid from their own account."""
    op.add_column("generations", Column("account", String(64), nullable=False, server_default=""))
    op.add_column("generations", Column("budget", String(64)))
    op.add_column("generations", Column("lane", String(8), nullable=False, server_default="paid"))
    op.add_column("generations", Column("refunded_at", BigInteger))
    op.execute("UPDATE generations SET account = 'user:' || CAST(user_id AS VARCHAR(20))")
    op.execute(
        "UPDATE generations SET refunded_at = (SELECT MAX(ledger.at) FROM ledger"
        " WHERE ledger.job_id = generations.job_id AND ledger.n = generations.n AND ledger.entry = 'refund')"
    )
    op.create_index("ix_generations_member", "generations", ["user_id", "ended_at"])
    op.create_index("ix_generations_server", "generations", ["guild_id", "ended_at"])


def _ledger() -> None:
    op.drop_index("uq_ledger_end", "ledger")
    with op.batch_alter_table("ledger") as table:  # SQLite makes the table anew: it cannot change what is unique
        table.add_column(Column("other", String(64)))
        table.add_column(Column("by_id", BigInteger))
        table.add_column(Column("note", Text))
        table.add_column(Column("key", String(120)))
        table.drop_constraint("uq_ledger_once", type_="unique")
        table.create_unique_constraint("uq_ledger_once", ["job_id", "n", "account", "entry"])
        table.create_unique_constraint("uq_ledger_key", ["key", "account"])
    op.create_index("uq_ledger_end", "ledger", ["job_id", "n", "account"], unique=True, sqlite_where=_ONE_END, postgresql_where=_ONE_END)


def _sponsorships() -> None:
    op.create_table(
        "sponsorships",
        Column("id", String(12), nullable=False),
        Column("guild_id", BigInteger),
        Column("channel_id", BigInteger, nullable=False),
        Column("host_id", BigInteger, nullable=False),
        Column("host_account", String(64), nullable=False),
        Column("cap", BigInteger, nullable=False),
        Column("opened_at", BigInteger, nullable=False),
        Column("until", BigInteger, nullable=False),
        Column("state", String(8), nullable=False),
        Column("closed_at", BigInteger),
        PrimaryKeyConstraint("id", name="pk_sponsorships"),
    )
    op.create_index("ix_sponsorships_channel", "sponsorships", ["channel_id", "state"])
    op.create_index("ix_sponsorships_state", "sponsorships", ["state", "until"])
    op.create_index("ix_sponsorships_host", "sponsorships", ["host_id"])
