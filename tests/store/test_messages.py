"""Recorded messages: which messages show a job, which job a message shows, and which of them a guild decides about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.job import Job, JobMessage, JobState, MessageRole
from bot.domain.moderation.cases import Cause, Decision
from bot.domain.outbox import ItemKind
from bot.store import delivery, history, jobs, messages, outbox, steps
from bot.store.engine.base import Store
from bot.store.moderation import cases, verdicts
from bot.store.moderation.verdicts import Judgement, Ruling
from bot.store.privacy import erase
from tests.env.job_steps import order, run
from tests.env.jobs import SUCCEEDED, new_job
from tests.store.moderation.flagged import ADA, CHANNEL, HERE, MESSAGE, MO, NOW, STRIKES, decide, flagged, known, new_image

THERE = HERE + 1  # another guild
GALLERY, LOG, COPY = 700, 701, 702


def post(job: Job, message_id: int, role: MessageRole, *, guild_id: int = HERE) -> JobMessage:
    return JobMessage(message_id=message_id, channel_id=50, guild_id=guild_id, role=role, at=NOW, job_id=job.id)


async def post_in_gallery_and_log(store: Store, job: Job) -> None:
    for message_id, role in ((GALLERY, MessageRole.GALLERY), (LOG, MessageRole.LOG)):
        assert await store.write(messages.record, post(job, message_id, role))


async def repost(store: Store, job: Job, message_id: int = COPY, *, guild_id: int = THERE) -> None:
    place = replace(job.place, guild_id=guild_id, channel_id=60)
    assert await store.write(history.record_repost, job.id, place, message_id, NOW + 1)


async def judge(store: Store, job: Job, decision: Decision, guild_id: int) -> Judgement | None:
    ruling = Ruling(decision=decision, by_id=MO, strikes=STRIKES, now=NOW + 2)
    return await store.write(verdicts.decide_on_job, job.id, guild_id, ruling)


async def message_ids(store: Store, kind: ItemKind) -> set[int]:
    """The messages of the outbox items of this kind."""
    return {item.data["message_id"] for item in await store.read(outbox.due, NOW + 100) if item.kind is kind}


# --- the job of a message --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message_id", [MESSAGE, GALLERY, LOG, COPY])
async def test_a_job_is_found_by_any_of_its_messages(store: Store, message_id: int) -> None:
    job = await new_image(store)
    await post_in_gallery_and_log(store, job)
    await repost(store, job, guild_id=HERE)
    found = await store.read(verdicts.find, HERE, message_id=message_id)
    assert found is not None
    assert (found.id, found.place.message_id) == (job.id, COPY)


async def test_a_guild_finds_its_copy_after_the_job_was_reposted_elsewhere(store: Store) -> None:
    job = await new_image(store)
    await repost(store, job)
    await repost(store, job, COPY + 1, guild_id=THERE + 1)
    assert await store.read(verdicts.find, THERE, message_id=COPY) is not None
    assert await store.read(verdicts.find, THERE + 2, message_id=COPY) is None


async def test_a_case_s_post_leads_to_its_job(store: Store) -> None:
    job = await new_image(store)
    await store.write(cases.record_post, await flagged(store, job), channel_id=50, message_id=60, now=NOW)
    assert await store.read(messages.job_of, 60) == await known(store, job)


async def test_the_message_with_the_result_replaces_the_first_answer(store: Store) -> None:
    job = await run(store, await order(store, new_job()))
    await store.write(jobs.mark_answered, job.id, 5, NOW)
    assert (await known(store, job)).place.message_id == 5
    await store.write(steps.settle, job.id, 0, SUCCEEDED, NOW)
    await store.write(delivery.mark_delivered, job.id, channel_id=9, message_id=6, direct=True, now=NOW)
    (only,) = await store.read(messages.of_job, job.id)
    assert (only.message_id, only.channel_id, only.guild_id, only.role) == (6, 9, HERE, MessageRole.DM)
    assert await store.read(messages.job_of, 5) is None


async def test_no_message_of_an_erased_job_is_recorded(store: Store) -> None:
    job = await new_image(store)
    await store.write(erase.erase, ADA, NOW)
    assert not await store.write(messages.record, post(job, GALLERY, MessageRole.GALLERY))
    assert await store.read(messages.get, GALLERY) is None


# --- decisions of a guild --------------------------------------------------------------------------------------------


async def test_a_guild_hides_only_its_own_messages(store: Store) -> None:
    job = await new_image(store)
    await post_in_gallery_and_log(store, job)
    await repost(store, job)
    await judge(store, job, Decision.SPOILER, HERE)
    assert await message_ids(store, ItemKind.COVER) == {MESSAGE, GALLERY}
    assert await message_ids(store, ItemKind.REMOVE) == set()


async def test_each_of_two_guilds_hides_its_own_messages(store: Store) -> None:
    job = await new_image(store)
    await repost(store, job)
    for guild_id in (HERE, THERE):
        await judge(store, job, Decision.SPOILER, guild_id)
    assert await message_ids(store, ItemKind.COVER) == {MESSAGE, COPY}


async def test_a_guild_deletes_only_its_own_messages(store: Store) -> None:
    job = await new_image(store)
    await post_in_gallery_and_log(store, job)
    await repost(store, job)
    await judge(store, job, Decision.DELETE, HERE)
    assert await message_ids(store, ItemKind.REMOVE) == {MESSAGE, GALLERY}
    await judge(store, job, Decision.DELETE, THERE)
    assert await message_ids(store, ItemKind.REMOVE) == {MESSAGE, GALLERY, COPY}


async def test_deleting_a_repost_in_another_guild_keeps_the_job(store: Store) -> None:
    job = await new_image(store)
    await repost(store, job)
    await judge(store, job, Decision.DELETE, THERE)
    left = await known(store, job)
    assert (left.state, left.place.guild_id, left.place.message_id) == (JobState.DELIVERED, HERE, MESSAGE)
    assert await message_ids(store, ItemKind.REMOVE) == {COPY}


@pytest.mark.parametrize("decision", [Decision.DELETE, Decision.SPOILER])
async def test_a_repost_after_a_decision_can_be_decided_again(store: Store, decision: Decision) -> None:
    job = await new_image(store)
    await repost(store, job)
    judged = [await judge(store, job, decision, THERE) for _ in range(2)]
    await repost(store, job, COPY + 1)
    judged += [await judge(store, job, decision, THERE) for _ in range(2)]
    assert [each is not None and each.is_new for each in judged] == [True, False, True, False]
    assert COPY + 1 in await message_ids(store, ItemKind.REMOVE) | await message_ids(store, ItemKind.COVER)


async def test_a_guild_does_not_decide_another_guild_s_case(store: Store) -> None:
    job = await new_image(store)
    case = await flagged(store, job)
    await repost(store, job)
    judged = await judge(store, job, Decision.DELETE, THERE)
    assert judged is not None
    assert (judged.case.id != case.id, judged.case.guild_id, judged.case.message_id) == (True, THERE, COPY)
    assert [waiting.id for waiting in await store.read(cases.waiting, HERE)] == [case.id]


async def test_a_purge_deletes_the_guild_s_copy_of_a_job_that_belongs_to_another(store: Store) -> None:
    job = await new_image(store)
    await repost(store, job)
    await judge(store, job, Decision.DELETE, HERE)
    purged = [await store.write(verdicts.purge, THERE, ADA, by_id=MO, now=NOW) for _ in range(2)]
    assert [each.taken_away for each in purged] == [1, 0]
    assert await message_ids(store, ItemKind.REMOVE) == {MESSAGE, COPY}


# --- decisions of the author -----------------------------------------------------------------------------------------


async def test_the_author_deletes_all_messages_of_a_job(store: Store) -> None:
    job = await new_image(store)
    await post_in_gallery_and_log(store, job)
    await repost(store, job)
    assert [await store.write(history.take_away, job.id, NOW) for _ in range(2)] == [True, False]
    assert await message_ids(store, ItemKind.REMOVE) == {MESSAGE, GALLERY, COPY}


async def test_deleting_a_copy_keeps_the_job_and_deleting_its_own_message_deletes_it(store: Store) -> None:
    job = await new_image(store)
    await post_in_gallery_and_log(store, job)
    await store.write(history.message_deleted, job.id, GALLERY, NOW)
    assert (await known(store, job)).state is JobState.DELIVERED
    await repost(store, job)
    await store.write(history.message_deleted, job.id, COPY, NOW)
    assert await message_ids(store, ItemKind.REMOVE) == {MESSAGE}
    assert (await known(store, job)).state is JobState.DELETED


async def test_erasing_deletes_a_case_s_posts_from_before_and_after_its_appeal(store: Store) -> None:
    case = await flagged(store, await new_image(store))
    await store.write(cases.record_post, case, channel_id=50, message_id=60, now=NOW)
    await decide(store, case, Decision.SPOILER)
    appealed = await store.write(verdicts.appeal, case.id, words="A fox.", now=NOW + 2)
    assert appealed is not None
    await store.write(cases.record_post, appealed, channel_id=50, message_id=61, now=NOW + 3)
    assert (await store.read(cases.waiting, HERE))[0].post_message_id == 61
    await store.write(erase.erase, ADA, NOW + 4)
    assert await message_ids(store, ItemKind.REMOVE) == {MESSAGE, 60, 61}


async def test_the_post_of_a_case_without_a_job_is_recorded_and_deleted(store: Store) -> None:
    about: dict[str, Any] = {"guild_id": HERE, "author_id": ADA, "channel_id": CHANNEL, "message_id": 9, "job_id": None, "reason": ""}
    case = await store.write(cases.open_case, cause=Cause.REPORT, now=NOW, **about)
    assert case is not None
    assert await store.write(cases.record_post, case, channel_id=50, message_id=60, now=NOW)
    assert (await store.read(cases.waiting, HERE))[0].post_message_id == 60
    await store.write(erase.erase, ADA, NOW)
    assert await message_ids(store, ItemKind.REMOVE) == {60}
