"""Helpers for tests of money: accounts in whole credits, orders paid from them, balances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, event

from bot.domain.job import Job
from bot.domain.money.accounts import AccountRef, member_account, pool_account
from bot.domain.money.payment import Payment, monthly_budget
from bot.domain.money.quota import MICRO, Bucket, Limit
from bot.store import jobs
from bot.store.engine.base import Store
from bot.store.money import audit, ledger
from tests.env.jobs import new_job

GUILD = 1


def bucket(credits_: int, *, a_day: int = 0) -> Bucket:
    return Bucket(size=credits_ * MICRO, refill_per_day=a_day * MICRO)


def member(user_id: int = 7, credits_: int = 10, *, a_day: int = 0, guild_id: int = GUILD) -> AccountRef:
    return AccountRef(name=member_account(guild_id, user_id), fills=bucket(credits_, a_day=a_day))


def pool(credits_: int = 10, *, guild_id: int = GUILD) -> AccountRef:
    return AccountRef(name=pool_account(guild_id), fills=bucket(credits_))


def budget(credits_: int, *, guild_id: int = GUILD, now: int = 0) -> AccountRef:
    return monthly_budget(guild_id, credits_ * MICRO, now)


def slow(credits_: int = 10, *, reserve: int = 0, guild_id: int = GUILD) -> dict[str, Any]:
    """A payment's arguments for a slow lane."""
    return {"slow_lane": pool(credits_, guild_id=guild_id), "reserve": reserve * MICRO}


async def order(store: Store, payment: Payment, job: Job | None = None, *, max_waiting: int = 1000) -> Job:
    """Store the given job, or one of one credit."""
    job = job or new_job()
    return await store.write(jobs.add, job, (), payment=payment, max_waiting=max_waiting, now=job.created_at)


async def has(store: Store, account: AccountRef, *, now: int = 0) -> tuple[float, float, float]:
    """Available, held, spent, in credits."""
    fills = account.fills or Limit(size=0)
    it = await store.read(ledger.statement, account=account.name, bucket=fills, now=now)
    return it.available / MICRO, it.held / MICRO, it.spent / MICRO


async def findings(store: Store) -> tuple[str, ...]:
    """The sentences of the ledger audit."""
    return (await store.read(audit.prove)).wrong


class TornError(Exception):
    """An operation was interrupted, as by a full disk or a lost connection."""


def torn(conn: Connection, statements: int, op: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run `op`, interrupted after `statements` statements. Raises `TornError` if it needs more than that."""
    left = [statements]

    def count(*_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise TornError

    event.listen(conn, "before_cursor_execute", count)
    try:
        return op(conn, *args, **kwargs)
    finally:
        event.remove(conn, "before_cursor_execute", count)
