"""A link to a reference image is stored only where its original has nothing to clean, so the links from before are removed."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """They expire now, so that a generation which an image API has already still counts as sent with a link (`steps.send_inline`)."""
    references = sa.table("job_references", sa.column("url"), sa.column("url_expires_at"))
    removed = references.update().where(references.c.url.is_not(None)).values(url=None, url_expires_at=int(time.time() * 1000))
    op.execute(removed)
