"""Replace indexes that grow with history by partial ones, and add those for searches that read whole tables."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0009"
down_revision = "0008"

_DROPPED = (
    ("jobs", "ix_jobs_state", "ix_jobs_parent"),
    ("job_messages", "ix_job_messages_case"),
    ("generations", "ix_generations_state", "ix_generations_model", "ix_generations_member", "ix_generations_server"),
    ("reactions", "ix_reactions_member"),
    ("reports", "ix_reports_member", "ix_reports_server", "ix_reports_author"),
    ("blocks", "ix_blocks_member"),
    ("strikes", "ix_strikes_member"),
    ("cases", "ix_cases_server"),
    ("audit", "ix_audit_target"),
)
_WHOLE = (
    ("reactions", "ix_reactions_member", "user_id", "at"),
    ("reports", "ix_reports_member", "user_id", "guild_id", "outcome"),
    ("reports", "ix_reports_author", "author_id", "guild_id"),
    ("blocks", "ix_blocks_member", "user_id", "guild_id"),
    ("strikes", "ix_strikes_member", "user_id", "guild_id", "at"),
    ("gallery", "ix_gallery_author", "author_id"),
    ("sponsorships", "ix_sponsorships_account", "host_account"),
)
_KNOWN = (  # of the rows in which the column is not NULL
    ("jobs", "ix_jobs_parent", "parent_id"),
    ("job_messages", "ix_job_messages_case", "case_id"),
    ("job_references", "ix_job_references_owner", "owner_id"),
    ("ledger", "ix_ledger_other", "other"),
    ("ledger", "ix_ledger_by", "by_id"),
    ("reports", "ix_reports_case", "case_id"),
    ("reports", "ix_reports_job", "job_id"),
    ("blocks", "ix_blocks_case", "case_id"),
    ("blocks", "ix_blocks_by", "by_id"),
    ("blocks", "ix_blocks_lifted_by", "lifted_by"),
    ("strikes", "ix_strikes_case", "case_id"),
    ("strikes", "ix_strikes_job", "job_id"),
    ("strikes", "ix_strikes_by", "by_id"),
    ("cases", "ix_cases_job", "job_id"),
    ("cases", "ix_cases_decided_by", "decided_by"),
    ("gallery", "ix_gallery_job", "job_id"),
    ("audit", "ix_audit_target", "target_id"),
    ("audit", "ix_audit_actor", "actor_id"),
    ("audit", "ix_audit_job", "job_id"),
    ("audit", "ix_audit_case", "case_id"),
)
_USED = ("guild_id", "ended_at", "user_id", "model", "state", "price", "refunded_at")
_PARTIAL = (
    ("state = 'open'", "jobs", "ix_jobs_open", "user_id", "created_at"),
    ("state <> 'deleted'", "jobs", "ix_jobs_history", "user_id", "created_at", "id"),
    ("state = 'waiting'", "generations", "ix_generations_waiting", "user_id"),
    ("state = 'succeeded'", "generations", "ix_generations_model", "model", "ended_at"),
    ("ended_at IS NOT NULL", "generations", "ix_generations_member", "user_id", "ended_at", "state"),
    ("guild_id IS NOT NULL AND ended_at IS NOT NULL", "generations", "ix_generations_usage", *_USED),
    ("held = 0 AND spent = 0", "accounts", "ix_accounts_unused", "name"),
    ("available > 0 AND substr(name, 1, 8) = 'sponsor:'", "accounts", "ix_accounts_sponsor", "name"),
    ("emoji <> '⭐'", "reactions", "ix_reactions_at", "at"),
    ("outcome IS NULL AND case_id IS NULL", "reports", "ix_reports_pending", "guild_id"),
    ("lifted_at IS NULL", "blocks", "ix_blocks_server", "guild_id", "until"),
    ("state <> 'decided'", "cases", "ix_cases_waiting", "guild_id", "id"),
)


def upgrade() -> None:
    for table, *names in _DROPPED:
        for name in names:
            op.drop_index(name, table)
    for table, name, *columns in _WHOLE:
        op.create_index(name, table, columns)
    known = ((f"{column} IS NOT NULL", table, name, column) for table, name, column in _KNOWN)
    for where, table, name, *columns in (*known, *_PARTIAL):
        op.create_index(name, table, columns, sqlite_where=text(where), postgresql_where=text(where))
