"""Holds the price of an order, in the transaction that stores it and with every account that may pay locked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from bot.domain.money.payment import Charge, Funds, Payment, decide
from bot.store.engine.statements import Change
from bot.store.money import ledger, sponsorships


def pay(conn: Connection, payment: Payment, amounts: Sequence[tuple[str, int, int]], now: int) -> tuple[Charge, list[Change]]:
    """Decide who pays. Returns the changes, for `write`, that hold each (job_id, n, amount) there. Raises `OutOfCredit`."""
    payment = with_sponsor(conn, payment, now)
    balances = ledger.lock(conn, payment.accounts, now)  # lock all of them before reading any
    paid = decide(payment, balances, price=sum(amount for _job, _n, amount in amounts), now=now)
    return paid, ledger.hold([balances[name] for name in paid.accounts], amounts, now)


def with_sponsor(conn: Connection, payment: Payment, now: int) -> Payment:
    """The payment with its channel's current sponsor, if there is one."""
    if payment.sponsored_in is None:
        return payment
    found = sponsorships.current(conn, payment.sponsored_in, now)
    return replace(payment, sponsor=None if found is None else found.account)


def funds_of(conn: Connection, payment: Payment, now: int) -> dict[str, Funds]:
    """The statement of each account that may pay, by name, without locks."""
    known = [(account.name, account.fills) for account in payment.accounts if account.fills is not None]
    return {account: ledger.statement(conn, account=account, bucket=fills, now=now, lines=0) for account, fills in known}
