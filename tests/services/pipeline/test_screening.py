"""Screening of prompts before they are sent and of results before they are shown, with the local moderations endpoint."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image
from structlog.testing import capture_logs

from bot.domain.job import Failure, GenerationState, Job, JobState, Outcome, ReplyTarget
from bot.domain.moderation.audit import AuditAction
from bot.domain.moderation.cases import Case, Cause
from bot.domain.outbox import ItemKind
from bot.domain.request import Channel
from bot.media import likeness
from bot.store import outbox
from bot.store.moderation import audit_log, cases, conduct
from sandbox.images import moderations
from tests.env.fake_discord import DiscordFault, DiscordRoute
from tests.env.guild_rules import CHECKED, change_rules, reddish
from tests.env.images import LARGE
from tests.services.conftest import Pipeline, eventually

OK, FLAGGED, BLOCKED = "a red fox", "a fox with a weapon", "a fox that will kill"
NSFW = Channel(guild_id=1, channel_id=5, age_restricted=True)


async def open_cases(pipeline: Pipeline) -> list[Case]:
    return await pipeline.store.read(cases.waiting, 1)


async def withheld(pipeline: Pipeline) -> list[dict[str, Any]]:
    """The details of the audit log's entries on withheld prompts and results."""
    lines = await pipeline.store.read(audit_log.latest, 1)
    return [dict(line.details) for line in lines if line.action is AuditAction.WITHHELD]


async def strikes(pipeline: Pipeline, member: int = 7) -> int:
    return len(await pipeline.store.read(conduct.strikes_of, 1, member))


async def deliver(pipeline: Pipeline, job: Job) -> Job:
    async with pipeline.running():
        return await pipeline.until(job, JobState.DELIVERED)


def checks_made(pipeline: Pipeline) -> int:
    return len(pipeline.images.received("POST", "/moderation/v1"))


# --- prompts ---------------------------------------------------------------------------------------------------------


async def test_a_prompt_is_checked_once_and_then_made(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, checks={"prompts": True})
    job = await deliver(pipeline, await pipeline.order(OK, count=3))
    assert (checks_made(pipeline), len(job.succeeded), job.flagged, job.needs_check) == (1, 3, None, False)
    assert await open_cases(pipeline) == []


async def test_a_blocked_prompt_is_never_sent_and_adds_one_strike(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, **CHECKED)
    job = await deliver(pipeline, await pipeline.order(BLOCKED, count=2))
    assert [(g.state, g.failure, g.submitted_at) for g in job.generations] == [(GenerationState.FAILED, Failure.CONTENT, None)] * 2
    assert "doesn't allow that prompt. Try a different one" in (job.generations[0].error or "")
    assert (await pipeline.enqueued(), await pipeline.spent(), await strikes(pipeline)) == (0, 0, 1)
    assert await withheld(pipeline) == [{"of": "prompt", "reason": "violence", "score": 0.93}]


async def test_a_flagged_prompt_is_made_behind_a_spoiler_and_opens_a_case(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, checks={"prompts": True})
    job = await deliver(pipeline, await pipeline.order(FLAGGED))
    (message,), (case,) = pipeline.discord.results_of(job.id), await open_cases(pipeline)
    assert message.files[0][0].startswith("SPOILER_")
    assert (case.cause, case.reason, case.job_id, case.message_id) == (Cause.PROMPT, "violence", job.id, job.place.message_id)
    assert (await strikes(pipeline), job.spoiler) == (0, True)


async def test_a_flagged_prompt_needs_no_spoiler_if_the_guild_allows_it(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, checks={"prompts": True}, age_restricted={"unspoilered": True})
    job = await deliver(pipeline, await pipeline.order(FLAGGED, channel=NSFW))
    assert (job.spoiler, job.flagged, len(await open_cases(pipeline))) == (False, "violence", 1)


