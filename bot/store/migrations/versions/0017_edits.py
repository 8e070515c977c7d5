"""Edits keep the shape of their first reference image, and references may be masks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("source_shape", sa.JSON(none_as_null=True)))
    op.add_column("job_references", sa.Column("role", sa.String(16), nullable=False, server_default="reference"))
