"""Who may decide what, and which picture is meant: the service behind buttons and commands."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.core.errors import InvalidRequest, NotAllowed, NotFound
from bot.domain.actor import Actor
from bot.domain.guild.document import changed
from bot.domain.job import Job, JobState, ReplyTarget
from bot.domain.moderation.cases import Case, Decision, Report
from bot.domain.outbox import ItemKind
from bot.domain.request import Request
from bot.services.guilds import Guilds
from bot.services.moderation.cases import Cases, Decided
from bot.store import delivery, outbox
from bot.store.moderation import cases as case_queries
from bot.store.moderation import conduct
from tests.env.jobs import SUCCEEDED, request
from tests.services.conftest import Pipeline

HERE, CHANNEL, MESSAGE, ADA = 1, 5, 123_456_789, 7
MO = Actor(user_id=9, may_manage_messages=True)
BEN = Actor(user_id=8, joined_at=0)
DAY_MS = 86_400_000


@pytest.fixture
async def cases(pipeline: Pipeline) -> Cases:
    guilds = Guilds(store=pipeline.store, clock=pipeline.clock)
    return Cases(store=pipeline.store, orders=pipeline.orders, guilds=guilds, clock=pipeline.clock)


@pytest.fixture
async def fox(pipeline: Pipeline) -> Job:
    """A picture of Ada's, on show."""
    job = await pipeline.ended(SUCCEEDED)
    await pipeline.store.write(delivery.delivered, job.id, channel_id=CHANNEL, message_id=MESSAGE, now=pipeline.clock())
    return await pipeline.orders.job(job.id)


async def asks(at: Cases, actor: Actor, *, guild_id: int = HERE) -> Request:
    """Somebody's request from a server."""
    return await request(at, ReplyTarget(user_id=actor.user_id, channel_id=CHANNEL, guild_id=guild_id), actor=actor)


def report(job: Job, by: Actor) -> Report:
    return Report(at=0, guild_id=HERE, channel_id=CHANNEL, message_id=MESSAGE, job_id=job.id, author_id=ADA, user_id=by.user_id)


async def opened(cases: Cases, fox: Job) -> Case:
    flagged = await cases.flag(await asks(cases, MO), report(fox, MO))
    assert flagged.opened is not None
    return flagged.opened


# --- who -------------------------------------------------------------------------------------------------------------


async def test_members_decide_nothing(cases: Cases, fox: Job) -> None:
    case, ben = await opened(cases, fox), await asks(cases, BEN)
    for attempt in (
        cases.decide(ben, case.id, Decision.DELETE),
        cases.decide(ben, case.id + 1, Decision.DELETE),
        cases.judge(ben, fox.id, Decision.DELETE),
        cases.delete(ben, fox.id),
        cases.spoiler(ben, fox.id),
        cases.refund(ben, fox.id),
        cases.purge(ben, ADA),
        cases.block(ben, ADA, until=None, reason=""),
        cases.unblock(ben, ADA),
    ):
        with pytest.raises(NotAllowed):
            await attempt


async def test_a_role_of_this_server_makes_a_moderator(pipeline: Pipeline, cases: Cases, fox: Job) -> None:
    await cases.guilds.change_policy(HERE, lambda policy: changed(policy, {"moderator_role_ids": ["77"]}), actor_id=1)
    keeper = Actor(user_id=10, role_ids=frozenset({77}))
    assert (await cases.delete(await asks(cases, keeper), fox.id)).decided_by == 10


async def test_moderators_of_another_server_find_nothing(cases: Cases, fox: Job) -> None:
    case, elsewhere = await opened(cases, fox), await asks(cases, MO, guild_id=HERE + 1)
    with pytest.raises(NotFound):
        await cases.decide(elsewhere, case.id, Decision.DELETE)
    with pytest.raises(NotFound):
        await cases.delete(elsewhere, fox.id)
    with pytest.raises(NotAllowed):
        await cases.judge(elsewhere, fox.id, Decision.DELETE)
    with pytest.raises(NotAllowed):
        await cases.flag(elsewhere, replace(report(fox, MO), guild_id=HERE + 1))


async def test_a_report_that_names_another_author_is_about_the_one_who_asked(cases: Cases, fox: Job) -> None:
    opened = (await cases.flag(await asks(cases, MO), replace(report(fox, MO), author_id=BEN.user_id))).opened
    assert opened is not None
    assert opened.author_id == ADA


