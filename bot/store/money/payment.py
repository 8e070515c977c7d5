"""Who pays for an order, and what holds its price there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from bot.domain.money.payment import Charge, Funds, Payment, decide
from bot.store.engine.statements import Change
from bot.store.money import ledger, sponsorships
from bot.store.money.ledger import Balance

Charged = tuple[str, int, int, int]  # of an image: its job's id, its number, its price and its cost in microcredits


def pay(payment: Payment, balances: Mapping[str, Balance], images: Sequence[Charged], now: int) -> tuple[Charge, list[Change]]:
    """Decide who pays, given the locked balances of all that may. Returns the changes that hold the images' prices and costs there.

    Raises `OutOfCredit`.
    """
    paid = decide(payment, balances, price=sum(image[2] for image in images), cost=sum(image[3] for image in images), now=now)
    amounts = defaultdict[str, list[tuple[str, int, int]]](list)
    for job_id, n, price, cost in images:
        for name, amount in paid.amounts(price, cost).items():
            amounts[name].append((job_id, n, amount))
    return paid, ledger.hold([(balances[name], each) for name, each in amounts.items()], now)


def with_accounts(conn: Connection, payment: Payment, now: int) -> Payment:
    """The payment with its channel's sponsor, and without the granted credits if there are none."""
    granted = payment.granted if payment.granted is not None and ledger.exists(conn, payment.granted.name) else None
    return with_sponsor(conn, replace(payment, granted=granted), now)


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
