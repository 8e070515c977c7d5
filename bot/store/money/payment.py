"""Who pays for an order, and what holds its price there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from bot.domain.money.payment import Charge, Funds, Payment, decide
from bot.store.engine.statements import Change
from bot.store.money import ledger, sponsorships
from bot.store.money.ledger import Balance


def pay(
    payment: Payment, balances: Mapping[str, Balance], amounts: Sequence[tuple[str, int, int]], now: int
) -> tuple[Charge, list[Change]]:
    """Decide who pays, given the locked balances of all that may. Returns the changes that hold each (job_id, n, amount) there.

    Raises `OutOfCredit`.
    """
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
