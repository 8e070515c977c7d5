"""Prompts are looked at before they are sent, and results before they are shown, against the local moderations endpoint."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.job import Failure, GenerationState, Job, JobState, ReplyTarget
from bot.domain.request import Channel
from bot.domain.scheduling import Caps
from bot.media import likeness
from bot.store import outbox
from bot.store.moderation import audit_log, cases, conduct
from bot.store.moderation.audit_log import AuditAction
from bot.store.moderation.cases import Case, Cause
from bot.store.outbox import ItemKind
from tests.env.fake_delivery import Trouble, Way
from tests.env.guild_rules import CHECKED, reddish, rule
from tests.env.images import LARGE
from tests.services.conftest import Works, eventually

OK, FLAGGED, BLOCKED = "a red fox", "a fox with a weapon", "a fox that will kill"
NSFW = Channel(guild_id=1, channel_id=5, age_restricted=True)


async def asked_of_moderators(works: Works) -> list[Case]:
    return await works.store.read(cases.waiting, 1)


async def withheld(works: Works) -> list[dict[str, Any]]:
    """What the audit log tells of it."""
    lines = await works.store.read(audit_log.latest, 1)
    return [dict(line.details) for line in lines if line.action is AuditAction.WITHHELD]


async def strikes(works: Works, member: int = 7) -> int:
    return len(await works.store.read(conduct.strikes_of, 1, member))


async def delivered(works: Works, job: Job) -> Job:
    async with works.at_work():
        return await works.until(job, JobState.DELIVERED)


def asked(works: Works) -> int:
    return len(works.images.received("POST", "/moderation/v1"))


# --- prompts ---------------------------------------------------------------------------------------------------------


async def test_a_prompt_is_asked_about_once_and_then_made(works: Works) -> None:
    await rule(works.guilds, checks={"prompts": True})
    job = await delivered(works, await works.order(OK, count=3))
    assert (asked(works), len(job.succeeded), job.flagged, job.needs_check) == (1, 3, None, False)
    assert await asked_of_moderators(works) == []


async def test_a_blocked_prompt_is_never_sent_and_earns_one_strike(works: Works) -> None:
    await rule(works.guilds, **CHECKED)
    job = await delivered(works, await works.order(BLOCKED, count=2))
    assert [(g.state, g.failure, g.submitted_at) for g in job.generations] == [(GenerationState.FAILED, Failure.CONTENT, None)] * 2
    assert "put it in other words" in (job.generations[0].error or "")
    assert (await works.enqueued(), await works.spent(), await strikes(works)) == (0, 0, 1)
    assert await withheld(works) == [{"of": "prompt", "reason": "violence", "score": 0.93}]


async def test_a_flagged_prompt_is_made_behind_a_spoiler_and_moderators_are_asked(works: Works) -> None:
    await rule(works.guilds, checks={"prompts": True})
    job = await delivered(works, await works.order(FLAGGED))
    (notice,), (case,) = works.board.of(job.id), await asked_of_moderators(works)
    assert notice.files[0][0].startswith("SPOILER_")
    assert (case.cause, case.reason, case.job_id, case.message_id) == (Cause.PROMPT, "violence", job.id, job.place.message_id)
    assert (await strikes(works), job.spoiler) == (0, True)


async def test_where_the_server_allows_it_a_flagged_prompt_needs_no_spoiler(works: Works) -> None:
    await rule(works.guilds, checks={"prompts": True}, age_restricted={"unspoilered": True})
    job = await delivered(works, await works.order(FLAGGED, channel=NSFW))
    assert (job.spoiler, job.flagged, len(await asked_of_moderators(works))) == (False, "violence", 1)


@pytest.mark.faults("moderation-down")
async def test_while_the_check_is_down_a_prompt_waits_and_says_so(works: Works) -> None:
    await rule(works.guilds, **CHECKED)
    job = await works.order(OK)
    async with works.at_work():
        waiting = await eventually(lambda: _late(works, job))
        assert (waiting.generations[0].state, await works.enqueued()) == (GenerationState.WAITING, 0)
        works.images.switchboard.turn_off("moderation-down")
        assert len((await works.until(job, JobState.DELIVERED)).succeeded) == 1
    assert await strikes(works) == 0


async def _late(works: Works, job: Job) -> Job | None:
    kept = await works.orders.job(job.id)
    return kept if kept.check_is_late else None


@pytest.mark.faults("moderation-down")
@pytest.mark.parametrize(("on_down", "made"), [("allow", 1), ("refuse", 0)])
async def test_the_server_decides_what_happens_while_it_is_down(works: Works, on_down: str, made: int) -> None:
    await rule(works.guilds, checks={"prompts": True, "on_down": on_down})
    job = await delivered(works, await works.order(OK))
    assert (len(job.succeeded), await strikes(works)) == (made, 0)
    assert [g.failure for g in job.generations] == [None if made else Failure.FAULT]


@pytest.mark.faults("moderation-down")
async def test_a_prompt_that_waits_too_long_for_its_check_is_given_up(works: Works) -> None:
    await rule(works.guilds, **CHECKED)
    job = await works.order(OK)
    works.clock.turn(1_800_001)
    job = await delivered(works, job)
    assert ([g.failure for g in job.generations], await works.spent()) == ([Failure.TIMEOUT], 0)


@pytest.mark.faults("moderation-down")
async def test_a_prompt_that_waits_for_its_check_can_be_cancelled_and_outlives_a_restart(works: Works) -> None:
    await rule(works.guilds, **CHECKED)
    job, other = await works.order(OK), await works.order(OK)
    async with works.at_work():
        await eventually(lambda: _late(works, job))
    works.images.switchboard.turn_off("moderation-down")
    again = works.again()
    await again.models.load()
    await again.cancel(other)
    job = await delivered(again, job)
    assert (len(job.succeeded), await works.enqueued()) == (1, 1)


@pytest.mark.faults("moderation-slow")
async def test_an_endpoint_that_is_slow_holds_up_nobody_who_was_not_to_be_checked(works: Works) -> None:
    works = works.again(caps=Caps(per_user=4, per_guild=8, total=1))  # two at work at a time in all
    await works.models.load()
    await rule(works.guilds, **CHECKED)
    slow = [await works.order(OK, place=ReplyTarget(user_id=user, channel_id=5, guild_id=1)) for user in range(20, 24)]
    free = await works.order(OK, place=ReplyTarget(user_id=7, channel_id=5, guild_id=2))
    async with works.at_work():
        await works.until(free, JobState.DELIVERED)
        assert {(await works.orders.job(job.id)).state for job in slow} == {JobState.OPEN}


# --- results ---------------------------------------------------------------------------------------------------------


async def shown(works: Works, *percents: int, **more: Any) -> Job:
    """A job whose pictures are so red, after its delivery."""
    job = await works.ended(*map(reddish, percents), **more)
    async with works.at_work("deliver"):
        return await works.until(job, JobState.DELIVERED)


async def test_a_blocked_result_is_withheld_and_paid_back(works: Works) -> None:
    await rule(works.guilds, checks={"results": True})
    job = await shown(works, 0, 95)
    (notice,), (case,) = works.board.of(job.id), await asked_of_moderators(works)
    assert [name for name, _size in notice.files] == [f"easel-{job.id}-1.png"]
    told = "Picture 2 could not be used (this server's check of pictures does not allow it). Its price was given back."
    assert notice.notes == (told,)
    assert (case.cause, case.reason, await strikes(works), await works.spent()) == (Cause.RESULT, "violence", 1, 1_000_000)
    assert await withheld(works) == [{"of": "result", "n": 1, "reason": "violence", "score": 0.953}]


async def test_what_was_withheld_is_nowhere_to_be_had(works: Works) -> None:
    await rule(works.guilds, checks={"results": True})
    job = await shown(works, 0, 95)
    async with works.results.open(job, limit_bytes=10**7) as pictures:
        assert [picture.n for picture in pictures] == [0]


async def test_a_flagged_result_is_shown_behind_a_spoiler(works: Works) -> None:
    await rule(works.guilds, checks={"results": True})
    job = await shown(works, 0, 60)
    (notice,), (case,) = works.board.of(job.id), await asked_of_moderators(works)
    assert [name.startswith("SPOILER_") for name, _size in notice.files] == [True, True]
    assert (case.cause, case.message_id, job.spoiler, job.flagged) == (Cause.RESULT, notice.id, True, "violence")
    assert (await strikes(works), await works.spent()) == (0, 2_000_000)


async def test_a_known_bad_picture_is_withheld_without_any_endpoint(works: Works) -> None:
    await rule(works.guilds, known_bad={"hashes": [f"{likeness.fingerprint(LARGE.content or b''):016x}"]})
    job = await works.ended(LARGE)
    async with works.at_work("deliver"):
        job = await works.until(job, JobState.DELIVERED)
    assert (job.succeeded[0].failure, asked(works), works.board.of(job.id)[0].files) == (Failure.CONTENT, 0, [])
    assert (await asked_of_moderators(works))[0].reason == "known"


@pytest.mark.faults("moderation-down")
async def test_while_the_check_is_down_a_result_waits_and_cannot_be_had_another_way(works: Works) -> None:
    await rule(works.guilds, checks={"results": True})
    job = await works.ended(reddish(0))
    async with works.at_work("deliver"):
        job = await eventually(lambda: _tried(works, job))
        with pytest.raises(ValueError, match="has not arrived yet"):
            async with works.results.open(job, limit_bytes=10**7):
                pass
        works.images.switchboard.turn_off("moderation-down")
        await works.until(job, JobState.DELIVERED)
    assert len(works.board.of(job.id)[0].files) == 1


async def _tried(works: Works, job: Job) -> Job | None:
    return job if await works.attempts(job.id) > 1 else None


@pytest.mark.faults("moderation-down")
async def test_who_shows_nothing_unchecked_gives_the_price_back_and_blames_nobody(works: Works) -> None:
    await rule(works.guilds, checks={"results": True, "on_down": "refuse"})
    await shown(works, 0)
    assert (await works.spent(), await strikes(works)) == (0, 0)


async def test_two_attempts_withhold_once_and_ask_once(works: Works) -> None:
    await rule(works.guilds, checks={"results": True})
    job = await works.ended(reddish(95), reddish(0))
    works.board.trouble[Way.MESSAGE].append(Trouble.BUSY)
    async with works.at_work("deliver"):
        await works.until(job, JobState.DELIVERED)
    assert (await strikes(works), len(await asked_of_moderators(works)), len(await withheld(works))) == (1, 1, 1)


async def test_in_private_the_moderators_get_no_message(works: Works) -> None:
    await rule(works.guilds, checks={"prompts": True})
    place = ReplyTarget(user_id=7, channel_id=5, guild_id=1, private=True)
    await delivered(works, await works.order(FLAGGED, place=place))
    assert [case.message_id for case in await asked_of_moderators(works)] == [None]


# --- what follows ----------------------------------------------------------------------------------------------------


async def test_a_case_and_the_log_are_promised_with_the_delivery(works: Works) -> None:
    await rule(works.guilds, checks={"prompts": True}, log_channel_id=99)
    job = await delivered(works, await works.order(FLAGGED))
    (case,) = await asked_of_moderators(works)
    sent = {(item.kind, tuple(item.data.items())) for item, _job in works.messenger.sent}
    left = {(item.kind, tuple(item.data.items())) for item in await works.store.read(outbox.due, works.clock())}
    assert {(ItemKind.CASE, (("case_id", case.id),)), (ItemKind.LOG, (("job_id", job.id),))} <= sent | left


async def test_what_was_cancelled_is_not_logged(works: Works) -> None:
    await rule(works.guilds, log_channel_id=99)
    job = await works.order(OK)
    await works.cancel(job)
    await delivered(works, job)
    assert await works.store.read(outbox.due, works.clock()) == []


async def test_direct_messages_are_under_no_servers_rules(works: Works) -> None:
    await rule(works.guilds, **CHECKED)
    job = await works.order(BLOCKED, place=ReplyTarget(user_id=7, channel_id=5))
    job = await delivered(works, job)
    assert (len(job.succeeded), job.flagged, asked(works)) == (1, None, 0)