@pytest.mark.faults("moderation-down")
async def test_a_prompt_waits_while_the_endpoint_is_down(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, **CHECKED)
    job = await pipeline.order(OK)
    async with pipeline.running():
        waiting = await eventually(lambda: _delayed_job(pipeline, job))
        assert (waiting.generations[0].state, await pipeline.enqueued()) == (GenerationState.WAITING, 0)
        pipeline.images.switchboard.turn_off("moderation-down")
        assert len((await pipeline.until(job, JobState.DELIVERED)).succeeded) == 1
    assert await strikes(pipeline) == 0


async def _delayed_job(pipeline: Pipeline, job: Job) -> Job | None:
    kept = await pipeline.orders.job(job.id)
    return kept if kept.check_is_late else None


@pytest.mark.faults("moderation-down")
@pytest.mark.parametrize(("on_down", "made"), [("allow", 1), ("refuse", 0)])
async def test_the_guild_decides_what_happens_while_the_endpoint_is_down(pipeline: Pipeline, on_down: str, made: int) -> None:
    await change_rules(pipeline.guilds, checks={"prompts": True, "on_down": on_down})
    job = await deliver(pipeline, await pipeline.order(OK))
    assert (len(job.succeeded), await strikes(pipeline)) == (made, 0)
    assert [g.failure for g in job.generations] == [None if made else Failure.FAULT]


async def test_the_operator_is_told_once_that_the_endpoint_refuses_the_key(pipeline: Pipeline) -> None:
    restarted = await pipeline.restart(MODERATIONS_KEY="wrong")
    await change_rules(restarted.guilds, checks={"prompts": True, "on_down": "allow"})
    with capture_logs() as logs:
        for _ in range(2):
            await deliver(restarted, await restarted.order(OK))
    assert [entry["event"] for entry in logs if entry["log_level"] == "critical"] == ["moderations endpoint needs its operator"]


@pytest.mark.faults("moderation-down")
async def test_the_operator_is_told_once_that_an_endpoint_that_a_guild_needs_is_down(pipeline: Pipeline) -> None:
    with capture_logs() as logs:
        for on_down in ("allow", "refuse"):
            await change_rules(pipeline.guilds, checks={"prompts": True, "on_down": on_down})
            for _ in range(6):
                await deliver(pipeline, await pipeline.order(OK))
        pipeline.images.switchboard.turn_off("moderation-down")
        await deliver(pipeline, await pipeline.order(OK))
    told = [(entry["event"], entry["log_level"]) for entry in logs if entry["event"].startswith("content check down")]
    assert told == [("content check down", "critical"), ("content check down is over", "warning")]


@pytest.mark.faults("moderation-down")
async def test_a_prompt_that_is_not_checked_in_time_fails(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, **CHECKED)
    job = await pipeline.order(OK)
    pipeline.clock.advance(1_800_001)
    job = await deliver(pipeline, job)
    assert ([g.failure for g in job.generations], await pipeline.spent()) == ([Failure.TIMEOUT], 0)


@pytest.mark.faults("moderation-down")
async def test_a_prompt_waiting_for_its_check_survives_a_restart_and_can_be_cancelled(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, **CHECKED)
    job, other = await pipeline.order(OK), await pipeline.order(OK)
    async with pipeline.running():
        await eventually(lambda: _delayed_job(pipeline, job))
    pipeline.images.switchboard.turn_off("moderation-down")
    again = await pipeline.restart()
    await again.models.load()
    await again.cancel(other)
    job = await deliver(again, job)
    assert (len(job.succeeded), await pipeline.enqueued()) == (1, 1)


@pytest.mark.faults("moderation-slow")
async def test_a_slow_endpoint_does_not_delay_jobs_without_checks(pipeline: Pipeline) -> None:
    pipeline = await pipeline.restart(MAX_RUNNING="1")  # so at most two tasks of the dispatch loop at a time
    await change_rules(pipeline.guilds, **CHECKED)
    slow = [await pipeline.order(OK, place=ReplyTarget(user_id=user, channel_id=5, guild_id=1)) for user in range(20, 24)]
    free = await pipeline.order(OK, place=ReplyTarget(user_id=7, channel_id=5, guild_id=2))
    async with pipeline.running():
        await pipeline.until(free, JobState.DELIVERED)
        assert {(await pipeline.orders.job(job.id)).state for job in slow} == {JobState.OPEN}


