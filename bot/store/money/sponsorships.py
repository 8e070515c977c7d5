"""A host pays for everyone in a channel or thread, until a time and up to a cap. The cap leaves the host's account at once.

So the host cannot spend it twice, and the thread cannot spend more. The rest is returned when the sponsorship ends. Amounts still on
hold then are returned by the next sweep after their images have ended (`due`, then `close` for each).

Locks are taken in this order: the sponsorship's row, then accounts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, exists, func, insert, or_, select, text, update

from bot.core.errors import NotAllowed, OutOfCredit
from bot.core.i18n import _
from bot.domain.money import quota
from bot.domain.money.accounts import AccountKind, AccountRef, owned_by_one, sponsor_account
from bot.domain.money.ledger import Entry
from bot.domain.money.quota import MICRO
from bot.domain.money.sponsorship import Sponsorship, SponsorshipState
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import outbox
from bot.store.money import ledger, transfers
from bot.store.sweeps import Expired
from bot.store.tables import accounts, sponsorships
from bot.store.tables.money import SPONSOR_LEFT

_LEAST = MICRO // 100  # microcredits: what can be sponsored, and is shown; less is nothing
_ROW = ("id", "guild_id", "channel_id", "host_id", "cap", "until", "opened_at", "state", "closed_at", "host_account", "message_id")
_ACCOUNT = (f"{AccountKind.SPONSOR}:" + sponsorships.c.id) == accounts.c.name
_READ = select(*(sponsorships.c[name] for name in _ROW), accounts.c.available.label("left"), accounts.c.held, accounts.c.spent).join_from(
    sponsorships, accounts, _ACCOUNT
)
_CURRENT = _READ.where(  # built once: every order reads it
    sponsorships.c.channel_id == bindparam("channel"),
    sponsorships.c.state == SponsorshipState.OPEN,
    sponsorships.c.until > bindparam("now"),
).order_by(sponsorships.c.opened_at, sponsorships.c.id)


def begin(conn: Connection, sponsorship: Sponsorship, *, host: AccountRef, now: int) -> bool:
    """Move the cap from the host's account into a new sponsorship. False if this id was begun before.

    Raises `NotAllowed` if the channel has a sponsor already, `OutOfCredit` if the host has less than the cap.
    """
    if not owned_by_one(host.name):
        raise ValueError(f"{host.name} is not a member's account")
    if sponsorship.cap <= 0 or sponsorship.until <= now:
        raise ValueError("a sponsorship needs a positive cap and an end in the future")
    if by_id(conn, sponsorship.id) is not None:
        return False
    if (other := current(conn, sponsorship.channel_id, now)) is not None:
        raise NotAllowed(_("Someone is already sponsoring this channel until <t:{end}:f>.").format(end=other.until // 1000))
    balances = ledger.lock(conn, [host, sponsorship.account], now)
    source, target = balances[host.name], balances[sponsorship.account.name]
    if source.available < sponsorship.cap:
        cap, left = quota.with_unit(sponsorship.cap, up=True), quota.in_credits(source.available)
        raise OutOfCredit(_("You can't sponsor {cap}, because you only have {left}.").format(cap=cap, left=left))
    row = {name: getattr(sponsorship, name) for name in _ROW}
    conn.execute(insert(sponsorships).values({**row, "host_account": host.name, "state": SponsorshipState.OPEN}))
    transfers.move(conn, source, target, amount=sponsorship.cap, entry=Entry.SPONSOR, now=now, by_id=sponsorship.host_id)
    return True


def posted(conn: Connection, sponsorship_id: str, message_id: int, now: int) -> None:
    """Remember the first public message, which is changed if the sponsorship has ended by now."""
    unknown = and_(sponsorships.c.id == sponsorship_id, sponsorships.c.message_id.is_(None))
    known = conn.execute(update(sponsorships).where(unknown).values(message_id=message_id).returning(sponsorships.c.state)).scalar()
    if known == SponsorshipState.CLOSED:
        _show_end(conn, sponsorship_id, now)


def close(conn: Connection, sponsorship_id: str, now: int) -> int:
    """End a sponsorship and return what is not on hold to the host. Returns that amount; a repeated call returns what became free since.

    Its public message shows the end, and then what was covered in the end.
    """
    row = conn.execute(select(sponsorships).where(sponsorships.c.id == sponsorship_id).with_for_update()).one_or_none()
    if row is None:
        return 0
    if row.state == SponsorshipState.OPEN:
        closed = {"state": SponsorshipState.CLOSED, "closed_at": now}
        conn.execute(update(sponsorships).where(sponsorships.c.id == sponsorship_id).values(closed))
    accounts = [AccountRef(name=name, fills=None) for name in (sponsor_account(sponsorship_id), row.host_account)]
    balances = ledger.lock(conn, accounts, now)
    source, target = (balances[account.name] for account in accounts)
    if source.available > 0:
        transfers.move(conn, source, target, amount=source.available, entry=Entry.RETURN, now=now)
    if row.message_id is not None and (row.state == SponsorshipState.OPEN or source.available > 0):
        _show_end(conn, sponsorship_id, now)
    return source.available


def _show_end(conn: Connection, sponsorship_id: str, now: int) -> None:
    outbox.add(conn, OutboxItem(kind=ItemKind.SPONSOR, due_at=now, data={"sponsorship": sponsorship_id}))


def close_gone(conn: Connection, sponsorship: Sponsorship, now: int, *, server: str | None) -> int:
    """As `close`, because the channel is gone; its host is told by DM. Does nothing if it has ended before.

    `server`: the guild's name; None: the bot was removed from it.
    """
    if (found := by_id(conn, sponsorship.id)) is None or found.state is not SponsorshipState.OPEN:
        return 0
    returned = close(conn, sponsorship.id, now)
    data = {"server": server, "amount": returned}
    outbox.add(conn, OutboxItem(kind=ItemKind.TELL_HOST, due_at=now, user_id=sponsorship.host_id, data=data))
    return returned


def lock(conn: Connection, ids: Iterable[str]) -> None:
    """Lock these rows until the transaction ends. Call it before locking their accounts."""
    conn.execute(select(sponsorships.c.id).where(sponsorships.c.id.in_(list(ids))).order_by(sponsorships.c.id).with_for_update())


def due(conn: Connection, now: int) -> list[str]:
    """The ids of sponsorships to `close`: open ones past their end or used up, and closed ones with an amount to return."""
    used_up = exists().where(_ACCOUNT, accounts.c.available < _LEAST, accounts.c.held == 0)
    over = and_(sponsorships.c.state == SponsorshipState.OPEN, or_(sponsorships.c.until <= now, used_up))
    with_rest = select(func.substr(accounts.c.name, len(AccountKind.SPONSOR) + 2)).where(text(SPONSOR_LEFT))
    rest = and_(sponsorships.c.state == SponsorshipState.CLOSED, sponsorships.c.id.in_(with_rest))
    return list(conn.scalars(select(sponsorships.c.id).where(or_(over, rest)).order_by(sponsorships.c.id)))


def old(before: int) -> Expired:
    """Sponsorships that were to end before `before` (Unix ms), are closed and have nothing to return."""
    empty = exists().where(
        accounts.c.name == f"{AccountKind.SPONSOR}:" + sponsorships.c.id, accounts.c.available == 0, accounts.c.held == 0
    )
    return Expired(
        table=sponsorships,
        by=("until", "id"),
        among=sponsorships.c.state == SponsorshipState.CLOSED,
        until=sponsorships.c.until < before,
        where=empty,
    )


def current(conn: Connection, channel_id: int, now: int) -> Sponsorship | None:
    """The sponsorship that pays in a channel at `now`."""
    row = conn.execute(_CURRENT, {"channel": channel_id, "now": now}).mappings().first()
    return None if row is None else _sponsorship(dict(row))


def by_id(conn: Connection, sponsorship_id: str) -> Sponsorship | None:
    """A sponsorship, open or closed."""
    return next(iter(_read(conn, sponsorships.c.id == sponsorship_id)), None)


def of_host(conn: Connection, host_id: int) -> list[Sponsorship]:
    """A member's open sponsorships, oldest first."""
    return _read(conn, and_(sponsorships.c.host_id == host_id, sponsorships.c.state == SponsorshipState.OPEN))


def of_guild(conn: Connection, guild_id: int) -> list[Sponsorship]:
    """A guild's open sponsorships, oldest first."""
    return _read(conn, and_(sponsorships.c.guild_id == guild_id, sponsorships.c.state == SponsorshipState.OPEN))


def guilds(conn: Connection) -> set[int]:
    """The guilds with open sponsorships."""
    open_ = and_(sponsorships.c.guild_id.is_not(None), sponsorships.c.state == SponsorshipState.OPEN)
    return set(conn.scalars(select(sponsorships.c.guild_id).where(open_).distinct()))


def _read(conn: Connection, where: ColumnElement[bool]) -> list[Sponsorship]:
    rows = conn.execute(_READ.where(where).order_by(sponsorships.c.opened_at, sponsorships.c.id)).mappings()
    return [_sponsorship(dict(row)) for row in rows]


def _sponsorship(row: dict[str, Any]) -> Sponsorship:
    return Sponsorship(**{**row, "state": SponsorshipState(row["state"])})
