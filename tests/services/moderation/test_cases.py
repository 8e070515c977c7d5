"""The cases service behind buttons and commands: decisions, and finding the image."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import replace

import pytest

from bot.core.errors import InvalidRequest, NotAllowed, NotFound
from bot.core.running.coordination import SharedLocks
from bot.domain.actor import Actor
from bot.domain.job import Job, JobState, ReplyTarget
from bot.domain.moderation.cases import Case, Decision, Report
from bot.domain.outbox import ItemKind
from bot.domain.request import Request
from bot.domain.visibility import Origin
from bot.services.guilds import Guilds
from bot.services.moderation.cases import Cases, Decided
from bot.services.moderation.flagging import Flagging
from bot.store import delivery, history, outbox
from bot.store.moderation import cases as case_queries
from bot.store.moderation import conduct, verdicts
from tests.env.guild_rules import reddish
from tests.env.jobs import SUCCEEDED, request
from tests.services.conftest import Pipeline

HERE, ELSEWHERE, CHANNEL, MESSAGE, ADA = 1, 2, 5, 123_456_789, 7
NOWHERE = Origin(channels=(), owner_id=ADA)
MO = Actor(user_id=9, may_manage_messages=True)
BEN = Actor(user_id=8, joined_at=0)
DAY_MS = 86_400_000


@pytest.fixture
async def cases(pipeline: Pipeline) -> Cases:
    return Cases(store=pipeline.store, orders=pipeline.orders, clock=pipeline.clock)


@pytest.fixture
async def flagging(pipeline: Pipeline) -> Flagging:
    guilds = Guilds(store=pipeline.store, clock=pipeline.clock)
    return Flagging(
        store=pipeline.store,
        orders=pipeline.orders,
        guilds=guilds,
        weighing=SharedLocks("flags", pipeline.store.coordination),
        clock=pipeline.clock,
    )


@pytest.fixture
async def fox(pipeline: Pipeline) -> Job:
    """A delivered image by Ada."""
    job = await pipeline.ended_job(SUCCEEDED)
    await pipeline.store.write(delivery.mark_delivered, job.id, channel_id=CHANNEL, message_id=MESSAGE, now=pipeline.clock())
    return await pipeline.orders.job(job.id)


async def request_of(at: Flagging, actor: Actor, *, guild_id: int = HERE) -> Request:
    """A request by this actor in this guild."""
    return await request(at, ReplyTarget(user_id=actor.user_id, channel_id=CHANNEL, guild_id=guild_id), actor=actor)


def report(job: Job, by: Actor) -> Report:
    return Report(at=0, guild_id=HERE, channel_id=CHANNEL, message_id=MESSAGE, job_id=job.id, author_id=ADA, user_id=by.user_id)


async def opened(flagging: Flagging, fox: Job) -> Case:
    flagged = await flagging.flag(await request_of(flagging, MO), report(fox, MO))
    assert flagged.opened is not None
    return flagged.opened


# --- decisions -------------------------------------------------------------------------------------------------------


async def test_cases_and_images_of_another_guild_are_not_found(cases: Cases, flagging: Flagging, fox: Job) -> None:
    case, elsewhere = await opened(flagging, fox), await request_of(flagging, MO, guild_id=HERE + 1)
    with pytest.raises(NotFound):
        await cases.decide(elsewhere, case.id, Decision.DELETE)
    with pytest.raises(NotFound):
        await cases.delete(elsewhere, fox.id)


async def test_a_report_cannot_name_another_author(flagging: Flagging, fox: Job) -> None:
    opened = (await flagging.flag(await request_of(flagging, MO), replace(report(fox, MO), author_id=BEN.user_id))).opened
    assert opened is not None
    assert opened.author_id == ADA


async def test_the_second_moderator_is_told_who_decided(cases: Cases, flagging: Flagging, fox: Job) -> None:
    case = await opened(flagging, fox)
    await cases.decide(await request_of(flagging, MO), case.id, Decision.SPOILER)
    with pytest.raises(Decided, match="<@9> already decided this: Hide"):
        await cases.decide(await request_of(flagging, Actor(user_id=11, may_manage_messages=True)), case.id, Decision.DELETE)


async def test_unknown_images_can_only_be_kept_or_deleted(cases: Cases, flagging: Flagging, fox: Job) -> None:
    unknown = Report(at=0, guild_id=HERE, channel_id=CHANNEL, message_id=4, author_id=20, user_id=MO.user_id)
    case = (await flagging.flag(await request_of(flagging, MO), unknown)).opened
    assert case is not None
    with pytest.raises(InvalidRequest, match="didn't create this image"):
        await cases.decide(await request_of(flagging, MO), case.id, Decision.SPOILER)
    assert (await cases.decide(await request_of(flagging, MO), case.id, Decision.DELETE)).decided_by == MO.user_id


# --- finding an image ------------------------------------------------------------------------------------------------


LINKS = (
    "https://discord.com/channels/1/5/{message}",
    "<https://ptb.discord.com/channels/1/5/{message}?x=1>",
    "https://canary.discordapp.com/channels/@me/5/{message}/ please, it is rude",
    "[this](http://www.discord.com/channels/1/5/{message}#now)",
    "discord://-/channels/1/5/{message}",
    "5-{message}",
)
OUT_OF_RANGE = ("99999999999999999999", "9" * 40, "9223372036854775808", "0", "-5", "-1-0")


@pytest.mark.parametrize("form", ["{job}", "`{job}`", " {job} ", "{message}", *LINKS])
async def test_an_image_is_found_by_job_id_message_id_or_link(cases: Cases, fox: Job, form: str) -> None:
    assert (await cases.find(HERE, form.format(job=fox.id, message=MESSAGE))).id == fox.id


@pytest.mark.parametrize("wanted", ["", "fox", "000000000000", "https://example.com/1", "5-99", *OUT_OF_RANGE])
async def test_other_texts_find_nothing(cases: Cases, fox: Job, wanted: str) -> None:
    with pytest.raises(NotFound):
        await cases.find(HERE, wanted)
    with pytest.raises(NotFound):
        await cases.find(HERE, f"https://discord.com/channels/1/5/{wanted}")


# --- flags -----------------------------------------------------------------------------------------------------------


async def test_a_hundred_flags_at_once_open_one_case(pipeline: Pipeline, flagging: Flagging, fox: Job) -> None:
    members = [Actor(user_id=100 + n, joined_at=0) for n in range(100)]
    flags = [flagging.flag(await request_of(flagging, member), report(fox, member)) for member in members]
    flagged = await asyncio.gather(*flags)
    assert sum(each.opened is not None for each in flagged) == 1
    assert len(await pipeline.store.read(case_queries.waiting, HERE)) == 1


async def test_a_flag_that_comes_after_the_decision_opens_no_case(pipeline: Pipeline, cases: Cases, flagging: Flagging, fox: Job) -> None:
    case = await opened(flagging, fox)
    await cases.decide(await request_of(flagging, MO), case.id, Decision.DELETE)
    other = Actor(user_id=11, may_manage_messages=True)
    with pytest.raises(NotFound, match="deleted"):
        await flagging.flag(await request_of(flagging, other), report(fox, other))
    assert await pipeline.store.read(case_queries.waiting, HERE) == []


async def test_flags_of_new_accounts_do_not_count(pipeline: Pipeline, flagging: Flagging, fox: Job) -> None:
    new_member = Actor(user_id=30, joined_at=pipeline.clock() - DAY_MS)
    flagged = await flagging.flag(await request_of(flagging, new_member), report(fox, new_member))
    assert (flagged.is_new, flagged.counts, flagged.opened) == (True, False, None)


# --- without a case --------------------------------------------------------------------------------------------------


async def test_a_purge_cancels_open_jobs(pipeline: Pipeline, cases: Cases, flagging: Flagging, fox: Job) -> None:
    waiting = await pipeline.order()
    assert (await cases.purge(await request_of(flagging, MO), ADA))[0] == 1
    assert (await pipeline.orders.job(fox.id)).state is JobState.DELETED
    assert (await pipeline.orders.job(waiting.id)).cancel_requested_at is not None


async def told_of_blocks(pipeline: Pipeline) -> list[str]:
    """The reasons in the notices about blocks."""
    found = await pipeline.store.read(outbox.due, pipeline.clock())
    return [item.data["reason"] for item in found if (item.kind, item.user_id) == (ItemKind.TELL_BLOCK, ADA)]


async def test_a_blocked_member_is_notified_once_a_day(pipeline: Pipeline, cases: Cases, flagging: Flagging, fox: Job) -> None:
    for reason, after_ms in (("spam", 0), ("more", 1), ("again", DAY_MS - 60_000), ("tomorrow", DAY_MS)):
        pipeline.clock.advance(after_ms)
        await cases.block(await request_of(flagging, MO), ADA, is_member=True, until=None, reason=reason)
        await cases.unblock(await request_of(flagging, MO), ADA)
    assert await told_of_blocks(pipeline) == ["spam", "tomorrow"]


async def test_only_the_server_where_an_image_was_paid_for_can_refund_it(
    pipeline: Pipeline, cases: Cases, flagging: Flagging, fox: Job
) -> None:
    place = replace(fox.place, guild_id=ELSEWHERE, channel_id=CHANNEL + 1)
    assert await pipeline.store.write(history.record_repost, fox.id, place, MESSAGE + 1, pipeline.clock())
    there, here = await request_of(flagging, MO, guild_id=ELSEWHERE), await request_of(flagging, MO)
    for attempt in (cases.refund(there, fox.id), cases.judge(there, fox.id, Decision.REFUND)):
        with pytest.raises(InvalidRequest):
            await attempt
    assert [await cases.refund(here, fox.id), await cases.refund(here, fox.id)] == [fox.spent, 0]


@pytest.mark.parametrize("guild_id", [HERE, ELSEWHERE])
async def test_a_server_deletes_its_own_messages_only(
    pipeline: Pipeline, cases: Cases, flagging: Flagging, fox: Job, guild_id: int
) -> None:
    """Also the one where the image was asked for. The others still show it, and whoever asked for it keeps it."""
    own = {HERE: MESSAGE, ELSEWHERE: MESSAGE + 1}
    place = replace(fox.place, guild_id=ELSEWHERE, channel_id=CHANNEL + 1)
    assert await pipeline.store.write(history.record_repost, fox.id, place, MESSAGE + 1, pipeline.clock())
    assert (await cases.purge(await request_of(flagging, MO, guild_id=guild_id), ADA))[0] == 1
    removed = [item.data["message_id"] for item in await pipeline.store.read(outbox.due, pipeline.clock()) if item.kind is ItemKind.REMOVE]
    assert removed == [own[guild_id]]
    assert (await pipeline.orders.job(fox.id)).state is JobState.DELIVERED


async def test_a_purge_goes_on_after_images_that_are_shown_elsewhere(
    pipeline: Pipeline, cases: Cases, flagging: Flagging, fox: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "_PURGED_AT_A_TIME", 1)
    place = replace(fox.place, guild_id=ELSEWHERE, channel_id=CHANNEL + 1)
    assert await pipeline.store.write(history.record_repost, fox.id, place, MESSAGE + 1, pipeline.clock())
    others = [await pipeline.ended_job(SUCCEEDED) for _ in range(2)]
    assert (await cases.purge(await request_of(flagging, MO), ADA))[0] == 3
    assert [(await pipeline.orders.job(job.id)).state for job in others] == [JobState.DELETED] * 2


@pytest.mark.parametrize(("decision", "refused"), [(Decision.DELETE, True), (Decision.SPOILER, False)])
async def test_a_decision_holds_for_an_image_that_is_posted_again(
    pipeline: Pipeline, cases: Cases, flagging: Flagging, decision: Decision, refused: bool
) -> None:
    job = await pipeline.ended_job(reddish(0))
    await pipeline.store.write(delivery.mark_delivered, job.id, channel_id=CHANNEL, message_id=MESSAGE, now=pipeline.clock())
    place = replace(job.place, guild_id=ELSEWHERE, channel_id=CHANNEL + 1)
    assert await pipeline.store.write(history.record_repost, job.id, place, MESSAGE + 1, pipeline.clock())
    await cases.judge(await request_of(flagging, MO), job.id, decision)
    reposts, ada = pipeline.app.services.reposts, Actor(user_id=ADA)
    with pytest.raises(NotAllowed) if refused else nullcontext():
        async with reposts.open(await request_of(flagging, ada), await pipeline.orders.job(job.id), NOWHERE) as found:
            assert found.job.spoiler
    async with reposts.open(await request_of(flagging, ada, guild_id=ELSEWHERE + 1), await pipeline.orders.job(job.id), NOWHERE) as found:
        assert not found.job.spoiler


async def test_a_block_ends_at_the_border_of_its_server(pipeline: Pipeline, cases: Cases, flagging: Flagging, fox: Job) -> None:
    """Whoever never used Easel on a server cannot be blocked by it, and its members are blocked there alone and without a message."""
    elsewhere = await request_of(flagging, MO, guild_id=ELSEWHERE)
    with pytest.raises(NotFound):
        await cases.block(elsewhere, ADA, is_member=False, until=None, reason="spite")
    await cases.block(elsewhere, ADA, is_member=True, until=None, reason="spite")
    assert await told_of_blocks(pipeline) == []
    held = [await pipeline.store.read(conduct.blocked, guild_id, ADA, pipeline.clock()) is not None for guild_id in (ELSEWHERE, HERE, None)]
    assert held == [True, False, False]


async def test_a_block_is_lifted_once(pipeline: Pipeline, cases: Cases, flagging: Flagging) -> None:
    await cases.block(await request_of(flagging, MO), ADA, is_member=True, until=None, reason="")
    await cases.unblock(await request_of(flagging, MO), ADA)
    assert await pipeline.store.read(conduct.blocked, HERE, ADA, pipeline.clock()) is None
    with pytest.raises(NotFound):
        await cases.unblock(await request_of(flagging, MO), ADA)
