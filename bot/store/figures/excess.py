"""Who is over a limit already: members with long queues, and members' accounts with too few credits."""

from __future__ import annotations

from sqlalchemy import Connection, func, select, text

from bot.domain.money.quota import Bucket, affordable_at, available_at
from bot.store.tables import accounts, generations
from bot.store.tables.work import WAITING

_ACCOUNTS_MAX = 1000  # read for one answer


def longer_queues(conn: Connection, guild_id: int, most: int) -> int:
    """How many members who wait for images in this guild have more than `most` in the queue, anywhere."""
    theirs = select(generations.c.user_id).where(text(WAITING), generations.c.guild_id == guild_id)
    queue = select(generations.c.user_id).where(text(WAITING), generations.c.user_id.in_(theirs)).group_by(generations.c.user_id)
    return int(conn.scalar(select(func.count()).select_from(queue.having(func.count() > most).subquery())) or 0)


def short_accounts(
    conn: Connection, bucket: Bucket, *, price: int, now: int, name: str | None = None, group: str = ""
) -> tuple[int, int | None]:
    """How many of the accounts of this name, or of a group, have less than `price`, and when the first of them has it (None: never)."""
    own = accounts.c.name.startswith(f"{group}:", autoescape=True) if name is None else accounts.c.name == name
    query = select(accounts.c.available, accounts.c.held, accounts.c.as_of).where(own, accounts.c.available < price).limit(_ACCOUNTS_MAX)
    rows = conn.execute(query).all()
    short = [each for each in rows if available_at(bucket, available=each.available, held=each.held, as_of=each.as_of, now=now) < price]
    times = [affordable_at(bucket, available=each.available, as_of=each.as_of, now=now, price=price) for each in short]
    return len(short), min((each for each in times if each is not None), default=None)
