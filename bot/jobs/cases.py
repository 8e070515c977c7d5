"""Cases: what members flag, what moderators decide, and what the author may say to it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from typing import Final

import structlog
from sqlalchemy import Connection

from bot.clock import Clock
from bot.domain.actor import Actor
from bot.domain.request import Request
from bot.errors import InvalidRequest, NotAllowed, NotFound, Refusal
from bot.i18n import N_, _, ngettext
from bot.jobs.job import Job, JobState
from bot.jobs.servers import Servers
from bot.jobs.studio import Studio
from bot.moderation import flags
from bot.moderation.policy import Policy
from bot.moderation.sections import Flags
from bot.store import cases, conduct, flagging, outbox, reports, verdicts
from bot.store.cases import Case, CasePage, Decision
from bot.store.conduct import BlockRow
from bot.store.engine import Store
from bot.store.outbox import ItemKind, OutboxItem
from bot.store.reports import Report
from bot.store.verdicts import Judged, Verdict

log = structlog.get_logger(__name__)

APPEAL_MAX: Final = 1000  # characters
DECIDED: Final = {  # what was decided, as people read it
    Decision.KEEP: N_("Keep"),
    Decision.SPOILER: N_("Spoiler"),
    Decision.DELETE: N_("Delete"),
    Decision.BLOCK: N_("Block 24 h"),
    Decision.REFUND: N_("Refund"),
}
_NO_APPEAL: Final = N_("There is nothing to appeal here: a decision can be appealed once, by the person it is about.")
_RECOUNT_S = 60
_JOB = re.compile(r"[0-9a-z]{12}")
_MESSAGE = re.compile(r"(?:https://\S+/channels/(?:\d+|@me)/\d+/)?(?P<id>\d{5,20})/?(?:\?\S*)?")


class Decided(Refusal):
    """Somebody else was faster; the sentence says who, and what it was."""


@dataclass(frozen=True, kw_only=True)
class Flagged:
    """What became of a flag."""

    is_new: bool  # False: this member has told of this message before
    why_not: str | None = None  # one sentence where it is kept but does not count
    opened: Case | None = None  # by this very flag


@dataclass(frozen=True, kw_only=True)
class Cases:
    """Every method that changes something is one transaction, and checks who asks: buttons and commands are only doors."""

    store: Store
    studio: Studio
    servers: Servers
    clock: Clock

    # --- flags -----------------------------------------------------------------------------------------------------

    async def flag(self, report: Report, *, by: Actor) -> Flagged:
        """Keep what a member tells of a picture, as of now, and do what follows from it. Raise `InvalidRequest` outside of servers."""
        if report.guild_id is None:
            raise InvalidRequest(_("Reports go to the moderators of a server that Easel is a member of; here there are none."))
        policy, now = await self._policy(report.guild_id), self.clock()
        is_moderator = policy.is_moderator(by)
        counts = is_moderator or flags.may_flag(policy.flags, joined_at=by.joined_at, role_ids=by.role_ids, now=now)
        kept = replace(report, at=now, counts=counts)
        rules = policy.flags
        heard = await self.store.write(flagging.flag, kept, guild_id=report.guild_id, rules=rules, opens_case=is_moderator, now=now)
        if heard.opened is not None:
            log.info("case opened", case=heard.opened.id, cause=heard.opened.cause, guild=report.guild_id)
        return Flagged(is_new=heard.is_new, why_not=None if counts else _why_not(rules), opened=heard.opened)

    async def take_back(self, message_id: int, user_id: int) -> bool:
        """A member took their reaction away: until a case is decided by it, it no longer counts. False where there was none."""
        return await self.store.write(reports.take_back, message_id, user_id)

    async def catch_up(self, request: Request) -> int:
        """After the rules were changed: flags may count from now on, and cases may have a channel; how many cases that opens."""
        guild_id, policy, now = request.required_guild_id, request.policy, self.clock()
        opened = await self.store.write(flagging.recount, guild_id, policy.flags, now)
        if policy.cases_channel_id is not None:
            await self.store.write(flagging.show_waiting, guild_id, now)
        return opened

    async def run(self) -> None:
        """Count kept flags now and then, until cancelled: what was unlocked just before a crash, or by a file, has its effect, too."""
        while True:
            for guild_id in await self.store.read(flagging.servers_with_flags):
                rules = (await self._policy(guild_id)).flags
                if rules.on and not rules.locked:
                    await self.store.write(flagging.recount, guild_id, rules, self.clock())
            await asyncio.sleep(_RECOUNT_S)

    # --- cases -----------------------------------------------------------------------------------------------------

    async def get(self, guild_id: int, case_id: int) -> Case:
        """Raise `NotFound` where this server has no such case."""
        case = await self.store.read(cases.get, case_id)
        if case is None or case.guild_id != guild_id:
            raise NotFound(_("There is no case {number} on this server.").format(number=case_id))
        return case

    async def page(self, guild_id: int, number: int, *, size: int, counted: int) -> CasePage:
        """A page of the cases that wait for a decision, oldest first, each with what it is about."""
        return await self.store.read(cases.page, guild_id, number, size=size, counted=counted)

    async def of_member(self, guild_id: int, user_id: int) -> list[Case]:
        """The cases about one member, oldest first."""
        return await self.store.read(cases.of_author, guild_id, user_id)

    async def decide(self, guild_id: int, case_id: int, decision: Decision, *, by: Actor) -> Case:
        """Decide a case, once. Raise `NotAllowed`, `NotFound`, or `Decided` where somebody else has."""
        policy = await self._check_moderates(guild_id, by)
        case = await self.get(guild_id, case_id)
        _check_is_not_own(case.author_id, decision, by)
        if case.job_id is None and decision in (Decision.SPOILER, Decision.REFUND):
            raise InvalidRequest(_("This picture was not made here: it can be kept or deleted, and its author blocked."))
        return self._told(await self.store.write(verdicts.decide, case_id, self._verdict(decision, by, policy)))

    async def judge(self, guild_id: int, job_id: str, decision: Decision, *, by: Actor, reason: str = "") -> Case:
        """Open a case about a job and decide it at once; a case that waits is decided by it. Raises as `decide` does."""
        policy = await self._check_moderates(guild_id, by)
        job = await self.studio.job(job_id)
        _check_is_not_own(job.place.user_id, decision, by)
        if job.state is JobState.OPEN:
            raise InvalidRequest(_("This picture is still being made; decide when it is there."))
        verdict = self._verdict(decision, by, policy)
        return self._told(await self.store.write(verdicts.decide_on_job, job_id, guild_id, verdict, reason=reason))

    async def check_may_appeal(self, case_id: int, *, user_id: int) -> None:
        """Raise `NotAllowed` where `appeal` would."""
        case = await self.store.read(cases.get, case_id)
        if case is None or case.author_id != user_id or not case.may_be_appealed:
            raise NotAllowed(_(_NO_APPEAL))

    async def appeal(self, case_id: int, *, user_id: int, words: str) -> Case:
        """The author asks for another look, once. Raise `NotAllowed` where that is not open to them."""
        appealed = await self.store.write(verdicts.appeal, case_id, author_id=user_id, words=words[:APPEAL_MAX], now=self.clock())
        if appealed is None:
            raise NotAllowed(_(_NO_APPEAL))
        log.info("appealed", case=case_id)
        return appealed

    # --- without a case that waits ---------------------------------------------------------------------------------

    async def find(self, guild_id: int, wanted: str) -> Job:
        """The job that the link to any of its messages, a message's id or a job's id leads to. Raise `NotFound`."""
        text = wanted.strip().strip("`<>")
        message, job_id = _MESSAGE.fullmatch(text), text if _JOB.fullmatch(text) else None
        message_id = int(message["id"]) if message else None
        job = await self.store.read(verdicts.find, guild_id, message_id=message_id, job_id=job_id)
        if job is None:
            raise NotFound(_("No picture of this server is known by that. Give the link to its message, or the job's id from Details."))
        return job

    async def delete(self, guild_id: int, wanted: str, *, by: Actor, reason: str = "") -> Case:
        """Take a picture away, with a strike; its author is told and may appeal. `wanted` as in `find`; raises as `judge` does."""
        return await self.judge(guild_id, (await self.find(guild_id, wanted)).id, Decision.DELETE, by=by, reason=reason)

    async def spoiler(self, guild_id: int, wanted: str, *, by: Actor, reason: str = "") -> Case:
        """Put a picture behind a spoiler; its author is told and may appeal."""
        return await self.judge(guild_id, (await self.find(guild_id, wanted)).id, Decision.SPOILER, by=by, reason=reason)

    async def refund(self, guild_id: int, wanted: str, *, by: Actor) -> int:
        """Give back what a picture cost, and leave it where it is; how many microcredits, 0 where that was done before."""
        await self._check_moderates(guild_id, by)
        job = await self.find(guild_id, wanted)
        _check_is_not_own(job.place.user_id, Decision.REFUND, by)
        back = await self.store.write(verdicts.refund, job.id, guild_id, by_id=by.user_id, now=self.clock())
        return back or 0

    async def purge(self, guild_id: int, user_id: int, *, by: Actor) -> int:
        """Take away all of a member's pictures on this server and cancel what is being made; how many were taken away."""
        await self._check_moderates(guild_id, by)
        gone = 0
        while True:
            purged = await self.store.write(verdicts.purge, guild_id, user_id, by_id=by.user_id, now=self.clock())
            gone += purged.taken_away
            if not purged.taken_away:
                break
        for job_id in purged.open_jobs:
            try:
                await self.studio.cancel(job_id, user_id=by.user_id, moderator=True)
            except NotFound:
                log.info("it ended before it could be cancelled", job=job_id)
        return gone

    # --- blocks ----------------------------------------------------------------------------------------------------

    async def block(self, guild_id: int, user_id: int, *, until: int | None, reason: str, by: Actor) -> BlockRow:
        """Nobody makes pictures here until then (Unix ms; None: until it is lifted). The member is told by direct message."""
        await self._check_moderates(guild_id, by)
        if user_id == by.user_id:
            raise NotAllowed(_("You cannot block yourself."))
        now = self.clock()
        return await self.store.write(_block, guild_id, user_id, until=until, reason=reason, by_id=by.user_id, now=now)

    async def unblock(self, guild_id: int, user_id: int, *, by: Actor) -> None:
        """Lift the block that holds. Raise `NotFound` where none does."""
        await self._check_moderates(guild_id, by)
        if not await self.store.write(conduct.unblock, guild_id, user_id, by_id=by.user_id, now=self.clock()):
            raise NotFound(_("No block of {member} holds here.").format(member=f"<@{user_id}>"))

    async def blocked(self, guild_id: int) -> list[BlockRow]:
        """The blocks that hold now, newest first."""
        return await self.store.read(conduct.blocked_now, guild_id, self.clock())

    # --- parts -----------------------------------------------------------------------------------------------------

    async def _policy(self, guild_id: int) -> Policy:
        return (await self.servers.settings(guild_id)).policy

    async def _check_moderates(self, guild_id: int, by: Actor) -> Policy:
        policy = await self._policy(guild_id)
        if not policy.is_moderator(by):
            raise NotAllowed(_("This is for the moderators of this server."))
        return policy

    def _verdict(self, decision: Decision, by: Actor, policy: Policy) -> Verdict:
        return Verdict(decision=decision, by_id=by.user_id, strikes=policy.strikes, now=self.clock())

    def _told(self, judged: Judged | None) -> Case:
        if judged is None:
            raise NotFound(_("That picture is not known here any more."))
        if not judged.is_new:
            raise _decided(judged.case)
        log.info("case decided", case=judged.case.id, decision=judged.case.decision, by=judged.case.decided_by)
        return judged.case


