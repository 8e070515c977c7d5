"""Cases: what members flag, what moderators decide, and what the author may say to it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import structlog
from sqlalchemy import Connection

from bot.core.clock import Clock
from bot.core.errors import InvalidRequest, NotFound, Refusal
from bot.core.i18n import N_, _, ngettext
from bot.domain import permissions
from bot.domain.guild.document import Policy
from bot.domain.guild.sections import Flags
from bot.domain.job import SHOWING, Job, JobState
from bot.domain.moderation import flags
from bot.domain.moderation.cases import Case, Decision, Report
from bot.domain.moderation.conduct import BlockRow
from bot.domain.outbox import ItemKind, OutboxItem
from bot.domain.permissions import Action, Target
from bot.domain.request import Request
from bot.services.guilds import Guilds
from bot.services.orders import Orders
from bot.store import jobs, messages, outbox
from bot.store.engine.base import Store
from bot.store.moderation import cases, conduct, flagging, reports, verdicts
from bot.store.moderation.verdicts import Judgement, Ruling

log = structlog.get_logger(__name__)

Doing = Callable[[], Awaitable[None]]

APPEAL_MAX: Final = 1000  # characters
DECIDED: Final = {  # what was decided, as people read it
    Decision.KEEP: N_("Keep"),
    Decision.SPOILER: N_("Spoiler"),
    Decision.DELETE: N_("Delete"),
    Decision.BLOCK: N_("Block 24 h"),
    Decision.REFUND: N_("Refund"),
}
_ACQUITS = frozenset({Decision.KEEP, Decision.REFUND})
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
    """Every method that changes something is one transaction, and checks who asks, whichever button or command it comes from."""

    store: Store
    orders: Orders
    guilds: Guilds
    clock: Clock

    # --- flags -----------------------------------------------------------------------------------------------------

    async def flag(self, request: Request, report: Report) -> Flagged:
        """Keep what a member tells of an image, as of now, and do what follows from it."""
        report = await self._as_known(request, report)
        guild_id = permissions.check_in_guild(request, Action.FLAG, Target(guild_id=report.guild_id, owner_id=report.author_id))
        rules, by, now = request.policy.flags, request.actor, self.clock()
        opens_case = permissions.may(request, Action.MODERATE)  # their word alone is enough
        counts = opens_case or flags.may_flag(rules, joined_at=by.joined_at, role_ids=by.role_ids, now=now)
        kept = replace(report, at=now, counts=counts)
        heard = await self.store.write(flagging.flag, kept, guild_id=guild_id, rules=rules, opens_case=opens_case, now=now)
        if heard.opened is not None:
            log.info("case opened", case=heard.opened.id, cause=heard.opened.cause, guild=guild_id)
        return Flagged(is_new=heard.is_new, why_not=None if counts else _why_not(rules), opened=heard.opened)

    async def _as_known(self, request: Request, report: Report) -> Report:
        """A form says whose image it is about, and of which job; where the job is known, the store says whose it is, and where."""
        job = None if report.job_id is None else await self.store.read(jobs.get, report.job_id)
        if job is None:
            return report
        image = await self.orders.image(request, job)
        return replace(report, author_id=image.owner_id, guild_id=image.guild_id if report.guild_id is not None else None)

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
        case = await self._in(guild_id, case_id)
        if case is None:
            raise _no_case(case_id)
        return case

    async def decide(self, request: Request, case_id: int, decision: Decision) -> Case:
        """Decide a case, once. Raise `NotAllowed`, `NotFound`, or `Decided` where somebody else has."""
        case = await self._in(request.guild_id, case_id)
        permissions.check(request, Action.DECIDE, _about(request.guild_id, case.author_id if case else None, decision))
        if case is None:
            raise _no_case(case_id)
        if case.job_id is None and decision in (Decision.SPOILER, Decision.REFUND):
            raise InvalidRequest(_("This picture was not made here: it can be kept or deleted, and its author blocked."))
        return self._told(await self.store.write(verdicts.decide, case_id, self._verdict(request, decision)))

    async def judge(self, request: Request, job_id: str, decision: Decision, *, reason: str = "") -> Case:
        """Open a case about a job and decide it at once; a case that waits is decided by it. Raises as `decide` does."""
        job = await self.orders.job(job_id)
        image = await self.orders.image(request, job)
        guild_id = permissions.check_in_guild(request, Action.DECIDE, _about(image.guild_id, image.owner_id, decision))
        return await self._judge(request, guild_id, job, decision, reason=reason)

    async def check_may_appeal(self, request: Request, case_id: int) -> None:
        """Raise `NotAllowed` where `appeal` would."""
        case = await self.store.read(cases.get, case_id)
        about = Target() if case is None else Target(owner_id=case.author_id, is_open=case.may_be_appealed)
        permissions.check(request, Action.APPEAL, about)

    async def appeal(self, request: Request, case_id: int, *, words: str) -> None:
        """The author asks for another look, once. Raise `NotAllowed` where that is not open to them."""
        await self.check_may_appeal(request, case_id)
        appealed = await self.store.write(verdicts.appeal, case_id, words=words[:APPEAL_MAX], now=self.clock())
        # It may have been appealed a moment ago.
        permissions.check(request, Action.APPEAL, Target(owner_id=request.actor.user_id, is_open=appealed is not None))
        log.info("appealed", case=case_id)

    # --- under the image -----------------------------------------------------------------------------------------

    async def delete_message(self, request: Request, job: Job | None, message_id: int, *, private: bool, remove: Doing) -> None:
        """Delete a message that shows an image; `remove` does it on Discord. Of what its author deletes nobody is told.

        A moderator decides by it, as by `delete`. Where the job is not known any more (None), the message alone goes: by a moderator,
        or where only whoever asks sees it (`private`).
        """
        image = Target(guild_id=request.guild_id, owner_id=request.actor.user_id if private else None)
        image = image if job is None else await self.orders.image(request, job)
        permissions.check(request, Action.DELETE, image)
        if permissions.is_owner(request, image):
            await remove()
            if job is not None:
                await self.orders.message_deleted(job.id, message_id)
        elif request.guild_id is not None:
            shown = await self.store.read(messages.get, message_id)
            await self._delete_others(request, request.guild_id, job, message_id)
            if shown is None or shown.role in SHOWING:  # a moderators' post says what was decided
                await remove()

    async def hide_message(self, request: Request, job: Job, message_id: int, *, hide: Doing) -> None:
        """Put an image behind a spoiler: by its author, for whom `hide` does it in this message, or by a moderator, as by `spoiler`."""
        image = await self.orders.image(request, job)
        permissions.check(request, Action.HIDE, image)
        if permissions.is_owner(request, image):
            await hide()
            await self.orders.message_hidden(job.id, message_id)
        elif request.guild_id is not None:
            await self._judge(request, request.guild_id, job, Decision.SPOILER)

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

    async def delete(self, request: Request, wanted: str, *, reason: str = "") -> Case:
        """Take an image away, with a strike; its author is told and may appeal. `wanted` as in `find`; raises as `judge` does."""
        return await self._judge_found(request, wanted, Decision.DELETE, reason=reason)

    async def spoiler(self, request: Request, wanted: str, *, reason: str = "") -> Case:
        """Put an image behind a spoiler; its author is told and may appeal."""
        return await self._judge_found(request, wanted, Decision.SPOILER, reason=reason)

    async def refund(self, request: Request, wanted: str) -> int:
        """Give back what an image cost, and leave it where it is; how many microcredits, 0 where that was done before."""
        guild_id, job = await self._found(request, wanted, Decision.REFUND)
        back = await self.store.write(verdicts.refund, job.id, guild_id, by_id=request.actor.user_id, now=self.clock())
        return back or 0

    async def purge(self, request: Request, user_id: int) -> int:
        """Take away all of a member's images on this server and cancel what is being made; how many were taken away."""
        guild_id, gone = permissions.check_in_guild(request, Action.MODERATE), 0
        while True:
            purged = await self.store.write(verdicts.purge, guild_id, user_id, by_id=request.actor.user_id, now=self.clock())
            gone += purged.taken_away
            if not purged.taken_away:
                break
        for job_id in purged.open_jobs:
            try:
                await self.orders.cancel(request, job_id)
            except NotFound:
                log.info("it ended before it could be cancelled", job=job_id)
        return gone

    # --- blocks ----------------------------------------------------------------------------------------------------

    async def block(self, request: Request, user_id: int, *, until: int | None, reason: str) -> BlockRow:
        """Nobody makes images here until then (Unix ms; None: until it is lifted). The member is told by direct message."""
        guild_id = permissions.check_in_guild(request, Action.BLOCK, Target(guild_id=request.guild_id, owner_id=user_id))
        by_id, now = request.actor.user_id, self.clock()
        return await self.store.write(_block, guild_id, user_id, until=until, reason=reason, by_id=by_id, now=now)

    async def unblock(self, request: Request, user_id: int) -> None:
        """Lift the block that holds. Raise `NotFound` where none does."""
        guild_id = permissions.check_in_guild(request, Action.MODERATE)
        if not await self.store.write(conduct.unblock, guild_id, user_id, by_id=request.actor.user_id, now=self.clock()):
            raise NotFound(_("No block of {member} holds here.").format(member=f"<@{user_id}>"))

    # --- parts -----------------------------------------------------------------------------------------------------

    async def _policy(self, guild_id: int) -> Policy:
        return (await self.guilds.settings(guild_id)).policy

    async def _in(self, guild_id: int | None, case_id: int) -> Case | None:
        case = await self.store.read(cases.get, case_id)
        return case if case is not None and case.guild_id == guild_id else None

    async def _judge_found(self, request: Request, wanted: str, decision: Decision, *, reason: str) -> Case:
        guild_id, job = await self._found(request, wanted, decision)
        return await self._judge(request, guild_id, job, decision, reason=reason)

    async def _found(self, request: Request, wanted: str, decision: Decision) -> tuple[int, Job]:
        """Where a moderator decides, and what about. Whoever is none is not even told what there is."""
        guild_id = permissions.check_in_guild(request, Action.MODERATE)
        job = await self.find(guild_id, wanted)
        permissions.check(request, Action.DECIDE, _about(guild_id, job.place.user_id, decision))
        return guild_id, job

    async def _judge(self, request: Request, guild_id: int, job: Job, decision: Decision, *, reason: str = "") -> Case:
        if job.state is JobState.OPEN:
            raise InvalidRequest(_("This picture is still being made; decide when it is there."))
        verdict = self._verdict(request, decision)
        return self._told(await self.store.write(verdicts.decide_on_job, job.id, guild_id, verdict, reason=reason))

    async def _delete_others(self, request: Request, guild_id: int, job: Job | None, message_id: int) -> None:
        if job is None:
            await self.store.write(verdicts.deleted, message_id, guild_id, by_id=request.actor.user_id, now=self.clock())
            return
        with suppress(Decided):  # that it is to be deleted: its message is still there
            await self._judge(request, guild_id, job, Decision.DELETE)

    def _verdict(self, request: Request, decision: Decision) -> Ruling:
        return Ruling(decision=decision, by_id=request.actor.user_id, strikes=request.policy.strikes, now=self.clock())

    def _told(self, judged: Judgement | None) -> Case:
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


def _about(guild_id: int | None, author_id: int | None, decision: Decision) -> Target:
    return Target(guild_id=guild_id, owner_id=author_id, favors_owner=decision in _ACQUITS)


def _no_case(case_id: int) -> NotFound:
    return NotFound(_("There is no case {number} on this server.").format(number=case_id))


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
