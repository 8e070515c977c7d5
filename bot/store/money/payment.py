"""The price of an order is held in the transaction that takes it in, with every account that may be asked locked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from bot.domain.money.payment import Charge, Funds, Payment, decide
from bot.store.money import ledger, sponsorships


def pay(conn: Connection, payment: Payment, amounts: Sequence[tuple[str, int, int]], now: int) -> Charge:
    """Hold the amounts, each for a (job_id, n, amount), in all accounts or in none. Raises OutOfCredit."""
    payment = with_sponsor(conn, payment, now)
    balances = ledger.lock(conn, payment.accounts, now)  # all of them before any is looked at
    paid = decide(payment, balances, price=sum(amount for _job, _n, amount in amounts), now=now)
    ledger.hold(conn, [balances[name] for name in paid.accounts], amounts, now)
    return paid


def with_sponsor(conn: Connection, payment: Payment, now: int) -> Payment:
    """The payment with whoever sponsors its channel now, if anybody does."""
    found = None if payment.sponsored_in is None else sponsorships.current(conn, payment.sponsored_in, now)
    return replace(payment, sponsor=None if found is None else found.account)


def funds_of(conn: Connection, payment: Payment, now: int) -> dict[str, Funds]:
    """What each account that may be asked has now, by name; nothing is locked."""
    known = [(account.name, account.fills) for account in payment.accounts if account.fills is not None]
    return {account: ledger.statement(conn, account=account, bucket=fills, now=now, lines=0) for account, fills in known}