# --- results ---------------------------------------------------------------------------------------------------------


async def delivered_result(pipeline: Pipeline, *percents: int, **more: Any) -> Job:
    """A delivered job whose images have these percentages of red."""
    job = await pipeline.ended_job(*map(reddish, percents), **more)
    async with pipeline.running("outbox"):
        return await pipeline.until(job, JobState.DELIVERED)


async def test_a_blocked_result_is_withheld_and_refunded(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, checks={"results": True})
    job = await delivered_result(pipeline, 0, 95)
    (message,), (case,) = pipeline.discord.results_of(job.id), await open_cases(pipeline)
    assert [name for name, _size in message.files] == [f"easel-{job.id}-1.png"]
    strike = "This is strike 1 of 5; at 5 you can't create images here for 1 hour."
    note = f"Image 2 couldn't be used. This server's content check doesn't allow it. {strike} You were refunded."
    assert message.notes == (note,)
    assert (case.cause, case.reason, await strikes(pipeline), await pipeline.spent()) == (Cause.RESULT, "violence", 1, 1_000_000)
    assert await withheld(pipeline) == [{"of": "result", "n": 1, "reason": "violence", "score": 0.953}]


async def test_a_withheld_result_cannot_be_opened(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, checks={"results": True})
    job = await delivered_result(pipeline, 0, 95)
    async with pipeline.results.open(job, limit_bytes=10**7) as images:
        assert [image.n for image in images] == [0]


async def test_a_flagged_result_is_shown_behind_a_spoiler(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, checks={"results": True})
    job = await delivered_result(pipeline, 0, 60)
    (message,), (case,) = pipeline.discord.results_of(job.id), await open_cases(pipeline)
    assert [name.startswith("SPOILER_") for name, _size in message.files] == [True, True]
    assert (case.cause, case.message_id, job.spoiler, job.flagged) == (Cause.RESULT, message.id, True, "violence")
    assert (await strikes(pipeline), await pipeline.spent()) == (0, 2_000_000)


async def test_a_known_bad_image_is_withheld_without_the_endpoint(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, known_bad={"hashes": [f"{likeness.fingerprint(LARGE.content or b''):016x}"]})
    job = await pipeline.ended_job(LARGE)
    async with pipeline.running("outbox"):
        job = await pipeline.until(job, JobState.DELIVERED)
    assert (job.succeeded[0].failure, checks_made(pipeline), pipeline.discord.results_of(job.id)[0].files) == (Failure.CONTENT, 0, [])
    assert (await open_cases(pipeline))[0].reason == "known"


def result(*colours: str, format_: str) -> Outcome:
    """An image, or an animation with a frame of each colour."""
    first, *others = (Image.new("RGB", (64, 64), colour) for colour in colours)
    buffer = io.BytesIO()
    first.save(buffer, format_, **({"save_all": True, "append_images": others} if others else {}))
    return Outcome(state=GenerationState.SUCCEEDED, content=buffer.getvalue())


@pytest.mark.faults("moderation-narrow")
@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "GIF", "AVIF"])
async def test_the_endpoint_gets_every_image_in_a_form_that_it_takes(pipeline: Pipeline, format_: str) -> None:
    await change_rules(pipeline.guilds, checks={"results": True})
    job = await pipeline.ended_job(result("red", format_=format_))
    async with pipeline.running("outbox"):
        await pipeline.until(job, JobState.DELIVERED)
    assert [details["reason"] for details in await withheld(pipeline)] == ["violence"]


@pytest.mark.parametrize("format_", ["WEBP", "GIF"])
async def test_later_frames_of_an_animation_are_checked_too(pipeline: Pipeline, format_: str) -> None:
    await change_rules(pipeline.guilds, checks={"results": True})
    job = await pipeline.ended_job(result("grey", "red", "red", "red", format_=format_))
    async with pipeline.running("outbox"):
        job = await pipeline.until(job, JobState.DELIVERED)
    assert (job.flagged, job.spoiler) == ("violence", True)


