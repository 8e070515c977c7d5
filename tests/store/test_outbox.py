"""The outbox, delivery, and queries on jobs, on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from bot.domain.job import GenerationState, JobState, Outcome
from bot.domain.money.quota import MICRO
from bot.domain.outbox import ItemKind, OutboxItem
from bot.services import housekeeping
from bot.store import claims, delivery, history, jobs, outbox, steps, sweeps
from bot.store.engine.base import Store
from bot.store.tables import thumbnails
from tests.env.job_steps import in_state, order, own, restart, run, seen
from tests.env.jobs import REFERENCE, SUCCEEDED, TEN, new_job

MADE_INLINE = Outcome(state=GenerationState.SUCCEEDED, content=b"image")


async def ended(store: Store, *, now: int = 3000, outcome: Outcome = SUCCEEDED, price: int = MICRO, answer_until: int = 0) -> str:
    """The id of a deliverable job."""
    job = await run(store, await order(store, new_job(price=price, answer_until=answer_until)))
    await store.write(steps.settle, job.id, 0, outcome, now)
    return job.id


async def deliver(store: Store, job_id: str, message_id: int | None = 6, now: int = 4000, **more: Any) -> bool:
    channel_id = None if message_id is None else 5
    return await store.write(delivery.mark_delivered, job_id, channel_id=channel_id, message_id=message_id, now=now, **more)


async def small(store: Store, job_id: str) -> dict[tuple[str, int], bytes]:
    """The stored thumbnails of a job."""
    rows = await store.read(lambda conn: conn.execute(select(thumbnails).where(thumbnails.c.job_id == job_id)).all())
    return {(row.job_id, row.n): row.content for row in rows}


async def test_a_job_is_delivered_once_and_keeps_its_message(store: Store) -> None:
    job_id = await ended(store)
    assert [await deliver(store, job_id, message_id) for message_id in (6, 7)] == [True, False]
    await store.write(jobs.mark_answered, job_id, 8, 4001)  # the first answer is reported late
    job = await store.read(jobs.get, job_id)
    assert job is not None
    assert (job.state, job.place.message_id, job.delivered_at, job.place.token) == (JobState.DELIVERED, 6, 4000, None)
    assert await store.read(outbox.due, 9999) == []


async def test_an_open_job_cannot_be_delivered(store: Store) -> None:
    job = await order(store, new_job())
    assert await deliver(store, job.id) is False
    assert (await seen(store, job)).state is JobState.OPEN


async def test_a_delivery_is_due_when_the_job_ends(store: Store) -> None:
    job_id = await ended(store, now=3000)
    assert await store.read(outbox.due, 2999) == []
    (item,) = await store.read(outbox.due, 3000)
    assert (item.kind, item.id, item.job_id, item.attempts) == (ItemKind.DELIVER, job_id, job_id, 0)


async def test_a_delivery_waits_for_the_first_answer_or_its_deadline(store: Store) -> None:
    answered, never = [await ended(store, answer_until=120_000) for _ in range(2)]
    await store.write(jobs.mark_answered, answered, 6, 4000)
    assert [item.id for item in await store.read(outbox.due, 4000)] == [answered]
    assert {item.id for item in await store.read(outbox.due, 120_000)} == {answered, never}


async def test_after_a_restart_nothing_waits_for_an_answer(store: Store) -> None:
    await restart(store, 1000)
    job_id = await ended(store, answer_until=120_000)
    still_open = await order(store, new_job(answer_until=120_000))
    await restart(store, 4000)
    assert [item.id for item in await store.read(outbox.due, 4000)] == [job_id]
    assert (await seen(store, still_open)).answer_until == 0


async def test_an_answer_does_not_change_when_a_retry_is_due(store: Store) -> None:
    await restart(store, 1000)
    job_id = await ended(store)
    await store.write(outbox.claim, 3000, kinds=[ItemKind.DELIVER], free=9, pause_ms=lambda _item: 5000)
    await store.write(jobs.mark_answered, job_id, None, 4000)
    await restart(store, 4000)
    assert [await store.read(outbox.next_due, now) for now in (7999, 8000)] == [8000, None]


async def test_a_stranded_job_stays_in_the_outbox_and_can_be_delivered(store: Store) -> None:
    job_id = await ended(store)
    await store.write(outbox.strand, job_id)
    assert [job.id for job in await store.read(in_state, JobState.STRANDED)] == [job_id]
    assert len(await store.read(outbox.due, 8000)) == 1
    assert await deliver(store, job_id) is True


async def test_a_delivery_that_failed_permanently_strands_the_job_which_can_still_be_delivered(store: Store) -> None:
    job_id = await ended(store)
    (item,) = await store.read(outbox.due, 3000)
    await store.write(outbox.give_up, item)
    assert await store.read(outbox.due, 2**60) == []
    assert [job.id for job in await store.read(in_state, JobState.STRANDED)] == [job_id]
    assert await deliver(store, job_id) is True


async def test_a_late_failure_does_not_change_a_delivered_job(store: Store) -> None:
    job_id = await ended(store)
    (item,) = await store.read(outbox.due, 3000)
    await deliver(store, job_id)
    await store.write(outbox.strand, job_id)
    await store.write(outbox.postpone, item, due_at=0)
    await store.write(outbox.give_up, item)
    assert await store.read(outbox.due, 9999) == []
    assert [job.id for job in await store.read(in_state, JobState.DELIVERED)] == [job_id]


async def test_the_outbox_returns_the_oldest_first_up_to_a_limit(store: Store) -> None:
    ids = [await ended(store, now=3000, price=0) for _ in range(4)]
    shown = await store.read(outbox.due, 3000, limit=3)
    assert [job.id for job in shown] == sorted(ids)[:3]


async def test_posting_since_is_kept_until_the_job_is_delivered(store: Store) -> None:
    job_id = await ended(store)
    for since in (3500, None, 3600):
        await store.write(delivery.set_posting_since, job_id, since)
        (job,) = await store.read(in_state, JobState.DELIVERABLE)
        assert job.posting_since == since
    await deliver(store, job_id)
    assert (await store.read(in_state, JobState.DELIVERED))[0].posting_since is None


async def test_an_inline_image_is_deleted_some_time_after_delivery(store: Store) -> None:
    job_id = await ended(store, outcome=MADE_INLINE)
    assert await housekeeping.remove(store, delivery.old_images(9999)) == 0  # not delivered yet
    await deliver(store, job_id, now=4000)
    assert [await housekeeping.remove(store, delivery.old_images(before)) for before in (4000, 4001)] == [0, 1]
    assert await store.read(jobs.image_of, job_id, 0) is None


async def test_an_inline_image_may_be_deleted_on_delivery(store: Store) -> None:
    job_id = await ended(store, outcome=MADE_INLINE)
    await deliver(store, job_id, keep_images=False)
    assert await store.read(jobs.image_of, job_id, 0) is None


async def test_follow_up_items_are_stored_once(store: Store) -> None:
    job_id = await ended(store)
    for _ in range(2):
        await deliver(store, job_id, follows=[OutboxItem(kind=ItemKind.TELL, due_at=4000)])
    assert len(await store.read(outbox.due, 4000)) == 1


async def test_the_first_thumbnail_of_a_delivered_image_is_kept(store: Store) -> None:
    shown, waiting = [await ended(store) for _ in range(2)]
    await deliver(store, shown)
    for content in (b"webp", b"another"):
        await store.write(history.keep_thumbnails, {(shown, 0): content, (waiting, 0): content})
    assert [await small(store, job_id) for job_id in (shown, waiting)] == [{(shown, 0): b"webp"}, {}]


async def test_a_delivery_without_a_message_keeps_the_channel(store: Store) -> None:
    job_id = await ended(store)
    assert await deliver(store, job_id, None) is True
    (job,) = await store.read(in_state, JobState.DELIVERED)
    assert (job.place.channel_id, job.place.message_id) == (5, None)


async def test_a_ping_is_promised_once_and_only_while_the_job_is_open(store: Store) -> None:
    job = await run(store, await order(store, new_job()))
    assert [await store.write(delivery.promise_ping, job.id) for _ in range(2)] == [True, False]
    assert (await seen(store, job)).ping_promised is True
    assert await store.write(delivery.promise_ping, await ended(store)) is False


async def test_deleting_a_job_deletes_its_stored_images(store: Store) -> None:
    deliverable, stranded, shown = [await ended(store, outcome=MADE_INLINE) for _ in range(3)]
    await store.write(outbox.strand, stranded)
    await deliver(store, shown)
    await store.write(history.keep_thumbnails, {(shown, 0): b"webp"})
    for job_id in (deliverable, stranded, shown):
        assert [await store.write(delivery.mark_deleted, job_id) for _ in range(2)] == [True, False]
        assert await store.read(jobs.image_of, job_id, 0) is None
        assert await small(store, job_id) == {}
    assert await store.read(outbox.due, 9999) == []
    assert await deliver(store, deliverable) is False


async def test_an_open_job_cannot_be_deleted(store: Store) -> None:
    assert await store.write(delivery.mark_deleted, (await order(store, new_job())).id) is False


async def test_references_are_deleted_some_time_after_delivery(store: Store) -> None:
    waiting, shown = new_job(), new_job()
    for job in (waiting, shown):
        await store.write(jobs.add, job, [REFERENCE], payment=own(7, TEN), max_waiting=8, now=1000)
    await store.write(steps.settle, (await run(store, shown)).id, 0, SUCCEEDED, 3000)
    await deliver(store, shown.id, now=4000)
    assert [await housekeeping.remove(store, delivery.old_references(before)) for before in (4000, 4001)] == [0, 1]
    assert await store.read(jobs.references_of, waiting.id) == [REFERENCE]


async def test_the_usual_time_is_the_median_of_the_latest_images(store: Store) -> None:
    assert await store.read(jobs.usual_ms, "klein") is None
    for took in (100, 5000, 300):
        await ended(store, now=2000 + took, price=0)  # submitted at 2000
    assert await store.read(jobs.usual_ms, "klein") == 300
    assert await store.read(jobs.usual_ms, "klein", over=1) == 5000
    assert await store.read(jobs.usual_ms, "dev") is None


async def test_the_place_in_the_queue_counts_earlier_waiting_images_of_other_jobs(store: Store) -> None:
    first, second, own = [await order(store, new_job(images=2, now=at, member=member)) for at, member in ((1000, 7), (2000, 8), (3000, 8))]
    assert [(each.ahead, each.own_ahead) for each in [await store.read(jobs.standing, job) for job in (first, second, own)]] == [
        (0, 0),
        (2, 0),
        (2, 2),
    ]
    await store.write(steps.start, first.id, 0, 3000)
    standing = await store.read(jobs.standing, second)
    assert (standing.ahead, [(each.job_id, each.submitted_at) for each in standing.running]) == (1, [(first.id, 3000)])
    assert (await store.read(jobs.standing, await seen(store, await run(store, second)))).ahead == 0


async def test_what_waits_for_another_image_api_is_not_ahead(store: Store) -> None:
    first, second = await order(store, new_job(now=1000)), await order(store, new_job(now=2000, member=8))
    elsewhere = replace(second, generations=tuple(replace(each, provider="other") for each in second.generations))
    assert (await store.read(jobs.standing, elsewhere)).ahead == 0
    assert (await store.read(jobs.standing, first)).rivals == {(second.place.guild_id, 8)}


async def test_the_queue_counts_running_images_by_user_and_guild(store: Store) -> None:
    await run(store, await order(store, new_job(images=2, member=7)))
    job = await order(store, new_job(images=2, member=8, now=2000))
    await store.write(steps.start, job.id, 0, 3000)
    queue = await store.read(claims.queue_of, 3000)
    assert [(g.job_id, g.n) for g in queue.waiting] == [(job.id, 1)]
    assert (queue.running_by_user, queue.running_by_guild) == ({7: 2, 8: 1}, {1: 3})


async def test_a_member_s_jobs_are_listed_newest_first(store: Store) -> None:
    mine = [await order(store, new_job(now=now)) for now in (1000, 2000)]
    await order(store, new_job(member=8))
    assert [job.id for job in await store.read(jobs.of_member, 7, state=JobState.OPEN)] == [mine[1].id, mine[0].id]


async def test_a_new_link_replaces_the_old_one(store: Store) -> None:
    job_id = await ended(store)
    await store.write(steps.refresh_url, job_id, 0, "https://example.com/fresh.png")
    (job,) = await store.read(in_state, JobState.DELIVERABLE)
    assert job.generations[0].result_url == "https://example.com/fresh.png"


async def test_references_of_a_job_that_was_deleted_undelivered_are_deleted_too(store: Store) -> None:
    job = new_job(now=1000)
    await store.write(jobs.add, job, [REFERENCE], payment=own(7, TEN), max_waiting=8, now=1000)
    await store.write(steps.request_cancel, job.id, 2000)
    await store.write(delivery.mark_deleted, job.id)
    assert [await housekeeping.remove(store, delivery.old_references(before)) for before in (1000, 1001)] == [0, 1]


async def test_all_old_rows_are_deleted_if_one_read_does_not_find_them(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "FOUND_MAX", 2)
    job = new_job()
    await store.write(jobs.add, job, [REFERENCE] * 5, payment=own(7, TEN), max_waiting=8, now=1000)
    await store.write(steps.settle, (await run(store, job)).id, 0, SUCCEEDED, 3000)
    await deliver(store, job.id, now=4000)
    assert await housekeeping.remove(store, delivery.old_references(4001)) == 5


async def test_a_row_that_changed_after_it_was_found_is_kept(store: Store) -> None:
    job_id = await ended(store, outcome=MADE_INLINE)
    await deliver(store, job_id, now=4000)
    found = await store.read(sweeps.find, delivery.old_images(4001))
    assert found.keys == [(job_id, 0)]
    assert await store.write(sweeps.remove, delivery.old_images(4000), found.keys) == (1, 0)
