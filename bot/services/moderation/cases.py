"""Cases: decisions by moderators, appeals by authors."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import Connection

from bot.core.clock import Clock
from bot.core.errors import InvalidRequest, NotFound, Refusal
from bot.core.i18n import N_, _
from bot.domain import permissions
from bot.domain.job import SHOWING, Job, JobState, message_id_in
from bot.domain.moderation.cases import DECISIONS, REASON_MAX, Case, CaseState, CaseSubject, Decision
from bot.domain.moderation.conduct import BlockRow
from bot.domain.outbox import ItemKind, OutboxItem
from bot.domain.permissions import Action, Target
from bot.domain.request import Request
from bot.domain.retention import image_gone
from bot.services.orders import Orders
from bot.store import messages, outbox
from bot.store.engine.base import Store
from bot.store.moderation import cases, conduct, verdicts
from bot.store.moderation.verdicts import Judgement, Ruling

log = structlog.get_logger(__name__)

DiscordAction = Callable[[], Awaitable[None]]
APPEAL_MAX: Final = 1000  # characters
DECIDED: Final = {  # decisions as members read them
    Decision.KEEP: N_("Keep"),
    Decision.SPOILER: N_("Hide"),
    Decision.DELETE: N_("Delete"),
    Decision.REFUND: N_("Delete + refund"),
    Decision.BLOCK: N_("Block 24 h"),
    Decision.LIFT: N_("Lift the block"),
}
_FAVORS_AUTHOR = frozenset({Decision.KEEP, Decision.REFUND, Decision.LIFT})  # moderators may not give themselves these
_JOB = re.compile(r"[0-9a-z]{12}")


class Decided(Refusal):
    """The case was decided before; the sentence says by whom and how."""


@dataclass(frozen=True, kw_only=True)
class Cases:
    """Every method that changes something is one transaction and checks permissions itself, so commands and buttons cannot differ."""

    store: Store
    orders: Orders
    clock: Clock

    # --- cases -----------------------------------------------------------------------------------------------------

    async def get(self, guild_id: int, case_id: int) -> Case:
        """Raises `NotFound` if this guild has no such case."""
        case = await self._in(guild_id, case_id)
        if case is None:
            raise _no_case(case_id)
        return case

    async def decide(self, request: Request, case_id: int, decision: Decision, *, reason: str = "") -> Case:
        """Decide a case. Raises `NotAllowed`, `NotFound`, or `Decided` if it was decided before."""
        await self._check_decidable(request, case_id, decision)
        return self._decided_case(await self.store.write(verdicts.decide, case_id, self._verdict(request, decision, reason)))

    async def undecided(self, request: Request, case_id: int, decision: Decision) -> Case:
        """The case that `decide` would decide. Raises as `decide` would."""
        case = await self._check_decidable(request, case_id, decision)
        if case.state is CaseState.DECIDED:
            raise _decided(case)
        return case

    async def _check_decidable(self, request: Request, case_id: int, decision: Decision) -> Case:
        case = await self._in(request.guild_id, case_id)
        permissions.check(request, Action.DECIDE, _target(request.guild_id, case.author_id if case else None, decision))
        if case is None:
            raise _no_case(case_id)
        if case.job_id is None and decision in (Decision.SPOILER, Decision.REFUND):
            raise InvalidRequest(_("Easel didn't create this image. You can keep it, delete it, or block its author."))
        if decision not in DECISIONS[(await self.store.read(cases.file_of, case)).subject]:
            raise InvalidRequest(_("That can't be decided about this case."))
        if case.job_id is not None:
            await self._check_refund(case.guild_id, case.job_id, decision)
        return case

    async def judge(self, request: Request, job_id: str, decision: Decision, *, reason: str = "") -> Case:
        """Decide the waiting case about a job, or open one and decide it. Raises like `decide`."""
        guild_id, job = await self._judged(request, job_id, decision)
        return await self._judge(request, guild_id, job, decision, reason=reason)

    async def unjudged(self, request: Request, job_id: str, decision: Decision) -> Job:
        """The job that `judge` would decide about. Raises as `judge` would, except for what was decided before."""
        guild_id, job = await self._judged(request, job_id, decision)
        await self._check_judgeable(guild_id, job, decision)
        return job

    async def _judged(self, request: Request, job_id: str, decision: Decision) -> tuple[int, Job]:
        job = await self.orders.job(job_id)
        image = await self.orders.image(request, job)
        return permissions.check_in_guild(request, Action.DECIDE, _target(image.guild_id, image.owner_id, decision)), job

    async def check_may_appeal(self, request: Request, case_id: int) -> None:
        """Raises `NotAllowed` if the actor may not appeal."""
        case = await self.store.read(cases.get, case_id)
        about = Target() if case is None else Target(owner_id=case.author_id, is_open=case.may_be_appealed)
        permissions.check(request, Action.APPEAL, about)

    async def appeal(self, request: Request, case_id: int, *, words: str) -> None:
        """The author appeals, once. Raises `NotAllowed` if they may not."""
        await self.check_may_appeal(request, case_id)
        appealed = await self.store.write(verdicts.appeal, case_id, words=words[:APPEAL_MAX], now=self.clock())
        # It may have been appealed since the check.
        permissions.check(request, Action.APPEAL, Target(owner_id=request.actor.user_id, is_open=appealed is not None))
        log.info("case appealed", case=case_id)

    # --- buttons under an image ----------------------------------------------------------------------------------

    async def delete_message(
        self, request: Request, job: Job | None, message_id: int, *, owner_id: int | None, remove: DiscordAction
    ) -> None:
        """Delete a message that shows an image; `remove` does it on Discord. A deletion by the author is not reported to moderators.

        A deletion by a moderator is a decision, like `delete`. If the job is unknown (None), only the message is deleted: by a moderator,
        or by the member whom it belongs to (`owner_id`, if anything says so).
        """
        image = Target(guild_id=request.guild_id, owner_id=owner_id) if job is None else await self.orders.image(request, job)
        if job is None and owner_id is None and not permissions.may(request, Action.DELETE, image):
            raise NotFound(_("The bot no longer knows who created this image: it's older than the bot keeps. A moderator can delete it."))
        permissions.check(request, Action.DELETE, image)
        if permissions.is_owner(request, image):
            if job is None:
                await remove()
            else:
                await self.orders.delete_message(job.id, message_id, channel_id=request.channel.channel_id, remove=remove)
        elif request.guild_id is not None:
            shown = await self.store.read(messages.get, message_id)
            await self._delete_others(request, request.guild_id, job, message_id, is_known=shown is not None)
            if shown is None or shown.role in SHOWING:  # a post for moderators stays, to show the decision
                await remove()

    async def hide_message(self, request: Request, job: Job, message_id: int, *, hide: DiscordAction) -> None:
        """Put an image behind a spoiler. For its author `hide` does it in this message; by a moderator it is a decision."""
        image = await self.orders.image(request, job)
        permissions.check(request, Action.HIDE, image)
        if permissions.is_owner(request, image):
            await self.orders.hide_message(job.id, message_id, channel_id=request.channel.channel_id, hide=hide)
        elif request.guild_id is not None:
            await self._judge(request, request.guild_id, job, Decision.SPOILER)

    # --- decisions by command ----------------------------------------------------------------------------------------

    async def find(self, guild_id: int, wanted: str) -> Job:
        """Find a job by a link to any of its messages, a message id or a job id. Raises `NotFound`."""
        text = wanted.strip().strip("`<>")
        job_id = text if _JOB.fullmatch(text) else None
        job = await self.store.read(verdicts.find, guild_id, message_id=message_id_in(text), job_id=job_id)
        if job is None:
            raise NotFound(_("No image on this server matches that, or it's older than the bot keeps. Paste the link to its message."))
        return job

    async def delete(self, request: Request, wanted: str, *, reason: str = "") -> Case:
        """Delete an image, with a strike; its author is notified and may appeal. `wanted` as in `find`; raises like `judge`."""
        return await self._judge_found(request, wanted, Decision.DELETE, reason=reason)

    async def spoiler(self, request: Request, wanted: str, *, reason: str = "") -> Case:
        """Put an image behind a spoiler; its author is notified and may appeal."""
        return await self._judge_found(request, wanted, Decision.SPOILER, reason=reason)

    async def refund(self, request: Request, wanted: str, *, reason: str = "") -> int:
        """Refund an image without deleting it; returns the microcredits, 0 if it was refunded before."""
        guild_id, job = await self._found(request, wanted, Decision.REFUND)
        await self._check_refund(guild_id, job.id, Decision.REFUND)
        back = await self.store.write(verdicts.refund, job.id, guild_id, by_id=request.actor.user_id, now=self.clock(), reason=reason)
        return back or 0

    async def purge(self, request: Request, user_id: int) -> tuple[int, int]:
        """Delete all of a member's images in this guild and cancel their open jobs; returns how many jobs of each."""
        guild_id, deleted, cancelled = permissions.check_in_guild(request, Action.MODERATE), 0, 0
        while True:
            purged = await self.store.write(verdicts.purge, guild_id, user_id, by_id=request.actor.user_id, now=self.clock())
            deleted += purged.taken_away
            if not purged.taken_away:
                break
        for job_id in purged.open_jobs:
            try:
                await self.orders.cancel(request, job_id)
                cancelled += 1
            except NotFound:
                log.info("job ended before it could be cancelled", job=job_id)
        return deleted, cancelled

    # --- blocks ----------------------------------------------------------------------------------------------------

    async def block(self, request: Request, user_id: int, *, is_member: bool, until: int | None, reason: str) -> BlockRow:
        """Block a member in this guild until `until` (Unix ms; None: until it is lifted).

        Those who have used Easel here are notified by direct message, at most once a day. Raises `NotFound` for those who have not, and
        who are not members of the guild (`is_member`) either.
        """
        guild_id = permissions.check_in_guild(request, Action.BLOCK, Target(guild_id=request.guild_id, owner_id=user_id))
        if not is_member and not await self.store.read(conduct.has_used, guild_id, user_id):
            raise NotFound(_("{member} hasn't used Easel on this server.").format(member=f"<@{user_id}>"))
        by_id, now = request.actor.user_id, self.clock()
        return await self.store.write(_block, guild_id, user_id, until=until, reason=reason, by_id=by_id, now=now)

    async def unblock(self, request: Request, user_id: int) -> None:
        """Lift a block. Raises `NotFound` if the member is not blocked."""
        guild_id = permissions.check_in_guild(request, Action.MODERATE)
        if not await self.store.write(conduct.unblock, guild_id, user_id, by_id=request.actor.user_id, now=self.clock()):
            raise NotFound(_("{member} isn't blocked here.").format(member=f"<@{user_id}>"))

    # --- parts -----------------------------------------------------------------------------------------------------

    async def _in(self, guild_id: int | None, case_id: int) -> Case | None:
        case = await self.store.read(cases.get, case_id)
        return case if case is not None and case.guild_id == guild_id else None

    async def _judge_found(self, request: Request, wanted: str, decision: Decision, *, reason: str) -> Case:
        guild_id, job = await self._found(request, wanted, decision)
        return await self._judge(request, guild_id, job, decision, reason=reason)

    async def _found(self, request: Request, wanted: str, decision: Decision) -> tuple[int, Job]:
        """The guild and the job of a decision. Permissions are checked first, so other members cannot learn whether a job exists."""
        guild_id = permissions.check_in_guild(request, Action.MODERATE)
        job = await self.find(guild_id, wanted)
        permissions.check(request, Action.DECIDE, _target(guild_id, job.place.user_id, decision))
        return guild_id, job

    async def _judge(self, request: Request, guild_id: int, job: Job, decision: Decision, *, reason: str = "") -> Case:
        await self._check_judgeable(guild_id, job, decision)
        verdict = self._verdict(request, decision, reason)
        return self._decided_case(await self.store.write(verdicts.decide_on_job, job.id, guild_id, verdict))

    async def _check_judgeable(self, guild_id: int, job: Job, decision: Decision) -> None:
        if decision not in DECISIONS[CaseSubject.of(job)]:
            raise InvalidRequest(_("That can't be decided about this case."))
        if job.state is JobState.OPEN:
            raise InvalidRequest(_("This image is still in progress. Decide when it's finished."))
        await self._check_refund(guild_id, job.id, decision)

    async def _check_refund(self, guild_id: int, job_id: str, decision: Decision) -> None:
        """Raise `InvalidRequest` for a refund of a job that was ordered elsewhere, and so paid under other rules."""
        if decision is Decision.REFUND and not await self.store.read(messages.was_ordered_in, job_id, guild_id):
            raise InvalidRequest(_("This image wasn't paid for on this server, so it can't be refunded here."))

    async def _delete_others(self, request: Request, guild_id: int, job: Job | None, message_id: int, *, is_known: bool) -> None:
        if job is not None:
            with suppress(Decided):  # it was deleted by a decision before, but its message is still there
                await self._judge(request, guild_id, job, Decision.DELETE)
                return
        if not is_known:
            await self.store.write(verdicts.log_deletion, message_id, guild_id, job=job, by_id=request.actor.user_id, now=self.clock())

    def _verdict(self, request: Request, decision: Decision, reason: str) -> Ruling:
        text = reason.strip()[:REASON_MAX]
        return Ruling(decision=decision, by_id=request.actor.user_id, strikes=request.policy.strikes, now=self.clock(), reason=text)

    def _decided_case(self, judged: Judgement | None) -> Case:
        if judged is None:
            raise image_gone()
        if not judged.is_new:
            raise _decided(judged.case)
        log.info("case decided", case=judged.case.id, decision=judged.case.decision, by=judged.case.decided_by)
        return judged.case