def _block(conn: Connection, guild_id: int, user_id: int, *, until: int | None, reason: str, by_id: int, now: int) -> BlockRow:
    """With the promise that the member is told."""
    row = conduct.block(conn, guild_id, user_id, until=until, reason=reason, by_id=by_id, now=now)
    data = {"guild_id": guild_id, "until": until, "reason": reason}
    outbox.add(conn, OutboxItem(kind=ItemKind.TELL_BLOCK, due_at=now, user_id=user_id, data=data))
    return row


def _check_is_not_own(author_id: int, decision: Decision, by: Actor) -> None:
    """Nobody acquits themselves, except where they own the place: there may be no other moderator."""
    if author_id == by.user_id and decision in (Decision.KEEP, Decision.REFUND) and not by.may_manage_server:
        raise NotAllowed(_("This is about your own picture; another moderator decides."))


def _decided(case: Case) -> Decided:
    decision = _(DECIDED[case.decision]) if case.decision else ""
    told = _("{member} has decided this already: {decision}, <t:{at}:R>.")
    return Decided(told.format(member=f"<@{case.decided_by}>", decision=decision, at=(case.decided_at or 0) // 1000))


def _why_not(rules: Flags) -> str:
    if not rules.on:
        return _("Your flag is kept for the moderators to read; on this server flags have no effect of their own.")
    told = ngettext(
        "Your flag is kept for the moderators to read; it counts once you have been a member here for {days} day.",
        "Your flag is kept for the moderators to read; it counts once you have been a member here for {days} days.",
        rules.after_days,
    )
    return told.format(days=rules.after_days)
