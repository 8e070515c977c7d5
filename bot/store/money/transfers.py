"""Money that changes hands without an image: grants, rewards, gifts. Each is booked once, however often its event comes.

`key` names the deed: an interaction, or a message with a member and an emoji. A key that was booked is never booked again.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from bot.core.errors import InvalidRequest, NotAllowed, OutOfCredit
from bot.core.i18n import _
from bot.domain.money import quota
from bot.domain.money.accounts import AccountKind, AccountRef, kind_of, owned_by_one, transfer_group_of
from bot.domain.money.ledger import Entry
from bot.store.money import ledger
from bot.store.money.ledger import Balance
from bot.store.tables import ledger as lines


def grant(
    conn: Connection,
    *,
    to: AccountRef,
    amount: int,
    key: str,
    now: int,
    by_id: int | None = None,
    note: str | None = None,
    entry: Entry = Entry.GRANT,
) -> bool:
    """Give `amount` from nothing, above the bucket's size too: a manager's grant, or with `entry` the gallery's reward.

    False where this key was booked before. Raises InvalidRequest unless the amount is positive.
    """
    if kind_of(to.name) in (AccountKind.BUDGET, AccountKind.SPONSOR):
        raise ValueError(f"nobody grants to {to.name}")
    _check_amount(amount)
    balance = ledger.lock(conn, [to], now)[to.name]
    if was_done(conn, key):
        return False
    ledger.book(conn, balance, [ledger.line(entry, available=amount, by_id=by_id, note=note, key=key)], now)
    return True


def gift(
    conn: Connection,
    *,
    giver: AccountRef,
    receiver: AccountRef,
    amount: int,
    key: str,
    now: int,
    by_id: int | None = None,
    note: str | None = None,
) -> bool:
    """A member gives to another, at most what they have. False where this key was booked before.

    Raises InvalidRequest (amount), NotAllowed (to oneself, or into another server's accounts) or OutOfCredit.
    """
    _check_amount(amount)
    if giver.name == receiver.name:
        raise NotAllowed(_("You cannot give credits to yourself."))
    if not owned_by_one(giver.name) or not owned_by_one(receiver.name) or transfer_group_of(giver.name) != transfer_group_of(receiver.name):
        raise NotAllowed(_("Credits can only be given to members whose credits count in the same place as yours."))
    balances = ledger.lock(conn, [giver, receiver], now)
    if was_done(conn, key):
        return False
    source, target = balances[giver.name], balances[receiver.name]
    if source.available < amount:
        wanted, left = quota.in_credits(amount, up=True), quota.in_credits(source.available)
        raise OutOfCredit(_("You wanted to give {wanted} credits and have {left} left.").format(wanted=wanted, left=left))
    move(conn, source, target, amount=amount, entry=Entry.GIFT, key=key, now=now, by_id=by_id, note=note)
    return True


def move(
    conn: Connection,
    source: Balance,
    target: Balance,
    *,
    amount: int,
    entry: Entry,
    now: int,
    key: str | None = None,
    by_id: int | None = None,
    note: str | None = None,
) -> None:
    """One locked account's money into another's. Raises OutOfCredit where there is too little."""
    giver, receiver = source.account.name, target.account.name
    ledger.book(conn, source, [ledger.line(entry, available=-amount, other=receiver, by_id=by_id, note=note, key=key)], now)
    ledger.book(conn, target, [ledger.line(entry, available=amount, other=giver, by_id=by_id, note=note, key=key)], now)


def was_done(conn: Connection, key: str) -> bool:
    """Whether the deed was booked. Sure only once the accounts that it touches are locked."""
    return conn.scalar(select(lines.c.id).where(lines.c.key == key).limit(1)) is not None


def _check_amount(amount: int) -> None:
    if amount <= 0:
        raise InvalidRequest(_("amount: a number of credits above 0 is needed."))
