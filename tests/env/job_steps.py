"""Helpers that move jobs in a store through their states, and check its invariants."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, true

from bot.domain.job import Generation, GenerationState, Job, JobState
from bot.domain.money.accounts import AccountRef, user_account
from bot.domain.money.payment import Payment
from bot.domain.money.quota import DAY_MS, MICRO, Bucket
from bot.store import jobs, steps, tables
from bot.store.cluster import processes
from bot.store.cluster.processes import Newcomer
from bot.store.engine.base import Store
from bot.store.engine.statements import write
from bot.store.money import audit, ledger
from bot.store.money.payment import pay
from bot.store.rows import read_generations, read_jobs
from bot.store.tables import ledger as lines
from tests.env.jobs import TEN


def own(user_id: int, bucket: Bucket) -> Payment:
    """Payment from the member's own account only."""
    return Payment(payer=AccountRef(name=user_account(user_id), fills=bucket))


def hold(conn: Connection, payment: Payment, amounts: Sequence[tuple[str, int, int]], now: int) -> None:
    """Hold each (job_id, n, amount), without a job."""
    images = [(job_id, n, amount, amount) for job_id, n, amount in amounts]
    _charge, holds = pay(payment, ledger.lock(conn, payment.accounts, now), images, now)
    write(conn, *holds)


async def restart(store: Store, now: int) -> int:
    """Begin a process, after all before it have died. Returns its id."""
    newcomer = Newcomer(name="test", home="", release="1", lease_ms=20_000)
    joined = await store.write(processes.join, newcomer, now, gone_homes=(), is_alone=True)
    store.process_id = joined.id
    return joined.id


async def order(store: Store, job: Job, *, bucket: Bucket = TEN, max_waiting: int = 8) -> Job:
    """Add the job, paid from its member's own account."""
    payment = own(job.place.user_id, bucket)
    return await store.write(jobs.add, job, (), payment=payment, max_waiting=max_waiting, now=job.created_at)


async def run(store: Store, job: Job, *, now: int = 2000) -> Job:
    """Mark all generations as accepted by the image API, with the ids `<job>/<n>`."""
    for generation in job.generations:
        await store.write(steps.start, job.id, generation.n, now)
        await store.write(steps.accept, job.id, generation.n, f"{job.id}/{generation.n}")
    return job


async def seen(store: Store, job: Job) -> Job:
    """The job from the store."""
    kept = await store.read(jobs.get, job.id)
    assert kept is not None
    return kept


def in_state(conn: Connection, state: JobState) -> list[Job]:
    """All jobs in one state, oldest first."""
    return read_jobs(conn, tables.jobs.c.state == state)


def generations_in(conn: Connection, state: GenerationState) -> list[Generation]:
    """All generations in one state, oldest first."""
    return read_generations(conn, tables.generations.c.state == state)


async def states(store: Store, job: Job) -> list[GenerationState]:
    return [generation.state for generation in (await seen(store, job)).generations]


async def money(store: Store, member: int = 7, *, bucket: Bucket = TEN) -> tuple[float, float, float]:
    """(available, held, spent) in credits."""
    it = await store.read(ledger.statement, account=user_account(member), bucket=bucket, now=0)
    return it.available / MICRO, it.held / MICRO, it.spent / MICRO


async def check_usage(store: Store) -> None:
    """The usage of each day equals what the generations say. Only while all of them are kept."""
    counted, found = await store.read(_usage)
    assert counted == found


def _usage(conn: Connection) -> tuple[dict[tuple[Any, ...], tuple[int, ...]], dict[tuple[Any, ...], tuple[int, ...]]]:
    counted = {tuple(row[:5]): tuple(row[5:]) for row in conn.execute(select(tables.daily_usage))}
    found = defaultdict[tuple[Any, ...], tuple[int, ...]](lambda: (0,) * 6)
    for g in read_generations(conn, true()):
        made, failed = g.state is GenerationState.SUCCEEDED, g.state is GenerationState.FAILED
        corrected = 0 if g.billed is None else g.billed - made * g.cost
        amounts = (
            int(made),
            int(failed),
            made * g.price,
            made * g.price * (g.refunded_at is not None),
            made * g.cost + corrected,
            corrected,
        )
        if any(amounts):
            key = (g.guild_id or 0, (g.ended_at or 0) // DAY_MS, g.user_id, g.model, g.provider)
            found[key] = tuple(map(sum, zip(found[key], amounts, strict=True)))
    return counted, found


async def entries(store: Store) -> Counter[tuple[str, int, str]]:
    """How often each (job, n, entry) was booked."""
    rows = await store.read(lambda conn: conn.execute(select(lines.c.job_id, lines.c.n, lines.c.entry).where(lines.c.n.is_not(None))).all())
    return Counter((row.job_id, row.n, row.entry) for row in rows)


async def check_ledger(store: Store) -> None:
    """Assert that the ledger audit finds nothing wrong, and that jobs are open exactly as long as one of their generations."""
    assert (await store.read(audit.prove)).wrong == ()
    for state in JobState:
        for job in await store.read(in_state, state):
            assert (job.state is JobState.OPEN) == bool(job.open)
