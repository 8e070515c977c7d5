"""Images, flags and decisions for tests of moderation."""

from __future__ import annotations

from dataclasses import replace

from bot.domain.guild.sections import Flags, Strikes
from bot.domain.job import Job, ReplyTarget
from bot.domain.moderation.cases import Case, Decision, Report
from bot.store import delivery, jobs, steps
from bot.store.engine.base import Store
from bot.store.moderation import flagging, verdicts
from bot.store.moderation.flagging import FlagResult
from bot.store.moderation.verdicts import Judgement, Ruling
from tests.env.job_steps import own
from tests.env.jobs import SUCCEEDED, TEN, new_job

ADA, BEN, MO = 7, 8, 9
HERE, CHANNEL, MESSAGE = 1, 5, 600
NOW = 1_700_000_000_000
RULES, STRIKES = Flags(quorum=3), Strikes()


async def new_image(store: Store, *, message_id: int = MESSAGE, spoiler: bool = False, private: bool = False) -> Job:
    """A delivered job of Ada's."""
    job = replace(new_job(now=NOW, place=ReplyTarget(user_id=ADA, channel_id=CHANNEL, guild_id=HERE, private=private)), spoiler=spoiler)
    await store.write(jobs.add, job, (), payment=own(ADA, TEN), max_waiting=50, now=NOW)
    await store.write(steps.start, job.id, 0, NOW)
    await store.write(steps.settle, job.id, 0, SUCCEEDED, NOW)
    await store.write(delivery.mark_delivered, job.id, channel_id=CHANNEL, message_id=message_id, now=NOW)
    return await known(store, job)


async def known(store: Store, job: Job) -> Job:
    found = await store.read(jobs.get, job.id)
    assert found is not None
    return found


async def flag(
    store: Store, job: Job, user_id: int, *, rules: Flags = RULES, counts: bool = True, opens_case: bool = False, reason: str = ""
) -> FlagResult:
    report = Report(
        at=NOW,
        guild_id=HERE,
        channel_id=CHANNEL,
        message_id=job.place.message_id or 0,
        job_id=job.id,
        author_id=ADA,
        user_id=user_id,
        counts=counts,
        reason=reason,
    )
    result = await store.write(flagging.flag, report, guild_id=HERE, opens_case=opens_case, now=NOW)
    return result if opens_case else replace(result, opened=next(iter(await weighed(store, rules)), None))


async def weighed(store: Store, rules: Flags) -> list[Case]:
    """The cases that flags open, of which Discord no longer says who gave them."""
    enough = await store.read(flagging.enough, HERE, rules)
    opened = [await store.write(flagging.weigh, report, HERE, rules, NOW, present=None) for report in enough]
    return [case for case in opened if case is not None]


async def flagged(store: Store, job: Job, *user_ids: int) -> Case:
    """The case that the last of these members' flags opened."""
    results = [await flag(store, job, user_id) for user_id in user_ids or (20, 21, 22)]
    opened = results[-1].opened
    assert opened is not None
    return opened


async def decide(store: Store, case: Case, decision: Decision, *, by_id: int = MO, now: int = NOW + 1) -> Judgement:
    judged = await store.write(verdicts.decide, case.id, Ruling(decision=decision, by_id=by_id, strikes=STRIKES, now=now))
    assert judged is not None
    return judged
