"""Jobs that a benchmark puts into the store, as members would have ordered them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

from benchmarks.discord_standin import APPLICATION_ID, USERS, channel_id, guild_id, user_id
from bot.domain.job import TOKEN_LIFE_MS, Generation, GenerationState, Job, JobKind, JobState, ReplyTarget
from bot.domain.money.accounts import AccountRef, user_account
from bot.domain.money.payment import Payment
from bot.domain.money.quota import MICRO, Bucket
from bot.store import jobs
from bot.store.engine.opening import open_store

MODEL = "oxen/black-forest-labs-flux-2-klein-4b"
_BUCKET = Bucket(size=1_000_000 * MICRO, refill_per_day=20 * MICRO)
_AT_ONCE = 500  # jobs in one write


def write_waiting(folder: Path, count: int) -> Path:
    """Write a database with `count` jobs whose one generation waits to be sent. Their members have had their first answer."""
    path = folder / "waiting.sqlite3"
    asyncio.run(_write(path, count))
    return path


async def _write(path: Path, count: int) -> None:
    now = int(time.time() * 1000)
    async with open_store(f"sqlite:///{path}") as store:
        for first in range(0, count, _AT_ONCE):
            await store.write(add_jobs, [waiting_job(n, now) for n in range(first, min(first + _AT_ONCE, count))], now)


def waiting_job(number: int, now: int) -> Job:
    user = number % USERS
    guild = guild_id(user)
    place = ReplyTarget(
        user_id=user_id(user),
        channel_id=channel_id(guild),
        guild_id=guild,
        message_id=10**16 + number,
        application_id=APPLICATION_ID,
        token=f"inserted-{number}",
        token_expires_at=now + TOKEN_LIFE_MS,
    )
    job_id, prompt = f"bench{number:07d}", f"a red fox inserted-{number}"
    generation = Generation(
        job_id=job_id, n=0, model=MODEL, prompt=prompt, seed=number, params={}, price=MICRO, cost=MICRO, state=GenerationState.WAITING,
        user_id=place.user_id, guild_id=guild, created_at=now, provider="oxen", api_model=MODEL.partition("/")[2],
    )  # fmt: skip
    return Job(
        id=job_id, kind=JobKind.GENERATE, model=MODEL, prompt=prompt, params={}, place=place, state=JobState.OPEN, created_at=now,
        generations=(generation,),
    )  # fmt: skip


def add_jobs(conn: Connection, added: Sequence[Job], now: int) -> None:
    for job in added:
        payer = AccountRef(name=user_account(job.place.user_id), fills=_BUCKET)
        jobs.add(conn, job, (), payment=Payment(payer=payer), max_waiting=1_000_000, now=now)
