"""Old lines of the ledger are folded, on both databases: the books stay as they are."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from bot.domain.job import Job
from bot.domain.money.accounts import AccountRef
from bot.domain.money.ledger import Entry
from bot.domain.money.payment import Payment
from bot.domain.money.quota import DAY_MS, MICRO
from bot.services.housekeeping import fold_ledger
from bot.store import steps, tables
from bot.store.engine.base import Store
from bot.store.money import folding, ledger, transfers
from tests.env.job_steps import run
from tests.env.jobs import FAILED, SUCCEEDED, new_job
from tests.store.money.accounts import TornError, bucket, budget, findings, has, member, order, torn

ADA, BEN = member(7, 100), member(8, 100)
OLD, BEFORE = 1000, 40 * DAY_MS


async def entries(store: Store, account: AccountRef) -> list[str]:
    lines = tables.ledger.c
    return await store.read(lambda conn: [*conn.scalars(select(lines.entry).where(lines.account == account.name).order_by(lines.id))])


async def made(store: Store, *, ended_at: int = OLD) -> Job:
    """A job with an image and a failed one, from Ada's account and her server's budget."""
    job = await run(store, await order(store, Payment(payer=ADA, budget=budget(100)), new_job(images=2)))
    for n, outcome in enumerate((SUCCEEDED, FAILED)):
        await store.write(steps.settle, job.id, n, outcome, ended_at)
    return job


async def delete_jobs(store: Store) -> None:
    await store.write(lambda conn: conn.execute(tables.jobs.delete()))


async def test_lines_of_deleted_jobs_become_one_line_in_each_account(store: Store) -> None:
    for _ in range(3):
        await made(store)
    await delete_jobs(store)
    before = await has(store, ADA)
    assert await fold_ledger(store, BEFORE, 0) == 2 + 3 * 8  # an opening in both accounts; two holds and their ends in each
    assert (await entries(store, ADA), await entries(store, budget(100))) == (["carry"], ["carry"])
    assert (await has(store, ADA), await findings(store)) == (before, ())


async def test_an_image_that_still_exists_can_be_refunded_after_folding(store: Store) -> None:
    job = await made(store)
    await fold_ledger(store, BEFORE, 0)
    assert await store.write(steps.refund, job.id, 0, OLD)
    assert await findings(store) == ()


async def test_a_job_that_ended_after_the_time_is_folded_with_its_holds_later(store: Store) -> None:
    await made(store, ended_at=BEFORE)
    await delete_jobs(store)
    for before, left in ((BEFORE, 5), (BEFORE + 1, 1)):
        await fold_ledger(store, before, 0)
        assert (len(await entries(store, ADA)), await findings(store)) == (left, ())


async def test_what_may_be_given_away_stays(store: Store) -> None:
    for n in range(3):
        await store.write(transfers.grant, to=ADA, amount=2 * MICRO, key=f"grant {n}", now=OLD)
        await store.write(transfers.gift, giver=ADA, receiver=BEN, amount=MICRO, key=f"gift {n}", now=OLD, by_id=7)
    await fold_ledger(store, BEFORE, 0)
    earned = [await store.read(ledger.earned, account.name) for account in (ADA, BEN)]
    assert (earned, await findings(store)) == ([3 * MICRO, 3 * MICRO], ())
    assert sorted(await entries(store, ADA)) == ["carry", "gift", "grant"]


async def test_later_months_are_added_to_the_same_line(store: Store) -> None:
    await made(store)
    await made(store, ended_at=BEFORE + 1)
    await delete_jobs(store)
    for before in (BEFORE, 2 * BEFORE):
        await fold_ledger(store, before, 0)
    assert (await entries(store, ADA), await findings(store)) == (["carry"], ())
    assert await fold_ledger(store, 3 * BEFORE, 0) == 0


async def test_a_statement_does_not_show_sums_of_old_lines(store: Store) -> None:
    await store.write(transfers.grant, to=ADA, amount=MICRO, key="old", now=OLD)
    await fold_ledger(store, BEFORE, 0)
    await store.write(transfers.grant, to=ADA, amount=MICRO, key="new", now=BEFORE)
    seen = await store.read(ledger.statement, account=ADA.name, bucket=bucket(100), now=BEFORE)
    assert [(line.entry, line.at) for line in seen.lines] == [(Entry.GRANT, BEFORE)]


async def test_the_reward_of_an_image_that_still_exists_is_not_given_again(store: Store) -> None:
    job = await made(store)
    reward: dict[str, Any] = {"to": ADA, "amount": MICRO, "key": f"gallery:{job.id}", "now": OLD, "entry": Entry.REWARD}
    assert await store.write(transfers.grant, **reward)
    await fold_ledger(store, BEFORE, 0)
    assert not await store.write(transfers.grant, **reward)


@pytest.mark.parametrize("statements", [1, 2, 3, 4])
async def test_an_interrupted_folding_changes_nothing_and_can_be_repeated(store: Store, statements: int) -> None:
    await made(store)
    await delete_jobs(store)
    with pytest.raises(TornError):
        await store.write(torn, statements, folding.fold, 0, BEFORE)
    assert (len(await entries(store, ADA)), await findings(store)) == (5, ())
    assert await fold_ledger(store, BEFORE, 0) == 10


async def test_money_of_a_deleted_job_that_is_still_on_hold_stays_to_be_found(store: Store) -> None:
    await order(store, Payment(payer=ADA), new_job())
    await delete_jobs(store)
    await fold_ledger(store, BEFORE, 0)
    assert len(await findings(store)) == 1
