"""Move every posted message to one table; make ids of generations unique per image API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql, sqlite

revision = "0006"
down_revision = "0005"

_OWN = sa.text("role IN ('result', 'dm')")
_ONCE = sa.text("role IN ('gallery', 'log')")
_POSTED = "posted:"  # followed by a job's id: the messages that showed it before its current one, oldest first

_JOBS = sa.table(
    "jobs",
    *(sa.column(name) for name in ("id", "state", "spoiler", "guild_id", "channel_id", "message_id", "created_at", "delivered_at")),
)
_GENERATIONS = sa.table("generations", *(sa.column(name) for name in ("job_id", "n", "guild_id")))
_KEEPSAKES = sa.table("keepsakes", sa.column("name"), sa.column("value", sa.JSON))
_LOG_POSTS = sa.table("log_posts", *(sa.column(name) for name in ("job_id", "channel_id", "message_id")))
_GALLERY = sa.table("gallery", *(sa.column(name) for name in ("job_id", "guild_id", "at", "post_channel_id", "post_message_id")))
_CASES = sa.table(
    "cases",
    *(sa.column(name) for name in ("id", "job_id", "guild_id", "channel_id", "at", "appealed_at", "post_channel_id", "post_message_id")),
)
_MESSAGES = sa.table(
    "job_messages",
    *(sa.column(name) for name in ("message_id", "channel_id", "guild_id", "job_id", "case_id", "role", "spoiler", "at", "removed_at")),
)

Row = Mapping[str, Any]


def upgrade() -> None:
    _create()
    jobs = {row["id"]: row for row in _read(sa.select(_JOBS))}
    for row in (*_own(jobs), *_copies(jobs), *_gallery(jobs), *_log(jobs), *_cases(jobs)):
        _record(row)
    _drop()


def _create() -> None:
    op.create_table(
        "job_messages",
        sa.Column("message_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("channel_id", sa.BigInteger, nullable=False),
        sa.Column("guild_id", sa.BigInteger),
        sa.Column("job_id", sa.String(12)),
        sa.Column("case_id", sa.BigInteger),
        sa.Column("role", sa.String(8), nullable=False),
        sa.Column("spoiler", sa.Boolean, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("removed_at", sa.BigInteger),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_messages_job_id_jobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("message_id", name="pk_job_messages"),
    )
    op.create_index("ix_job_messages_case", "job_messages", ["case_id"])
    op.create_index("ix_job_messages_job", "job_messages", ["job_id"])
    op.create_index("uq_job_messages_own", "job_messages", ["job_id"], unique=True, sqlite_where=_OWN, postgresql_where=_OWN)
    op.create_index("uq_job_messages_once", "job_messages", ["job_id", "role"], unique=True, sqlite_where=_ONCE, postgresql_where=_ONCE)


# --- the five sources ------------------------------------------------------------------------------------------------


def _own(jobs: Mapping[str, Row]) -> Iterator[Row]:
    """The result messages. It is unknown which of them are direct messages."""
    for job in jobs.values():
        if job["message_id"] is not None:
            where = {"message_id": job["message_id"], "channel_id": job["channel_id"], "guild_id": job["guild_id"]}
            yield {**where, **_of(job), "role": "result"}


def _copies(jobs: Mapping[str, Row]) -> Iterator[Row]:
    """The earlier result messages. Their guild is that of others in the channel; for the first, else the guild of the order."""
    places = [*jobs.values(), *_read(sa.select(_CASES))]
    guilds = {row["channel_id"]: row["guild_id"] for row in places if row["guild_id"] is not None}
    ordered_in = _ordered_in()
    for kept in _read(sa.select(_KEEPSAKES).where(_KEEPSAKES.c.name.startswith(_POSTED))):
        job = jobs.get(kept["name"].removeprefix(_POSTED))
        if job is None:
            continue
        for n, (channel_id, message_id) in enumerate(kept["value"]):
            guild_id = guilds.get(channel_id, ordered_in.get(job["id"]) if n == 0 else None)
            yield {"message_id": message_id, "channel_id": channel_id, "guild_id": guild_id, **_of(job), "role": "copy"}


def _gallery(jobs: Mapping[str, Row]) -> Iterator[Row]:
    for row in _read(sa.select(_GALLERY).where(_GALLERY.c.post_message_id.is_not(None))):
        job = jobs.get(row["job_id"])
        if job is not None:
            where = {"message_id": row["post_message_id"], "channel_id": row["post_channel_id"], "guild_id": row["guild_id"]}
            yield {**where, **_of(job), "role": "gallery", "at": row["at"]}


def _log(jobs: Mapping[str, Row]) -> Iterator[Row]:
    ordered_in = _ordered_in()
    for row in _read(sa.select(_LOG_POSTS)):
        job = jobs.get(row["job_id"])
        if job is not None:
            yield {**row, **_of(job), "guild_id": ordered_in.get(job["id"]), "role": "log", "removed_at": None}


def _cases(jobs: Mapping[str, Row]) -> Iterator[Row]:
    """The posts of cases. After an appeal the recorded post is the one made after it."""
    for row in _read(sa.select(_CASES).where(_CASES.c.post_message_id.is_not(None))):
        where = {"message_id": row["post_message_id"], "channel_id": row["post_channel_id"], "guild_id": row["guild_id"]}
        job_id, at = row["job_id"] if row["job_id"] in jobs else None, max(row["at"], row["appealed_at"] or 0) + 1
        yield {**where, "job_id": job_id, "case_id": row["id"], "role": "case", "spoiler": True, "at": at, "removed_at": None}


def _of(job: Row) -> Row:
    at = job["delivered_at"] or job["created_at"]
    return {"job_id": job["id"], "case_id": None, "spoiler": bool(job["spoiler"]), "at": at, "removed_at": _removed(job, at)}


def _removed(job: Row, at: int) -> int | None:
    return at if job["state"] == "deleted" else None


def _ordered_in() -> dict[str, int | None]:
    first = sa.select(_GENERATIONS.c.job_id, _GENERATIONS.c.guild_id).where(_GENERATIONS.c.n == 0)
    return {row["job_id"]: row["guild_id"] for row in _read(first)}


# --- parts -----------------------------------------------------------------------------------------------------------


def _read(query: sa.Select[Any]) -> Iterable[Row]:
    return [dict(row) for row in op.get_bind().execute(query).mappings()]


def _record(row: Row) -> None:
    """If two sources name the same message, the first one is kept."""
    dialect = postgresql if op.get_bind().dialect.name == "postgresql" else sqlite
    op.get_bind().execute(dialect.insert(_MESSAGES).values(**row).on_conflict_do_nothing())


def _drop() -> None:
    op.drop_table("log_posts")
    op.get_bind().execute(sa.delete(_KEEPSAKES).where(_KEEPSAKES.c.name.startswith(_POSTED)))
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_index("ix_jobs_message")
        jobs.drop_column("message_id")
    for table in ("gallery", "cases"):
        with op.batch_alter_table(table) as posts:
            posts.drop_column("post_channel_id")
            posts.drop_column("post_message_id")
    with op.batch_alter_table("generations") as generations:
        generations.drop_constraint("uq_generations_provider_id", type_="unique")
        generations.create_unique_constraint("uq_generations_provider_id", ["provider_id", "provider"])
