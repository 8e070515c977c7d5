"""A member's normal and super reaction with one emoji are two reactions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_KEY = ["message_id", "user_id", "emoji", "burst"]


def upgrade() -> None:
    """What is stored is known only as a reaction; it counts as a normal one."""
    with op.batch_alter_table("reactions") as reactions:
        reactions.add_column(sa.Column("burst", sa.Boolean, nullable=False, server_default=sa.false()))
        reactions.drop_constraint("pk_reactions", type_="primary")
        reactions.create_primary_key("pk_reactions", _KEY)
