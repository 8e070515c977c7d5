"""Usage statistics of a guild, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import partial
from importlib import import_module
from typing import Any

import pytest
from sqlalchemy import text

from bot.domain.job import Outcome, ReplyTarget
from bot.domain.money.payment import Payment
from bot.domain.money.quota import DAY_MS, MICRO
from bot.domain.money.usage import GroupBy, UsageRow, as_csv, total
from bot.domain.preferences import Preferences
from bot.store import documents, steps, usage
from bot.store.engine.base import Store
from bot.store.money import bill
from bot.store.privacy import erase
from bot.store.tables import daily_usage, jobs
from tests.env.job_steps import check_usage, run
from tests.env.jobs import CANCELLED, FAILED, SUCCEEDED, new_job
from tests.store.money.accounts import budget, has, member, order

ALL: dict[str, Any] = {"since": 0, "until": 100 * DAY_MS}


async def made(store: Store, *outcomes: Outcome, user: int = 7, guild: int = 1, model: str = "klein", day: int = 0) -> str:
    """A job at two credits per image whose generations ended with these outcomes."""
    place = ReplyTarget(user_id=user, channel_id=5, guild_id=guild)
    job = new_job(member=user, images=len(outcomes), price=2 * MICRO, place=place, model=model)
    await run(store, await order(store, Payment(payer=member(user, 100), budget=budget(1000, guild_id=guild)), job))
    for n, outcome in enumerate(outcomes):
        await store.write(steps.settle, job.id, n, outcome, day * DAY_MS + 5000)
    return job.id


def _replace(preferences: Preferences, _before: Preferences) -> Preferences:
    return preferences


@pytest.fixture(autouse=True)
async def a_busy_week(store: Store) -> None:
    await made(store, SUCCEEDED, SUCCEEDED, FAILED)
    await made(store, SUCCEEDED, CANCELLED, model="dev", day=1)
    await store.write(steps.refund, await made(store, SUCCEEDED, user=8, day=1), 0, DAY_MS + 6000)
    await made(store, CANCELLED, user=9)
    await made(store, SUCCEEDED, guild=2)


async def test_a_guild_s_total_cost_is_what_its_budget_has_spent(store: Store) -> None:
    (whole,) = await store.read(usage.use, 1, **ALL)
    assert whole == UsageRow(images=4, failed=1, price=8 * MICRO, refunded=2 * MICRO, cost=8 * MICRO)
    assert (await has(store, budget(1000)))[2] == 8
    assert whole.usd(0.01) == "0.0800"


async def test_members_are_listed_most_expensive_first(store: Store) -> None:
    found = await store.read(usage.use, 1, **ALL, by=[GroupBy.MEMBER])
    assert [(each.user_id, each.images, each.cost // MICRO) for each in found] == [(7, 3, 6), (8, 1, 2)]


async def test_the_sum_of_all_rows_is_the_guild_s_total(store: Store) -> None:
    (whole,) = await store.read(usage.use, 1, **ALL)
    for by in GroupBy:
        assert total((await store.read(usage.report, 1, **ALL, by=by, series_max=8))[0]) == whole


async def test_days_are_listed_earliest_first_with_their_models(store: Store) -> None:
    found = await store.read(usage.use, 1, **ALL, by=[GroupBy.DAY, GroupBy.MODEL])
    assert [(each.day, each.model, each.images) for each in found] == [
        (date(1970, 1, 1), "klein", 2), (date(1970, 1, 2), "dev", 1), (date(1970, 1, 2), "klein", 1),
    ]  # fmt: skip


async def test_a_report_s_days_name_the_first_groups_and_sum_the_others(store: Store) -> None:
    rows, daily = await store.read(usage.report, 1, **ALL, by=GroupBy.MEMBER, series_max=1)
    assert [(each.user_id, each.cost // MICRO) for each in rows] == [(7, 6), (8, 2)]
    first, second = date(1970, 1, 1), date(1970, 1, 2)
    assert {(each.day, each.user_id, each.cost // MICRO) for each in daily} == {(first, 7, 4), (second, 7, 2), (second, None, 2)}


async def test_a_range_consists_of_whole_days(store: Store) -> None:
    ranges = [(0, DAY_MS), (5001, 5002), (DAY_MS, DAY_MS + 1), (2 * DAY_MS, 3 * DAY_MS)]
    assert [sum(each.images for each in await store.read(usage.use, 1, since=a, until=b)) for a, b in ranges] == [2, 2, 2, 0]


async def test_usage_can_be_limited_to_one_member(store: Store) -> None:
    found = await store.read(usage.use, 1, **ALL, by=[GroupBy.MODEL], user_id=7)
    assert [(each.model, each.images) for each in found] == [("klein", 2), ("dev", 1)]


async def test_members_can_opt_out_of_the_leaderboard(store: Store) -> None:
    assert await store.read(usage.leaderboard, 1, since=0) == [(7, 3), (8, 1)]
    assert await store.read(usage.leaderboard, 1, since=DAY_MS, limit=1) == [(7, 1)]
    for preferences, listed in ((Preferences(leaderboard=False), [(8, 1)]), (Preferences(), [(7, 3), (8, 1)])):
        await store.write(documents.change_preferences, 7, partial(_replace, preferences), 1)
        assert await store.read(usage.leaderboard, 1, since=0) == listed


async def test_recent_use_counts_all_guilds(store: Store) -> None:
    counts = [(await store.read(usage.images_since, [7], since)).get(7) for since in (0, DAY_MS, 30 * DAY_MS)]
    assert counts == [4, 1, None]


def test_the_csv_file_has_no_formulas_and_exact_amounts() -> None:
    row = UsageRow(
        user_id=123456789012345678, model="=cmd()", day=date(2026, 11, 20), images=2, failed=1, price=2_800_000, refunded=0, cost=2_800_000
    )
    assert as_csv([row, replace(row, user_id=None, model=None)], credit_usd=0.01).splitlines() == [
        "user_id,model,day,pictures,failed,credits,credits_refunded,usd",
        "'123456789012345678,'=cmd(),2026-11-20,2,1,2.8,0.0,0.0280",
        ",,2026-11-20,2,1,2.8,0.0,0.0280",
    ]


async def test_usage_stays_when_jobs_are_deleted(store: Store) -> None:
    before = await store.read(usage.report, 1, **ALL, by=GroupBy.MEMBER, series_max=8)
    await store.write(lambda conn: conn.execute(jobs.delete()))
    assert await store.read(usage.report, 1, **ALL, by=GroupBy.MEMBER, series_max=8) == before
    assert await store.read(usage.leaderboard, 1, since=0) == [(7, 3), (8, 1)]


async def test_the_images_of_an_erased_member_are_counted_to_nobody(store: Store) -> None:
    (before,) = await store.read(usage.use, 1, **ALL)
    for user in (7, 8):  # both made images on the second day
        await store.write(erase.erase, user, 2 * DAY_MS)
    assert await store.read(usage.use, 1, **ALL) == [before]
    assert [each.user_id for each in await store.read(usage.use, 1, **ALL, by=[GroupBy.MEMBER])] == [usage.NOBODY]
    assert await store.read(usage.leaderboard, 1, since=0) == []


async def test_a_charge_for_a_cancelled_image_is_shown(store: Store) -> None:
    cancelled = await made(store, CANCELLED, guild=3)
    assert await store.read(usage.use, 3, **ALL) == []
    await store.write(bill.record, "oxen", {f"{cancelled}/0": MICRO}, DAY_MS)
    (only,) = await store.read(usage.use, 3, **ALL)
    assert (only.images, only.cost, only.corrected) == (0, MICRO, MICRO)


async def test_the_migration_counts_the_images_that_are_there(store: Store) -> None:
    cancelled = await made(store, CANCELLED, day=2)
    await store.write(bill.record, "oxen", {f"{cancelled}/0": MICRO}, DAY_MS)
    fill = import_module("bot.store.migrations.versions.0013_daily_usage").FILL
    await store.write(lambda conn: conn.execute(daily_usage.delete()))
    await store.write(lambda conn: conn.execute(text(fill)))
    await check_usage(store)
