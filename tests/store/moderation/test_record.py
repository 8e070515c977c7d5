"""A member's record for moderators: sums, the latest images, reports."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.domain.job import Job, ReplyTarget
from bot.domain.moderation.cases import Report
from bot.domain.moderation.conduct import LATELY_DAYS, UsageSum
from bot.domain.money.quota import DAY_MS, MICRO
from bot.store import delivery, jobs, steps, tables
from bot.store.engine.base import Store
from bot.store.moderation import record, reports
from tests.env.job_steps import own
from tests.env.jobs import FAILED, SUCCEEDED, TEN, new_job

ADA, BEN, HERE, ELSEWHERE = 7, 8, 1, 2


MONTH_MS = LATELY_DAYS * DAY_MS


async def ended(store: Store, *, now: int = 1000, outcome: Any = SUCCEEDED, private: bool = False, guild_id: int = HERE) -> Job:
    """A job of Ada's with this outcome."""
    job = new_job(now=now, place=ReplyTarget(user_id=ADA, channel_id=5, guild_id=guild_id, private=private))
    await store.write(jobs.add, job, (), payment=own(ADA, TEN), max_waiting=50, now=now)
    await store.write(steps.start, job.id, 0, now)
    await store.write(steps.settle, job.id, 0, outcome, now)
    return job


async def test_sums_count_finished_images_in_this_guild(store: Store) -> None:
    for more in ({}, {"now": DAY_MS}, {"private": True, "now": DAY_MS}, {"outcome": FAILED}, {"guild_id": ELSEWHERE}):
        await ended(store, **more)
    await store.write(lambda conn: conn.execute(tables.jobs.delete()))  # the sums stay
    found = await store.read(record.of_member, ADA, HERE, now=MONTH_MS + DAY_MS)
    assert (found.lately, found.ever) == (UsageSum(images=2, spent=2 * MICRO), UsageSum(images=3, spent=3 * MICRO))


async def test_the_latest_images_are_those_that_others_can_see(store: Store) -> None:
    old, new = await ended(store), await ended(store, now=2000)
    gone = await ended(store, now=3000)
    await store.write(delivery.mark_deleted, gone.id)
    await ended(store, now=4000, private=True)
    await ended(store, now=5000, outcome=FAILED)
    found = await store.read(record.of_member, ADA, HERE, now=MONTH_MS)
    assert [job.id for job in found.latest] == [new.id, old.id]


async def test_reports_are_about_the_author_in_this_guild(store: Store) -> None:
    about = Report(at=1, channel_id=5, message_id=6, user_id=BEN, reason="too red", guild_id=HERE, author_id=ADA)
    for report in (about, about, replace(about, guild_id=ELSEWHERE, message_id=9), replace(about, author_id=BEN, message_id=10)):
        await store.write(reports.add, report)
    assert (await store.read(record.of_member, ADA, HERE, now=MONTH_MS)).reports == (about,)


async def test_a_member_without_jobs_has_an_empty_record(store: Store) -> None:
    found = await store.read(record.of_member, BEN, HERE, now=MONTH_MS)
    assert (found.lately, found.ever, found.latest, found.reports) == (UsageSum(images=0, spent=0), UsageSum(images=0, spent=0), (), ())
