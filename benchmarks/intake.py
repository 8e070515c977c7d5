"""How many orders per second the store takes in from 50 tasks, beside the database's driver alone.

python -m benchmarks.intake [--quick]

An order is a job with one generation, paid from a member's account and counted in the guild's budget. The driver runs the same
statements on one connection, in one transaction per order. Both wait for the disk (the one of the current folder).
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import Table

from benchmarks.measure import Row, percentile, show
from bot.domain.job import Job
from bot.domain.money.accounts import AccountRef, user_account
from bot.domain.money.payment import Payment, monthly_budget, monthly_limit
from bot.domain.money.quota import MICRO, Bucket
from bot.store import jobs, tables
from bot.store.engine.base import Store
from bot.store.engine.opening import migrate, open_store
from bot.store.money import audit
from bot.store.rows import generation_row, job_row
from tests.env.databases import Postgres, start
from tests.env.jobs import new_job

TASKS = 50
ORDERS = 2000  # in each turn
MEMBERS = 1000
_BUCKET = Bucket(size=1_000_000 * MICRO, refill_per_day=0)
_PRODUCTION = ("fsync = on", "full_page_writes = on", "synchronous_commit = on", "autovacuum = on", "max_connections = 100")
_numbers = count()


@dataclass(frozen=True, kw_only=True)
class PaidJob:
    """What the store is given."""

    job: Job
    payment: Payment


@dataclass(frozen=True, kw_only=True)
class Turn:
    """How fast one side was."""

    per_s: float
    p99_ms: float


Raw = Callable[[list[PaidJob]], Awaitable[Turn]]


def orders(guilds: int, many: int | None = None) -> list[PaidJob]:
    """Orders by different members, whose accounts and budgets exist once each has ordered."""
    made = []
    for n in (next(_numbers) for _ in range(many or ORDERS)):
        member, guild = 1 + n % MEMBERS, 1 + n % guilds
        job = new_job(member=member, params={"steps": 4, "aspect_ratio": "1:1"})
        job = replace(job, place=replace(job.place, guild_id=guild), generations=tuple(replace(g, guild_id=guild) for g in job.generations))
        payer = AccountRef(name=user_account(member), fills=_BUCKET)
        made.append(
            PaidJob(
                job=job,
                payment=Payment(
                    payer=payer, budget=monthly_budget(guild, 10**9 * MICRO, 1000), operator=monthly_limit(10**9 * MICRO, 1000)
                ),
            )
        )
    return made


# --- the driver alone ------------------------------------------------------------------------------------------------

_WAITING = "SELECT count(*) FROM generations WHERE user_id = ? AND state = 'waiting'"
_READ = f"SELECT name, available, held, spent, as_of, ({_WAITING}) FROM accounts WHERE name IN (?, ?, ?) ORDER BY name"  # noqa: S608
_CHARGE = "UPDATE accounts SET available = available + ?, held = held + ?, spent = spent + ?, as_of = ? WHERE name = ? AND available >= ?"
_LINE = "INSERT INTO ledger (account, at, entry, available, held, spent, job_id, n) VALUES (?, ?, 'hold', ?, ?, 0, ?, ?)"


def statements(order: PaidJob) -> list[tuple[str, list[tuple[Any, ...]]]]:
    """The statements of one intake, and for each the values of its executions."""
    (made,) = order.job.generations
    payer, budget, operator = (account.name for account in order.payment.accounts)
    price, ends = made.price, (made.job_id, made.n)
    values = {**generation_row(made), "account": payer, "budget": budget, "operator": operator}
    return [
        (_READ, [(made.user_id, payer, budget, operator)]),
        (_CHARGE, [(-price, price, 0, 1000, name, price) for name in (payer, budget, operator)]),
        (_LINE, [(name, 1000, -price, price, *ends) for name in (payer, budget, operator)]),
        _insertion(tables.jobs, job_row(order.job)),
        _insertion(tables.generations, values),
    ]


def _insertion(table: Table, row: dict[str, Any]) -> tuple[str, list[tuple[Any, ...]]]:
    values = (row[column.name] for column in table.columns)
    plain = tuple(json.dumps(v) if isinstance(v, dict) else str(v) if isinstance(v, str) else v for v in values)
    return f"INSERT INTO {table.name} ({', '.join(table.columns.keys())}) VALUES ({', '.join('?' * len(plain))})", [plain]  # noqa: S608


def numbered(sql: str) -> str:
    """The same statement with PostgreSQL's numbered parameters."""
    first, *rest = sql.split("?")
    return first + "".join(f"${n}{part}" for n, part in enumerate(rest, 1))


