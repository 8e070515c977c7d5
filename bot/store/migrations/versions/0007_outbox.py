"""Move deliveries and errands to one outbox; add `jobs.answer_until` and `generations.queued`."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    cast,
    literal,
    null,
    select,
    true,
    update,
)

revision = "0007"
down_revision = "0006"

_GIVEN_UP_MS = 10 * 365 * 86_400_000  # a job that was not to be retried was due in a hundred years

_columns = MetaData()
_jobs = Table(
    "jobs",
    _columns,
    Column("id", String(12)),
    Column("state", String(16)),
    Column("created_at", BigInteger),
    Column("attempts", Integer),
    Column("not_before", BigInteger),
)
_errands, _outbox = (
    Table(
        name,
        _columns,
        Column("id", String(12)),
        Column("kind", String(16)),
        Column("user_id", BigInteger),
        Column("job_id", String(12)),
        Column("due_at", BigInteger),
        Column("attempts", Integer),
        Column("data", JSON),
    )
    for name in ("errands", "outbox")
)


def upgrade() -> None:
    _make_outbox()
    _move_errands()
    _add_deliveries()
    op.drop_index("ix_jobs_outbox", "jobs")
    op.drop_column("jobs", "attempts")
    op.drop_column("jobs", "not_before")
    op.add_column("jobs", Column("answer_until", BigInteger, nullable=False, server_default="0"))
    op.add_column("generations", Column("queued", Boolean, nullable=False, server_default=true()))
    op.create_index("ix_jobs_state", "jobs", ["state", "created_at"])


def _make_outbox() -> None:
    op.create_table(
        "outbox",
        Column("id", String(12), nullable=False),
        Column("kind", String(16), nullable=False),
        Column("user_id", BigInteger),
        Column("job_id", String(12)),
        Column("due_at", BigInteger, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("data", JSON, nullable=False),
        PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_outbox_due", "outbox", ["due_at"])


def _move_errands() -> None:
    op.execute(_outbox.insert().from_select([column.name for column in _errands.c], select(_errands)))
    op.drop_table("errands")


def _add_deliveries() -> None:
    """Each undelivered job gets an item; one that was given up becomes stranded."""
    unshown = _jobs.c.state.in_(("deliverable", "stranded"))
    given_up = _jobs.c.not_before - _jobs.c.created_at > _GIVEN_UP_MS
    nobody, nothing = cast(null(), BigInteger), literal({}, JSON)
    items = select(_jobs.c.id, literal("deliver"), nobody, _jobs.c.id, _jobs.c.not_before, _jobs.c.attempts, nothing)
    op.execute(_outbox.insert().from_select([column.name for column in _outbox.c], items.where(unshown, ~given_up)))
    op.execute(update(_jobs).where(unshown, given_up).values(state="stranded"))
