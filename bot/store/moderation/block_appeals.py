"""Appeals against blocks: each opens a case for the moderators, which decides about the block alone."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.domain.moderation.cases import Case, CaseState, Cause, Decision
from bot.domain.moderation.conduct import BlockRow
from bot.store.moderation import audit_log, conduct, flagging
from bot.store.moderation import cases as case_rows
from bot.store.tables import blocks, cases


def get(conn: Connection, block_id: int) -> BlockRow | None:
    row = conn.execute(select(blocks).where(blocks.c.id == block_id)).mappings().one_or_none()
    return None if row is None else BlockRow(**row)


def appeal(conn: Connection, block_id: int, *, words: str, channel_id: int, now: int) -> Case | None:
    """Open the case about a block, and post it. None if the block has ended, or belongs to a case already."""
    conn.execute(select(blocks.c.id).where(blocks.c.id == block_id).with_for_update())
    block = get(conn, block_id)
    if block is None or not block.may_be_appealed(now):
        return None
    opened = case_rows.open_case(
        conn,
        guild_id=block.guild_id,
        cause=Cause.BLOCK,
        author_id=block.user_id,
        channel_id=channel_id,
        message_id=None,
        job_id=None,
        reason=block.reason,
        now=now,
        by_id=block.user_id,
    )
    if opened is None:
        return None
    values = {"state": CaseState.APPEALED, "appeal": words, "appealed_at": now}
    conn.execute(update(cases).where(cases.c.id == opened.id).values(**values))
    conn.execute(update(blocks).where(blocks.c.id == block_id).values(case_id=opened.id))
    line = AuditLine(action=AuditAction.APPEALED, at=now, guild_id=block.guild_id, actor_id=block.user_id, target_id=block.user_id)
    audit_log.note(conn, AuditLine(**{**vars(line), "case_id": opened.id}))
    flagging.show(conn, opened, now)
    return case_rows.get(conn, opened.id)


def carry_out(conn: Connection, case: Case, decision: Decision, *, by_id: int, now: int) -> None:
    """Bring the block of a decided case to the state that was decided."""
    if decision is Decision.LIFT:
        conduct.lift_blocks_of(conn, case.id, by_id=by_id, now=now, also_automatic=True)
