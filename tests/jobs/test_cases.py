"""Who may decide what, and which picture is meant: the service behind buttons and commands."""

from __future__ import annotations

import asyncio

import pytest

from bot.domain.actor import Actor
from bot.errors import InvalidRequest, NotAllowed, NotFound
from bot.jobs.cases import Cases, Decided
from bot.jobs.job import Job, JobState
from bot.jobs.servers import Servers
from bot.moderation.policy import changed
from bot.store import conduct, delivery, outbox
from bot.store.cases import Case, Decision
from bot.store.outbox import ItemKind
from bot.store.reports import Report
from tests.jobs.conftest import Works
from tests.jobs.make import SUCCEEDED

HERE, CHANNEL, MESSAGE, ADA = 1, 5, 123_456_789, 7
MO = Actor(user_id=9, may_manage_messages=True)
BEN = Actor(user_id=8, joined_at=0)
DAY_MS = 86_400_000


@pytest.fixture
async def cases(works: Works) -> Cases:
    servers = Servers(store=works.store, clock=works.clock)
    return Cases(store=works.store, studio=works.studio, servers=servers, clock=works.clock)


@pytest.fixture
async def fox(works: Works) -> Job:
    """A picture of Ada's, on show."""
    job = await works.ended(SUCCEEDED)
    await works.store.write(delivery.delivered, job.id, channel_id=CHANNEL, message_id=MESSAGE, now=works.clock())
    return await works.studio.job(job.id)


def report(job: Job, by: Actor) -> Report:
    return Report(at=0, guild_id=HERE, channel_id=CHANNEL, message_id=MESSAGE, job_id=job.id, author_id=ADA, user_id=by.user_id)


async def opened(cases: Cases, fox: Job) -> Case:
    flagged = await cases.flag(report(fox, MO), by=MO)
    assert flagged.opened is not None
    return flagged.opened


# --- who -------------------------------------------------------------------------------------------------------------


async def test_members_decide_nothing(cases: Cases, fox: Job) -> None:
    case = await opened(cases, fox)
    for attempt in (
        cases.decide(HERE, case.id, Decision.DELETE, by=BEN),
        cases.judge(HERE, fox.id, Decision.DELETE, by=BEN),
        cases.delete(HERE, fox.id, by=BEN),
        cases.spoiler(HERE, fox.id, by=BEN),
        cases.refund(HERE, fox.id, by=BEN),
        cases.purge(HERE, ADA, by=BEN),
        cases.block(HERE, ADA, until=None, reason="", by=BEN),
        cases.unblock(HERE, ADA, by=BEN),
    ):
        with pytest.raises(NotAllowed):
            await attempt


async def test_a_role_of_this_server_makes_a_moderator(works: Works, cases: Cases, fox: Job) -> None:
    servers = Servers(store=works.store, clock=works.clock)
    await servers.change_policy(HERE, lambda policy: changed(policy, {"moderator_role_ids": ["77"]}), actor_id=1)
    keeper = Actor(user_id=10, role_ids=frozenset({77}))
    assert (await cases.delete(HERE, fox.id, by=keeper)).decided_by == 10


async def test_moderators_of_another_server_find_nothing(cases: Cases, fox: Job) -> None:
    case = await opened(cases, fox)
    with pytest.raises(NotFound):
        await cases.decide(HERE + 1, case.id, Decision.DELETE, by=MO)
    with pytest.raises(NotFound):
        await cases.delete(HERE + 1, fox.id, by=MO)


@pytest.mark.parametrize("decision", [Decision.KEEP, Decision.REFUND])
async def test_moderators_do_not_acquit_themselves(cases: Cases, fox: Job, decision: Decision) -> None:
    ada = Actor(user_id=ADA, may_manage_messages=True)
    with pytest.raises(NotAllowed, match="your own picture"):
        await cases.judge(HERE, fox.id, decision, by=ada)
    assert (await cases.judge(HERE, fox.id, Decision.DELETE, by=ada)).decision is Decision.DELETE


async def test_the_second_moderator_hears_who_was_faster(cases: Cases, fox: Job) -> None:
    case = await opened(cases, fox)
    await cases.decide(HERE, case.id, Decision.SPOILER, by=MO)
    with pytest.raises(Decided, match="<@9> has decided this already: Spoiler"):
        await cases.decide(HERE, case.id, Decision.DELETE, by=Actor(user_id=11, may_manage_messages=True))


async def test_pictures_that_were_not_made_here_are_kept_or_deleted(cases: Cases, fox: Job) -> None:
    strange = Report(at=0, guild_id=HERE, channel_id=CHANNEL, message_id=4, author_id=20, user_id=MO.user_id)
    case = (await cases.flag(strange, by=MO)).opened
    assert case is not None
    with pytest.raises(InvalidRequest, match="not made here"):
        await cases.decide(HERE, case.id, Decision.SPOILER, by=MO)
    assert (await cases.decide(HERE, case.id, Decision.DELETE, by=MO)).decided_by == MO.user_id


# --- which -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{job}", "`{job}`", " {job} ", "{message}", "https://discord.com/channels/1/5/{message}"])
async def test_a_picture_is_found_by_its_job_or_its_message(cases: Cases, fox: Job, form: str) -> None:
    assert (await cases.find(HERE, form.format(job=fox.id, message=MESSAGE))).id == fox.id


@pytest.mark.parametrize("wanted", ["", "fox", "000000000000", "https://discord.com/channels/1/5/99", "https://example.com/123456789"])
async def test_nothing_else_is_found(cases: Cases, fox: Job, wanted: str) -> None:
    with pytest.raises(NotFound):
        await cases.find(HERE, wanted)


# --- flags -----------------------------------------------------------------------------------------------------------


async def test_a_hundred_flags_at_once_open_one_case(works: Works, cases: Cases, fox: Job) -> None:
    members = [Actor(user_id=100 + n, joined_at=0) for n in range(100)]
    flagged = await asyncio.gather(*(cases.flag(report(fox, member), by=member) for member in members))
    assert sum(each.opened is not None for each in flagged) == 1
    assert (await cases.page(HERE, 0, size=5, counted=9)).waiting == 1


async def test_new_accounts_are_told_when_their_flags_count(works: Works, cases: Cases, fox: Job) -> None:
    newt = Actor(user_id=30, joined_at=works.clock() - DAY_MS)
    flagged = await cases.flag(report(fox, newt), by=newt)
    assert (flagged.is_new, flagged.opened) == (True, None)
    assert "7 days" in (flagged.why_not or "")


# --- without a case --------------------------------------------------------------------------------------------------


async def test_a_purge_cancels_what_is_being_made(works: Works, cases: Cases, fox: Job) -> None:
    waiting = await works.order()
    assert await cases.purge(HERE, ADA, by=MO) == 1
    assert (await works.studio.job(fox.id)).state is JobState.DELETED
    assert (await works.studio.job(waiting.id)).cancel_requested_at is not None


async def test_whoever_is_blocked_is_told(works: Works, cases: Cases) -> None:
    await cases.block(HERE, ADA, until=None, reason="spam", by=MO)
    (item,) = await works.store.read(outbox.due, works.clock())
    assert (item.kind, item.user_id, item.data["reason"]) == (ItemKind.TELL_BLOCK, ADA, "spam")
    await cases.unblock(HERE, ADA, by=MO)
    assert await works.store.read(conduct.blocked, HERE, ADA, works.clock()) is None
    with pytest.raises(NotFound):
        await cases.unblock(HERE, ADA, by=MO)