@pytest.mark.parametrize(("on_down", "failure"), [("hold", Failure.CONTENT), ("refuse", Failure.CONTENT), ("allow", None)])
async def test_the_guild_decides_what_happens_to_what_the_endpoint_never_takes(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, on_down: str, failure: Failure | None
) -> None:
    monkeypatch.setattr(moderations, "NARROW_LIMIT_BYTES", 0)
    pipeline.images.switchboard.turn_on("moderation-narrow")
    await change_rules(pipeline.guilds, checks={"results": True, "on_down": on_down})
    job = await delivered_result(pipeline, 0)
    assert (job.succeeded[0].failure, await strikes(pipeline)) == (failure, 0)


@pytest.mark.faults("moderation-down")
async def test_a_result_waits_while_the_endpoint_is_down_and_cannot_be_opened(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, checks={"results": True})
    job = await pipeline.ended_job(reddish(0))
    async with pipeline.running("outbox"):
        job = await eventually(lambda: _retried_job(pipeline, job))
        with pytest.raises(ValueError, match="hasn't arrived yet"):
            async with pipeline.results.open(job, limit_bytes=10**7):
                pass
        pipeline.images.switchboard.turn_off("moderation-down")
        await pipeline.until(job, JobState.DELIVERED)
    assert len(pipeline.discord.results_of(job.id)[0].files) == 1


async def _retried_job(pipeline: Pipeline, job: Job) -> Job | None:
    return job if await pipeline.attempts(job.id) > 1 else None


@pytest.mark.faults("moderation-down")
async def test_an_unchecked_result_is_refunded_without_a_strike(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, checks={"results": True, "on_down": "refuse"})
    await delivered_result(pipeline, 0)
    assert (await pipeline.spent(), await strikes(pipeline)) == (0, 0)


async def test_two_attempts_withhold_once_and_open_one_case(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, checks={"results": True})
    job = await pipeline.ended_job(reddish(95), reddish(0))
    pipeline.discord.faults[DiscordRoute.MESSAGE].append(DiscordFault.BUSY)
    async with pipeline.running("outbox"):
        await pipeline.until(job, JobState.DELIVERED)
    assert (await strikes(pipeline), len(await open_cases(pipeline)), len(await withheld(pipeline))) == (1, 1, 1)


async def test_the_case_of_a_private_job_has_no_message(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, checks={"prompts": True})
    place = ReplyTarget(user_id=7, channel_id=5, guild_id=1, private=True)
    await deliver(pipeline, await pipeline.order(FLAGGED, place=place))
    assert [case.message_id for case in await open_cases(pipeline)] == [None]


# --- outbox items ----------------------------------------------------------------------------------------------------


async def test_a_delivery_adds_the_outbox_items_of_case_and_log(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, checks={"prompts": True}, log_channel_id=99)
    job = await deliver(pipeline, await pipeline.order(FLAGGED))
    (case,) = await open_cases(pipeline)
    sent = {(item.kind, tuple(item.data.items())) for item, _job in pipeline.messenger.sent}
    left = {(item.kind, tuple(item.data.items())) for item in await pipeline.store.read(outbox.due, pipeline.clock())}
    assert {(ItemKind.CASE, (("case_id", case.id),)), (ItemKind.LOG, (("job_id", job.id),))} <= sent | left


async def test_a_cancelled_job_has_no_log_post(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, log_channel_id=99)
    job = await pipeline.order(OK)
    await pipeline.cancel(job)
    await deliver(pipeline, job)
    assert await pipeline.store.read(outbox.due, pipeline.clock()) == []


async def test_no_guilds_rules_apply_in_direct_messages(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, **CHECKED)
    job = await pipeline.order(BLOCKED, place=ReplyTarget(user_id=7, channel_id=5))
    job = await deliver(pipeline, job)
    assert (len(job.succeeded), job.flagged, checks_made(pipeline)) == (1, None, 0)
