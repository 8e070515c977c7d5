"""A sponsorship knows its public message, which shows when it has ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("sponsorships", sa.Column("message_id", sa.BigInteger))
