"""Prompts are looked at before they are sent, and results before they are shown, against the local moderations endpoint."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.job import Failure, GenerationState, Job, JobState, ReplyTarget
from bot.domain.moderation.audit import AuditAction
from bot.domain.moderation.cases import Case, Cause
from bot.domain.outbox import ItemKind
from bot.domain.request import Channel
from bot.media import likeness
from bot.store import outbox
from bot.store.moderation import audit_log, cases, conduct
from tests.env.fake_discord import Trouble, Way
from tests.env.guild_rules import CHECKED, reddish, rule
from tests.env.images import LARGE
from tests.services.conftest import Pipeline, eventually

OK, FLAGGED, BLOCKED = "a red fox", "a fox with a weapon", "a fox that will kill"
NSFW = Channel(guild_id=1, channel_id=5, age_restricted=True)


async def asked_of_moderators(pipeline: Pipeline) -> list[Case]:
    return await pipeline.store.read(cases.waiting, 1)


async def withheld(pipeline: Pipeline) -> list[dict[str, Any]]:
    """What the audit log tells of it."""
    lines = await pipeline.store.read(audit_log.latest, 1)
    return [dict(line.details) for line in lines if line.action is AuditAction.WITHHELD]


async def strikes(pipeline: Pipeline, member: int = 7) -> int:
    return len(await pipeline.store.read(conduct.strikes_of, 1, member))


async def delivered(pipeline: Pipeline, job: Job) -> Job:
    async with pipeline.at_work():
        return await pipeline.until(job, JobState.DELIVERED)


def asked(pipeline: Pipeline) -> int:
    return len(pipeline.images.received("POST", "/moderation/v1"))


# --- prompts ---------------------------------------------------------------------------------------------------------


async def test_a_prompt_is_asked_about_once_and_then_made(pipeline: Pipeline) -> None:
    await rule(pipeline.guilds, checks={"prompts": True})
    job = await delivered(pipeline, await pipeline.order(OK, count=3))
    assert (asked(pipeline), len(job.succeeded), job.flagged, job.needs_check) == (1, 3, None, False)
    assert await asked_of_moderators(pipeline) == []


async def test_a_blocked_prompt_is_never_sent_and_earns_one_strike(pipeline: Pipeline) -> None:
    await rule(pipeline.guilds, **CHECKED)
    job = await delivered(pipeline, await pipeline.order(BLOCKED, count=2))
    assert [(g.state, g.failure, g.submitted_at) for g in job.generations] == [(GenerationState.FAILED, Failure.CONTENT, None)] * 2
    assert "put it in other words" in (job.generations[0].error or "")
    assert (await pipeline.enqueued(), await pipeline.spent(), await strikes(pipeline)) == (0, 0, 1)
    assert await withheld(pipeline) == [{"of": "prompt", "reason": "violence", "score": 0.93}]


async def test_a_flagged_prompt_is_made_behind_a_spoiler_and_moderators_are_asked(pipeline: Pipeline) -> None:
    await rule(pipeline.guilds, checks={"prompts": True})
    job = await delivered(pipeline, await pipeline.order(FLAGGED))
    (notice,), (case,) = pipeline.board.of(job.id), await asked_of_moderators(pipeline)
    assert notice.files[0][0].startswith("SPOILER_")
    assert (case.cause, case.reason, case.job_id, case.message_id) == (Cause.PROMPT, "violence", job.id, job.place.message_id)
    assert (await strikes(pipeline), job.spoiler) == (0, True)


async def test_where_the_server_allows_it_a_flagged_prompt_needs_no_spoiler(pipeline: Pipeline) -> None:
    await rule(pipeline.guilds, checks={"prompts": True}, age_restricted={"unspoilered": True})
    job = await delivered(pipeline, await pipeline.order(FLAGGED, channel=NSFW))
    assert (job.spoiler, job.flagged, len(await asked_of_moderators(pipeline))) == (False, "violence", 1)


@pytest.mark.faults("moderation-down")
async def test_while_the_check_is_down_a_prompt_waits_and_says_so(pipeline: Pipeline) -> None:
    await rule(pipeline.guilds, **CHECKED)
    job = await pipeline.order(OK)
    async with pipeline.at_work():
        waiting = await eventually(lambda: _late(pipeline, job))
        assert (waiting.generations[0].state, await pipeline.enqueued()) == (GenerationState.WAITING, 0)
        pipeline.images.switchboard.turn_off("moderation-down")
        assert len((await pipeline.until(job, JobState.DELIVERED)).succeeded) == 1
    assert await strikes(pipeline) == 0


async def _late(pipeline: Pipeline, job: Job) -> Job | None:
    kept = await pipeline.orders.job(job.id)
    return kept if kept.check_is_late else None


@pytest.mark.faults("moderation-down")
@pytest.mark.parametrize(("on_down", "made"), [("allow", 1), ("refuse", 0)])
async def test_the_server_decides_what_happens_while_it_is_down(pipeline: Pipeline, on_down: str, made: int) -> None:
    await rule(pipeline.guilds, checks={"prompts": True, "on_down": on_down})
    job = await delivered(pipeline, await pipeline.order(OK))
    assert (len(job.succeeded), await strikes(pipeline)) == (made, 0)
    assert [g.failure for g in job.generations] == [None if made else Failure.FAULT]


@pytest.mark.faults("moderation-down")
async def test_a_prompt_that_waits_too_long_for_its_check_is_given_up(pipeline: Pipeline) -> None:
    await rule(pipeline.guilds, **CHECKED)
    job = await pipeline.order(OK)
    pipeline.clock.turn(1_800_001)
    job = await delivered(pipeline, job)
    assert ([g.failure for g in job.generations], await pipeline.spent()) == ([Failure.TIMEOUT], 0)


@pytest.mark.faults("moderation-down")
async def test_a_prompt_that_waits_for_its_check_can_be_cancelled_and_outlives_a_restart(pipeline: Pipeline) -> None:
    await rule(pipeline.guilds, **CHECKED)
    job, other = await pipeline.order(OK), await pipeline.order(OK)
    async with pipeline.at_work():
        await eventually(lambda: _late(pipeline, job))
    pipeline.images.switchboard.turn_off("moderation-down")
    again = await pipeline.again()
    await again.models.load()
    await again.cancel(other)
    job = await delivered(again, job)
    assert (len(job.succeeded), await pipeline.enqueued()) == (1, 1)


@pytest.mark.faults("moderation-slow")
async def test_an_endpoint_that_is_slow_holds_up_nobody_who_was_not_to_be_checked(pipeline: Pipeline) -> None:
    pipeline = await pipeline.again(MAX_RUNNING="1")  # two at work at a time in all
    await rule(pipeline.guilds, **CHECKED)
    slow = [await pipeline.order(OK, place=ReplyTarget(user_id=user, channel_id=5, guild_id=1)) for user in range(20, 24)]
    free = await pipeline.order(OK, place=ReplyTarget(user_id=7, channel_id=5, guild_id=2))
    async with pipeline.at_work():
        await pipeline.until(free, JobState.DELIVERED)
        assert {(await pipeline.orders.job(job.id)).state for job in slow} == {JobState.OPEN}


# --- results ---------------------------------------------------------------------------------------------------------


async def shown(pipeline: Pipeline, *percents: int, **more: Any) -> Job:
    """A job whose pictures are so red, after its delivery."""
    job = await pipeline.ended(*map(reddish, percents), **more)
    async with pipeline.at_work("outbox"):
        return await pipeline.until(job, JobState.DELIVERED)


async def test_a_blocked_result_is_withheld_and_paid_back(pipeline: Pipeline) -> None:
    await rule(pipeline.guilds, checks={"results": True})
    job = await shown(pipeline, 0, 95)
    (notice,), (case,) = pipeline.board.of(job.id), await asked_of_moderators(pipeline)
    assert [name for name, _size in notice.files] == [f"easel-{job.id}-1.png"]
    told = "Picture 2 could not be used (this server's check of pictures does not allow it). Its price was given back."
    assert notice.notes == (told,)
    assert (case.cause, case.reason, await strikes(pipeline), await pipeline.spent()) == (Cause.RESULT, "violence", 1, 1_000_000)
    assert await withheld(pipeline) == [{"of": "result", "n": 1, "reason": "violence", "score": 0.953}]


async def test_what_was_withheld_is_nowhere_to_be_had(pipeline: Pipeline) -> None:
    await rule(pipeline.guilds, checks={"results": True})
    job = await shown(pipeline, 0, 95)
    async with pipeline.results.open(job, limit_bytes=10**7) as pictures:
        assert [picture.n for picture in pictures] == [0]


async def test_a_flagged_result_is_shown_behind_a_spoiler(pipeline: Pipeline) -> None:
    await rule(pipeline.guilds, checks={"results": True})
    job = await shown(pipeline, 0, 60)
    (notice,), (case,) = pipeline.board.of(job.id), await asked_of_moderators(pipeline)
    assert [name.startswith("SPOILER_") for name, _size in notice.files] == [True, True]
    assert (case.cause, case.message_id, job.spoiler, job.flagged) == (Cause.RESULT, notice.id, True, "violence")
    assert (await strikes(pipeline), await pipeline.spent()) == (0, 2_000_000)


async def test_a_known_bad_picture_is_withheld_without_any_endpoint(pipeline: Pipeline) -> None:
    await rule(pipeline.guilds, known_bad={"hashes": [f"{likeness.fingerprint(LARGE.content or b''):016x}"]})
    job = await pipeline.ended(LARGE)
    async with pipeline.at_work("outbox"):
        job = await pipeline.until(job, JobState.DELIVERED)
    assert (job.succeeded[0].failure, asked(pipeline), pipeline.board.of(job.id)[0].files) == (Failure.CONTENT, 0, [])
    assert (await asked_of_moderators(pipeline))[0].reason == "known"


@pytest.mark.faults("moderation-down")
async def test_while_the_check_is_down_a_result_waits_and_cannot_be_had_another_way(pipeline: Pipeline) -> None:
    await rule(pipeline.guilds, checks={"results": True})
    job = await pipeline.ended(reddish(0))
    async with pipeline.at_work("outbox"):
        job = await eventually(lambda: _tried(pipeline, job))
        with pytest.raises(ValueError, match="has not arrived yet"):
            async with pipeline.results.open(job, limit_bytes=10**7):
                pass
        pipeline.images.switchboard.turn_off("moderation-down")
        await pipeline.until(job, JobState.DELIVERED)
    assert len(pipeline.board.of(job.id)[0].files) == 1


async def _tried(pipeline: Pipeline, job: Job) -> Job | None:
    return job if await pipeline.attempts(job.id) > 1 else None


@pytest.mark.faults("moderation-down")
async def test_who_shows_nothing_unchecked_gives_the_price_back_and_blames_nobody(pipeline: Pipeline) -> None:
    await rule(pipeline.guilds, checks={"results": True, "on_down": "refuse"})
    await shown(pipeline, 0)
    assert (await pipeline.spent(), await strikes(pipeline)) == (0, 0)


async def test_two_attempts_withhold_once_and_ask_once(pipeline: Pipeline) -> None:
    await rule(pipeline.guilds, checks={"results": True})
    job = await pipeline.ended(reddish(95), reddish(0))
    pipeline.board.trouble[Way.MESSAGE].append(Trouble.BUSY)
    async with pipeline.at_work("outbox"):
        await pipeline.until(job, JobState.DELIVERED)
    assert (await strikes(pipeline), len(await asked_of_moderators(pipeline)), len(await withheld(pipeline))) == (1, 1, 1)


async def test_in_private_the_moderators_get_no_message(pipeline: Pipeline) -> None:
    await rule(pipeline.guilds, checks={"prompts": True})
    place = ReplyTarget(user_id=7, channel_id=5, guild_id=1, private=True)
    await delivered(pipeline, await pipeline.order(FLAGGED, place=place))
    assert [case.message_id for case in await asked_of_moderators(pipeline)] == [None]


# --- what follows ----------------------------------------------------------------------------------------------------


async def test_a_case_and_the_log_are_promised_with_the_delivery(pipeline: Pipeline) -> None:
    await rule(pipeline.guilds, checks={"prompts": True}, log_channel_id=99)
    job = await delivered(pipeline, await pipeline.order(FLAGGED))
    (case,) = await asked_of_moderators(pipeline)
    sent = {(item.kind, tuple(item.data.items())) for item, _job in pipeline.messenger.sent}
    left = {(item.kind, tuple(item.data.items())) for item in await pipeline.store.read(outbox.due, pipeline.clock())}
    assert {(ItemKind.CASE, (("case_id", case.id),)), (ItemKind.LOG, (("job_id", job.id),))} <= sent | left


async def test_what_was_cancelled_is_not_logged(pipeline: Pipeline) -> None:
    await rule(pipeline.guilds, log_channel_id=99)
    job = await pipeline.order(OK)
    await pipeline.cancel(job)
    await delivered(pipeline, job)
    assert await pipeline.store.read(outbox.due, pipeline.clock()) == []


async def test_direct_messages_are_under_no_servers_rules(pipeline: Pipeline) -> None:
    await rule(pipeline.guilds, **CHECKED)
    job = await pipeline.order(BLOCKED, place=ReplyTarget(user_id=7, channel_id=5))
    job = await delivered(pipeline, job)
    assert (len(job.succeeded), job.flagged, asked(pipeline)) == (1, None, 0)