def _block(conn: Connection, guild_id: int, user_id: int, *, until: int | None, reason: str, by_id: int, now: int) -> BlockRow:
    """Write the block, and the outbox item that notifies the member, if they may be told."""
    tells = conduct.may_be_told(conn, guild_id, user_id, now)
    row = conduct.block(conn, guild_id, user_id, until=until, reason=reason, by_id=by_id, now=now)
    if tells:
        data = {"guild_id": guild_id, "until": until, "reason": reason, "block_id": row.id}
        outbox.add(conn, OutboxItem(kind=ItemKind.TELL_BLOCK, due_at=now, user_id=user_id, data=data))
    return row


def _target(guild_id: int | None, author_id: int | None, decision: Decision) -> Target:
    return Target(guild_id=guild_id, owner_id=author_id, favors_owner=decision in _FAVORS_AUTHOR)


def _no_case(case_id: int) -> NotFound:
    return NotFound(_("There's no case {number} on this server.").format(number=case_id))


def _decided(case: Case) -> Decided:
    decision = _(DECIDED[case.decision]) if case.decision else ""
    template = _("{member} already decided this: {decision}, <t:{at}:R>.")
    return Decided(template.format(member=f"<@{case.decided_by}>", decision=decision, at=(case.decided_at or 0) // 1000))