def raw_sqlite(path: Path, them: list[PaidJob]) -> Turn:
    prepared = [statements(order) for order in them]
    took: list[float] = []
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            conn.execute(f"PRAGMA {pragma}")
        start = time.perf_counter()
        for each in prepared:
            before = time.perf_counter()
            conn.execute("BEGIN IMMEDIATE")
            for sql, values in each:
                if sql.startswith("SELECT"):
                    conn.execute(sql, values[0]).fetchall()
                else:
                    conn.executemany(sql, values)
            conn.execute("COMMIT")
            took.append(time.perf_counter() - before)
        return _turn(took, time.perf_counter() - start)


async def raw_postgres(url: str, them: list[PaidJob]) -> Turn:
    prepared = [[(numbered(sql), values) for sql, values in statements(order)] for order in them]
    took: list[float] = []
    conn = await asyncpg.connect(url)
    try:
        start = time.perf_counter()
        for each in prepared:
            before = time.perf_counter()
            async with conn.transaction():
                for sql, values in each:
                    if sql.startswith("SELECT"):
                        await conn.fetch(f"{sql} FOR UPDATE", *values[0])
                    elif len(values) == 1:
                        await conn.execute(sql, *values[0])
                    else:
                        await conn.executemany(sql, values)
            took.append(time.perf_counter() - before)
        return _turn(took, time.perf_counter() - start)
    finally:
        await conn.close()


# --- this store ------------------------------------------------------------------------------------------------------


async def this_store(store: Store, them: list[PaidJob]) -> Turn:
    """TASKS members, each of whom orders again as soon as the last order is durable."""
    left, took = iter(them), list[float]()

    async def member() -> None:
        for order in left:
            before = time.perf_counter()
            await store.write(jobs.add, order.job, (), payment=order.payment, max_waiting=1000, now=1000)
            took.append(time.perf_counter() - before)

    start = time.perf_counter()
    await asyncio.gather(*(member() for _ in range(TASKS)))
    return _turn(took, time.perf_counter() - start)


def _turn(took: list[float], in_s: float) -> Turn:
    return Turn(per_s=len(took) / in_s, p99_ms=percentile(took, 99) * 1000)


# --- both ------------------------------------------------------------------------------------------------------------


def rows(rounds: int) -> list[Row]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="easel-bench-", dir=".")))
        path = folder / "easel.sqlite3"
        asyncio.run(migrate(f"sqlite:///{path}"))
        raw = partial(asyncio.to_thread, raw_sqlite, path)
        measured = asyncio.run(compare("SQLite", f"sqlite:///{path}", raw, name="sqlite3", guilds=1, rounds=rounds, goal=1.0, goal_ms=20))
        server = production_postgres(stack)
        for guilds in (1, 50):
            url, what = server.create(), f"PostgreSQL, {guilds} server{'s' if guilds > 1 else ''}"
            raw = partial(raw_postgres, url)
            measured += asyncio.run(compare(what, url, raw, name="asyncpg", guilds=guilds, rounds=rounds, goal=1.5, goal_ms=None))
    return measured


async def compare(what: str, url: str, raw: Raw, *, name: str, guilds: int, rounds: int, goal: float, goal_ms: float | None) -> list[Row]:
    """The driver and the store by turns. Raises `RuntimeError` if the rows are wrong afterwards."""
    per_s = Row(what=f"orders per second, {what}", unit="/s", anchor_name=name, goal=goal, direction="at least", relative=True)
    p99 = Row(what=f"an order's p99, {what}", unit="ms", goal=goal_ms)
    async with open_store(url) as store:
        await this_store(store, orders(guilds, MEMBERS))  # opens the accounts
        await store.write(lambda conn: conn.exec_driver_sql("ANALYZE"))  # PostgreSQL plans for what it knows of the tables
        for _ in range(rounds):
            driver, easel = await raw(orders(guilds)), await this_store(store, orders(guilds))
            per_s.anchor.append(driver.per_s)
            per_s.value.append(easel.per_s)
            p99.value.append(easel.p99_ms)
        proof = await store.read(audit.prove)
        if (proof.wrong, proof.images) != ((), MEMBERS + 2 * rounds * ORDERS):
            raise RuntimeError(f"the rows are wrong: {proof}")
    return [per_s, p99]


def production_postgres(stack: ExitStack) -> Postgres:
    """A server that waits for the disk, and takes as many connections as PostgreSQL does by default."""
    folder = Path(tempfile.mkdtemp(prefix="easel-pg-", dir="/tmp"))  # a socket's path must be short
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    server = Postgres(start(folder, stack))
    for setting in _PRODUCTION:
        server.sql(f"ALTER SYSTEM SET {setting}")
    server.restart()
    return server


if __name__ == "__main__":
    ORDERS = 500 if "--quick" in sys.argv else ORDERS
    sys.stdout.write(show(rows(1 if "--quick" in sys.argv else 3)))
