"""Export of a member's data, as listed in `bot.store.privacy.holdings`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, LargeBinary, and_, case, func, select

from bot.domain.job import SHOWING, MessageRole, message_url
from bot.store.privacy.holdings import ACCOUNT_NAMES, HOLDINGS, PEOPLE, Holding, Member, owner_of
from bot.store.tables import job_messages, jobs


def rows_by_table(conn: Connection, user_id: int) -> dict[str, list[dict[str, Any]]]:
    """All rows about a member, by table. Images are replaced by their size; other people, their accounts and texts by None."""
    me = Member(id=user_id)
    return {each.table.name: _rows(conn, each, each.owned(me), me) for each in HOLDINGS if each.owned is not None}


def links(conn: Connection, user_id: int) -> list[str]:
    """Links to the Discord messages that show a member's images, oldest first; those in galleries last."""
    theirs = and_(jobs.c.user_id == user_id, job_messages.c.role.in_(SHOWING), job_messages.c.removed_at.is_(None))
    guild_id = case((job_messages.c.role != MessageRole.DM, job_messages.c.guild_id))
    in_gallery = case((job_messages.c.role == MessageRole.GALLERY, 1), else_=0)
    found = select(guild_id, job_messages.c.channel_id, job_messages.c.message_id).join_from(job_messages, jobs).where(theirs)
    return [message_url(*row) for row in conn.execute(found.order_by(in_gallery, job_messages.c.at, job_messages.c.message_id))]


def _rows(conn: Connection, holding: Holding, owned: ColumnElement[bool], me: Member) -> list[dict[str, Any]]:
    table = holding.table
    columns = [
        func.length(column).label(f"{column.name}_bytes") if isinstance(column.type, LargeBinary) else column
        for column in table.c
        if column.name not in holding.secret
    ]
    rows = conn.execute(select(*columns).where(owned).order_by(*table.primary_key)).mappings()
    return [{name: _exported(holding, dict(row), name, me) for name in row} for row in rows]


def _exported(holding: Holding, row: Mapping[str, Any], name: str, me: Member) -> Any:
    if _is_of_another(holding, row, name, me):
        return None
    is_id = isinstance(row[name], int) and (name in PEOPLE or name.endswith("_id"))
    return str(row[name]) if is_id else row[name]  # ids exceed the integers of many JSON parsers


def _is_of_another(holding: Holding, row: Mapping[str, Any], name: str, me: Member) -> bool:
    """Whether a value is another person's id, account or text."""
    if name in PEOPLE:
        return bool(row[name] != me.id)
    if name in ACCOUNT_NAMES:
        return row[name] is not None and owner_of(row[name]) not in (None, me.id)
    return name in holding.words and bool(row[holding.words[name]] != me.id)
