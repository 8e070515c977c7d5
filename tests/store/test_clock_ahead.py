"""What a clock that was ahead has left, on both databases."""

from __future__ import annotations

from bot.domain.job import GenerationState, JobState
from bot.domain.money.accounts import user_account
from bot.domain.money.quota import DAY_MS, MICRO, Bucket
from bot.domain.outbox import ItemKind, OutboxItem
from bot.domain.queueing.first_read import FirstRead
from bot.store import claims, delivery, outbox, steps
from bot.store.cluster import provider_states
from bot.store.engine.base import Store
from bot.store.money import ledger
from tests.env.job_steps import order, seen
from tests.env.jobs import SUCCEEDED, new_job
from tests.store.test_claims import claimed

NOW = 9000  # as in `claimed`
AHEAD = NOW + DAY_MS


async def test_open_work_of_the_future_is_due_now(store: Store) -> None:
    waiting, running, delivering = [await order(store, new_job(now=AHEAD)) for _ in range(3)]
    for job in (running, delivering):
        await store.write(steps.start, job.id, 0, AHEAD)
        read = FirstRead(provider=None, now=AHEAD, sent_at=AHEAD, polled_at=AHEAD, patient_at=AHEAD)
        await store.write(steps.accept, job.id, 0, f"there {job.id}", read=read)
    await store.write(steps.settle, delivering.id, 0, SUCCEEDED, AHEAD)
    await store.write(delivery.set_posting_since, delivering.id, AHEAD)
    await store.write(steps.put_back, waiting.id, 0, not_before=AHEAD, now=AHEAD)
    assert await store.read(claims.behind_ms, NOW) == DAY_MS
    await store.write(claims.pull_in, NOW)
    assert [each.generation.job_id for each in await claimed(store)] == [waiting.id]
    reads = await store.write(claims.to_read, "oxen", NOW, free=9, new_since=0, soon=NOW, later=NOW)
    assert [(each.job_id, each.created_at, each.submitted_at) for each in reads] == [(running.id, NOW, NOW)]
    assert [item.job_id for item in await store.read(outbox.due, NOW)] == [delivering.id]
    found = await seen(store, delivering)
    assert (found.created_at, found.posting_since) == (NOW, NOW - DAY_MS)


async def test_an_image_api_is_away_or_paused_since_no_time_of_the_future(store: Store) -> None:
    ahead = [lambda state: state.failed(AHEAD, limit=1), lambda state: state.paused(AHEAD + DAY_MS, is_rate_limit=True)]
    await store.write(provider_states.change, "oxen", ahead)
    await store.write(claims.pull_in, NOW)
    state = await store.read(provider_states.read, "oxen")
    assert (state.away_since, state.failing_since, state.retry_not_before) == (NOW, NOW, NOW)


async def test_what_may_have_been_sent_is_searched_for_since_long_before(store: Store) -> None:
    job = await order(store, new_job(now=AHEAD))
    await store.write(steps.start, job.id, 0, AHEAD)
    await store.write(claims.pull_in, NOW)
    (lost,) = await store.write(claims.lost, NOW, free=9)
    assert (lost.state, lost.submitted_at) == (GenerationState.SUBMITTING, NOW - DAY_MS)


async def test_the_usual_pauses_and_what_has_ended_stay_as_they_are(store: Store) -> None:
    ended = await order(store, new_job(now=AHEAD))
    await store.write(steps.request_cancel, ended.id, AHEAD)
    await store.write(outbox.done, ended.id)
    soon = OutboxItem(kind=ItemKind.REMOVE, due_at=NOW + 3_600_000, data={"channel_id": 1, "message_id": 2})
    await store.write(outbox.add, soon)
    await store.write(claims.pull_in, NOW)
    assert (await store.read(outbox.get, soon.id)) == soon
    assert (await seen(store, ended)).generations[0].created_at == AHEAD
    assert (await seen(store, ended)).state is JobState.DELIVERABLE


async def test_what_was_refilled_by_the_clock_that_was_ahead_is_not_refilled_again(store: Store) -> None:
    bucket = Bucket(size=10 * MICRO, refill_per_day=2 * MICRO)
    for at in (NOW, AHEAD):  # 4 credits, then 4 more after a refill of 2
        job = await order(store, new_job(now=at, price=4 * MICRO), bucket=bucket)
        await store.write(steps.start, job.id, 0, at)
        await store.write(steps.settle, job.id, 0, SUCCEEDED, at)
    await store.write(claims.pull_in, NOW)
    times = (NOW, AHEAD, AHEAD + DAY_MS)
    statements = [await store.read(ledger.statement, account=user_account(7), bucket=bucket, now=now) for now in times]
    assert [each.available for each in statements] == [4 * MICRO, 4 * MICRO, 6 * MICRO]
