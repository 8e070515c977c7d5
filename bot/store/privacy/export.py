"""Export of a member's data, as listed in `bot.store.privacy.holdings`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, LargeBinary, Select, and_, case, func, select

from bot.domain.job import SHOWING, MessageRole, message_url
from bot.store.privacy.export_files import ExportFiles
from bot.store.privacy.holdings import ACCOUNT_NAMES, HOLDINGS, PEOPLE, Holding, Member, owner_of
from bot.store.tables import job_messages, jobs

_AT_ONCE = 25  # rows: on PostgreSQL they are written on the event loop, which takes a millisecond


def write(conn: Connection, user_id: int, files: Callable[[], ExportFiles]) -> ExportFiles:
    """Write all rows about a member, of one snapshot. Images are replaced by their size; other people, their accounts and texts by None.

    It reads a few rows at a time, and lets other work go on between them. `files` are new ones, because a read may run again.
    """
    me, written = Member(id=user_id), files()
    for rows in _pages(conn, _messages(me)):
        written.add_messages([message_url(*row.values()) for row in rows])
    for holding in HOLDINGS:
        if holding.owned is not None:
            written.begin_table(holding.table.name)
            for rows in _pages(conn, _query(holding, holding.owned(me))):
                written.add_rows([{name: _exported(holding, row, name, me) for name in row} for row in rows])
    written.end()
    return written


def _messages(me: Member) -> Select[Any]:
    """The Discord messages that show a member's images, oldest first; those in galleries last."""
    theirs = and_(jobs.c.user_id == me.id, job_messages.c.role.in_(SHOWING), job_messages.c.removed_at.is_(None))
    guild_id = case((job_messages.c.role != MessageRole.DM, job_messages.c.guild_id)).label("guild_id")
    in_gallery = case((job_messages.c.role == MessageRole.GALLERY, 1), else_=0)
    found = select(guild_id, job_messages.c.channel_id, job_messages.c.message_id).join_from(job_messages, jobs).where(theirs)
    return found.order_by(in_gallery, job_messages.c.at, job_messages.c.message_id)


def _query(holding: Holding, owned: ColumnElement[bool]) -> Select[Any]:
    columns = [
        func.length(column).label(f"{column.name}_bytes") if isinstance(column.type, LargeBinary) else column
        for column in holding.table.c
        if column.name not in holding.secret
    ]
    return select(*columns).where(owned).order_by(*holding.table.primary_key)


def _pages(conn: Connection, query: Select[Any]) -> Iterator[list[Mapping[str, Any]]]:
    rows = conn.execute(query, execution_options={"yield_per": _AT_ONCE, "stream_results": True}).mappings()
    for page in rows.partitions():
        yield [dict(row) for row in page]
        time.sleep(0)  # lets another thread run, which would wait for longer otherwise


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
