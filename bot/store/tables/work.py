"""Tables of jobs, their generations and messages, and the stored images."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    UniqueConstraint,
)

from bot.store.tables.base import String, Text, known, metadata, partial

# Conditions of partial indexes. A query uses such an index only if it contains the same text.
OPEN = "state = 'open'"
NOT_OPEN = "state <> 'open'"
WAITING = "state = 'waiting'"
ACTIVE = "state IN ('submitting', 'running')"
RUNNING = "state = 'running'"
OWNED = f"owner IS NOT NULL AND {OPEN}"
UNCHECKED = "needs_check AND state = 'open'"

_OWN = "role IN ('result', 'dm')"
_ONCE = "role IN ('gallery', 'log')"

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("model", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("params", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("spoiler", Boolean, nullable=False),
    Column("parent_id", String(12)),  # no foreign key: the children of an erased job stay
    Column("parent_n", Integer),
    Column("source_shape", JSON(none_as_null=True)),  # sizes and limits by which its shape was chosen; None: it was not
    Column("origin_channel_id", BigInteger),
    Column("origin_message_id", BigInteger),
    Column("reaction", Text),
    Column("ping_promised", Boolean, nullable=False),
    # moderation
    Column("flagged", Text),  # why its prompt was flagged: a rule or a category; None: not flagged
    Column("needs_check", Boolean, nullable=False),  # the moderations endpoint must check the prompt before it is submitted
    Column("age_restricted", Boolean, nullable=False),  # whether its channel is
    Column("created_at", BigInteger, nullable=False),
    Column("cancel_requested_at", BigInteger),
    # the reply target
    Column("user_id", BigInteger, nullable=False),
    Column("channel_id", BigInteger, nullable=False),
    Column("guild_id", BigInteger),
    Column("application_id", BigInteger),
    Column("token", Text),
    Column("token_expires_at", BigInteger, nullable=False),
    Column("upload_limit_bytes", BigInteger, nullable=False),
    Column("private", Boolean, nullable=False),
    Column("locale", String(16)),
    Column("reply_to", BigInteger),
    # answers and delivery
    Column("delivered_at", BigInteger),
    Column("answer_until", BigInteger, nullable=False),  # until when its first answer may still come (Unix ms); 0: it came, or never will
    Column("posting_since", BigInteger),
    Column("owner", BigInteger),  # the process that checks its prompt and edits its message while it is open
    partial("ix_jobs_unfinished", "created_at", "id", where=OPEN),
    partial("ix_jobs_unchecked", "created_at", where=UNCHECKED),
    Index("ix_jobs_member", "user_id", "created_at"),
    partial("ix_jobs_open", "user_id", "created_at", where=OPEN),
    partial("ix_jobs_history", "user_id", "created_at", "id", where="state <> 'deleted'"),  # /history counts without reading rows
    known("ix_jobs_parent", "parent_id"),
    partial("ix_jobs_owner", "owner", where=OWNED),
    partial("ix_jobs_ended", "created_at", "id", where=NOT_OPEN),
)

# The messages that show a job or inform moderators about it, and the posts of cases.
job_messages = Table(
    "job_messages",
    metadata,
    Column("message_id", BigInteger, primary_key=True, autoincrement=False),
    Column("channel_id", BigInteger, nullable=False),
    Column("guild_id", BigInteger),  # the guild whose moderators decide about it
    Column("job_id", String(12), ForeignKey("jobs.id", ondelete="CASCADE")),  # None: an image that was not made here
    Column("case_id", BigInteger),
    Column("role", String(8), nullable=False),
    Column("spoiler", Boolean, nullable=False),  # its images must be behind spoilers
    Column("at", BigInteger, nullable=False),
    Column("removed_at", BigInteger),  # when its deletion was decided
    Index("ix_job_messages_job", "job_id"),
    known("ix_job_messages_case", "case_id"),
    # A job has one own message, and in each guild at most one post in the gallery and in the log.
    partial("uq_job_messages_own", "job_id", where=_OWN, unique=True),
    partial("uq_job_messages_once", "job_id", "role", "guild_id", where=_ONCE, unique=True),
)

generations = Table(
    "generations",
    metadata,
    Column("job_id", String(12), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("model", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("seed", BigInteger),
    Column("params", JSON, nullable=False),
    Column("price", BigInteger, nullable=False),  # what the member pays
    Column("cost", BigInteger, nullable=False),  # what the image API charges, at most
    Column("state", String(16), nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("guild_id", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("provider", String(32), nullable=False),  # the image API's name
    Column("api_model", Text, nullable=False),  # the model's name there
    Column("running_limit", Integer),  # from the user's roles; None: the operator's limit
    Column("uncertain", Integer, nullable=False),  # how often an answer was lost and no lookup was possible
    Column("failure", String(16)),  # a `Failure`
    Column("provider_id", Text),
    Column("submitted_at", BigInteger),
    Column("queued", Boolean, nullable=False),  # submitted to the API's queue; else in a call that returns the image
    Column("lookups", Integer, nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("result_url", Text),
    Column("error", Text),
    Column("cancel_requested", Boolean, nullable=False),
    # money
    Column("account", String(64), nullable=False),  # who pays
    Column("budget", String(64)),  # the account of the guild's monthly budget, which counts the cost
    Column("billed", BigInteger),  # what the image API charged; NULL: not known
    Column("operator", String(64)),  # the account of the operator's monthly limit, which counts it too
    Column("lane", String(8), nullable=False),
    Column("refunded_at", BigInteger),
    Column("owner", BigInteger),  # the process that sends it, or searches for it
    UniqueConstraint("provider_id", "provider"),  # one accepted id belongs to one generation
    # With every column that a claim reads, so that it reads the index only.
    partial(
        "ix_generations_queue",
        *("lane", "created_at", "job_id", "n", "not_before", "user_id", "guild_id", "provider", "running_limit"),
        where=WAITING,
    ),
    partial("ix_generations_active", "provider", "user_id", "guild_id", "lane", "state", where=ACTIVE),
    partial("ix_generations_running", "provider", "not_before", where=RUNNING),
    partial("ix_generations_waiting", "user_id", where=WAITING),
    partial("ix_generations_model", "model", "ended_at", where="state = 'succeeded'"),
    known("ix_generations_owner", "owner"),
    # A search by `ended_at` implies its condition.
    partial("ix_generations_member", "user_id", "ended_at", "state", where="ended_at IS NOT NULL"),
)

references = Table(
    "job_references",
    metadata,
    Column("job_id", String(12), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("content_type", String(32), nullable=False),
    Column("width_px", Integer, nullable=False),
    Column("height_px", Integer, nullable=False),
    Column("url", Text),
    Column("url_expires_at", BigInteger),
    Column("owner_id", BigInteger),
    Column("role", String(16), nullable=False),  # a `ReferenceRole`
    known("ix_job_references_owner", "owner_id"),
)

# Images that an image API returned inline: they cannot be downloaded again.
images = Table(
    "images",
    metadata,
    Column("job_id", String(12), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    ForeignKeyConstraint(["job_id", "n"], ["generations.job_id", "generations.n"], ondelete="CASCADE"),
)

# Small WebP versions for /history, kept after messages and links are gone.
thumbnails = Table(
    "thumbnails",
    metadata,
    Column("job_id", String(12), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    ForeignKeyConstraint(["job_id", "n"], ["generations.job_id", "generations.n"], ondelete="CASCADE"),
)
