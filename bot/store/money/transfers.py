"""Grants, rewards and gifts. Each is booked once, however often its event is delivered.

Members give away only what they were granted or given (`check_giveable`), never the credits that everybody gets: a second account would
otherwise double them.

`key` identifies the action: an interaction, or a message with a member and an emoji. The same key is never booked again.
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
    """Create `amount` in an account, even above the bucket's size: a manager's grant, or with `entry` a gallery reward.

    False if this key was booked before. Raises `InvalidRequest` unless the amount is positive.
    """
    if kind_of(to.name) in (AccountKind.BUDGET, AccountKind.SPONSOR):
        raise ValueError(f"{to.name} cannot receive a grant")
    _check_amount(amount)
    balance = ledger.lock(conn, [to], now)[to.name]
    if was_done(conn, key):
        return False
    ledger.book(conn, [(balance, [ledger.line(entry, available=amount, by_id=by_id, note=note, key=key)])], now)
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
    """Move `amount` from one member to another. False if this key was booked before.

    Raises what `check_gift` does, or `OutOfCredit`.
    """
    check_gift(giver, receiver, amount)
    balances = ledger.lock(conn, [giver, receiver], now)
    if was_done(conn, key):
        return False
    source, target = balances[giver.name], balances[receiver.name]
    if source.available < amount:
        wanted, left = quota.with_unit(amount, up=True), quota.in_credits(source.available)
        raise OutOfCredit(_("You can't give {wanted}, because you only have {left}.").format(wanted=wanted, left=left))
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
    """Move an amount between two locked accounts. Raises `OutOfCredit` if the source has too little."""
    out = ledger.line(entry, available=-amount, other=target.account.name, by_id=by_id, note=note, key=key)
    into = ledger.line(entry, available=amount, other=source.account.name, by_id=by_id, note=note, key=key)
    ledger.book(conn, [(source, [out]), (target, [into])], now)


def check_gift(giver: AccountRef, receiver: AccountRef, amount: int) -> None:
    """Raise `InvalidRequest` (amount) or `NotAllowed` (to oneself, or into another guild's accounts)."""
    _check_amount(amount)
    if giver.name == receiver.name:
        raise NotAllowed(_("You can't give credits to yourself."))
    if not owned_by_one(giver.name) or not owned_by_one(receiver.name) or transfer_group_of(giver.name) != transfer_group_of(receiver.name):
        raise NotAllowed(_("You can't give credits to this member, because one of you uses this server's shared pool."))


def check_giveable(conn: Connection, account: str, amount: int) -> None:
    """Raise `OutOfCredit` if less than `amount` came into a member's account from managers and members."""
    left = max(0, ledger.earned(conn, account))
    if left < amount:
        if not left:
            raise OutOfCredit(_("You have no credits to give here. Only credits you were granted or given can be passed on."))
        sentence = _("You can give {left} here. Only credits you were granted or given can be passed on.")
        raise OutOfCredit(sentence.format(left=quota.with_unit(left)))


def was_done(conn: Connection, key: str) -> bool:
    """Whether this key was booked. Reliable only while the accounts of the action are locked."""
    return conn.scalar(select(lines.c.id).where(lines.c.key == key).limit(1)) is not None


def _check_amount(amount: int) -> None:
    if amount <= 0:
        raise InvalidRequest(_("Enter a number of credits above 0."))
