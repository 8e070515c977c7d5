"""Moderators' reasons for their decisions; reports that wait, and flags whose reaction is taken away."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

_UNDECIDED = sa.text("outcome IS NULL")


def upgrade() -> None:
    """The reactions of the flags from before are still on their messages."""
    op.add_column("cases", sa.Column("decision_reason", sa.Text, nullable=False, server_default=""))
    op.add_column("reports", sa.Column("reaction_stays", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("reports", sa.Column("is_waiting", sa.Boolean, nullable=False, server_default=sa.false()))
    reports = sa.table("reports", sa.column("reason"), sa.column("reaction_stays"))
    op.execute(reports.update().where(reports.c.reason == "").values(reaction_stays=sa.true()))
    op.drop_index("ix_reports_pending", "reports")
    op.create_index("ix_reports_pending", "reports", ["guild_id"], sqlite_where=_UNDECIDED, postgresql_where=_UNDECIDED)