@pytest.mark.parametrize("decision", [Decision.KEEP, Decision.REFUND])
async def test_moderators_do_not_acquit_themselves(cases: Cases, fox: Job, decision: Decision) -> None:
    ada = await asks(cases, Actor(user_id=ADA, may_manage_messages=True))
    with pytest.raises(NotAllowed, match="your own picture"):
        await cases.judge(ada, fox.id, decision)
    assert (await cases.judge(ada, fox.id, Decision.DELETE)).decision is Decision.DELETE


async def test_the_second_moderator_hears_who_was_faster(cases: Cases, fox: Job) -> None:
    case = await opened(cases, fox)
    await cases.decide(await asks(cases, MO), case.id, Decision.SPOILER)
    with pytest.raises(Decided, match="<@9> has decided this already: Spoiler"):
        await cases.decide(await asks(cases, Actor(user_id=11, may_manage_messages=True)), case.id, Decision.DELETE)


async def test_pictures_that_were_not_made_here_are_kept_or_deleted(cases: Cases, fox: Job) -> None:
    strange = Report(at=0, guild_id=HERE, channel_id=CHANNEL, message_id=4, author_id=20, user_id=MO.user_id)
    case = (await cases.flag(await asks(cases, MO), strange)).opened
    assert case is not None
    with pytest.raises(InvalidRequest, match="not made here"):
        await cases.decide(await asks(cases, MO), case.id, Decision.SPOILER)
    assert (await cases.decide(await asks(cases, MO), case.id, Decision.DELETE)).decided_by == MO.user_id


# --- which -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{job}", "`{job}`", " {job} ", "{message}", "https://discord.com/channels/1/5/{message}"])
async def test_a_picture_is_found_by_its_job_or_its_message(cases: Cases, fox: Job, form: str) -> None:
    assert (await cases.find(HERE, form.format(job=fox.id, message=MESSAGE))).id == fox.id


@pytest.mark.parametrize("wanted", ["", "fox", "000000000000", "https://discord.com/channels/1/5/99", "https://example.com/123456789"])
async def test_nothing_else_is_found(cases: Cases, fox: Job, wanted: str) -> None:
    with pytest.raises(NotFound):
        await cases.find(HERE, wanted)


# --- flags -----------------------------------------------------------------------------------------------------------


async def test_a_hundred_flags_at_once_open_one_case(pipeline: Pipeline, cases: Cases, fox: Job) -> None:
    members = [Actor(user_id=100 + n, joined_at=0) for n in range(100)]
    flags = [cases.flag(await asks(cases, member), report(fox, member)) for member in members]
    flagged = await asyncio.gather(*flags)
    assert sum(each.opened is not None for each in flagged) == 1
    assert len(await pipeline.store.read(case_queries.waiting, HERE)) == 1


async def test_new_accounts_are_told_when_their_flags_count(pipeline: Pipeline, cases: Cases, fox: Job) -> None:
    newt = Actor(user_id=30, joined_at=pipeline.clock() - DAY_MS)
    flagged = await cases.flag(await asks(cases, newt), report(fox, newt))
    assert (flagged.is_new, flagged.opened) == (True, None)
    assert "7 days" in (flagged.why_not or "")


# --- without a case --------------------------------------------------------------------------------------------------


async def test_a_purge_cancels_what_is_being_made(pipeline: Pipeline, cases: Cases, fox: Job) -> None:
    waiting = await pipeline.order()
    assert await cases.purge(await asks(cases, MO), ADA) == 1
    assert (await pipeline.orders.job(fox.id)).state is JobState.DELETED
    assert (await pipeline.orders.job(waiting.id)).cancel_requested_at is not None


async def test_whoever_is_blocked_is_told(pipeline: Pipeline, cases: Cases) -> None:
    await cases.block(await asks(cases, MO), ADA, until=None, reason="spam")
    (item,) = await pipeline.store.read(outbox.due, pipeline.clock())
    assert (item.kind, item.user_id, item.data["reason"]) == (ItemKind.TELL_BLOCK, ADA, "spam")
    await cases.unblock(await asks(cases, MO), ADA)
    assert await pipeline.store.read(conduct.blocked, HERE, ADA, pipeline.clock()) is None
    with pytest.raises(NotFound):
        await cases.unblock(await asks(cases, MO), ADA)
