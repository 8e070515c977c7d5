"""Members' flags and reports in words, and the cases that they open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from bot.core.clock import Clock
from bot.core.errors import DeliveryError, NotAllowed, NotFound
from bot.core.i18n import _, ngettext
from bot.core.running.coordination import SharedLocks
from bot.core.running.supervision import apart, pause
from bot.domain import permissions
from bot.domain.gestures import Reaction, Reactors
from bot.domain.guild.document import Policy
from bot.domain.guild.sections import Flags
from bot.domain.moderation import flags
from bot.domain.moderation.cases import REPORTS_MAX, Case, Report
from bot.domain.outbox import ItemKind, OutboxItem
from bot.domain.permissions import Action, Target
from bot.domain.request import Request
from bot.services.guilds import Guilds
from bot.services.orders import Orders
from bot.store import jobs
from bot.store.engine.base import Store
from bot.store.moderation import flagging, reports

log = structlog.get_logger(__name__)

# Who flags a message (channel and message id) by reaction now; None: Discord no longer says. Raises `DeliveryError`.
FlaggedBy = Callable[[int, int], Awaitable[Reactors | None]]

_RECOUNT_S = 60


async def no_longer_said(_channel_id: int, _message_id: int) -> None:
    """The port of an app without Discord."""


@dataclass(frozen=True, kw_only=True)
class Flagged:
    """The result of a flag."""

    is_new: bool  # False: this member has flagged this message before
    counts: bool  # toward the quorum
    is_kept: bool  # without effect until flags are unlocked
    opened: Case | None = None  # by this flag


@dataclass(frozen=True, kw_only=True)
class Flagging:
    """Takes flags, weighs them, and opens cases. Each method checks the permission itself and is one transaction."""

    store: Store
    orders: Orders
    guilds: Guilds
    weighing: SharedLocks  # by guild
    clock: Clock
    flagged_by: FlaggedBy = no_longer_said

    async def flag(self, request: Request, report: Report, *, reaction: Reaction | None = None) -> Flagged:
        """Record a member's flag of an image, by `reaction`, or a report in words.

        A report opens a case at once, unless flags are locked; so does a flag of a moderator, and there being enough flags.
        """
        report = await self._as_known(request, report)
        guild_id = permissions.check_in_guild(request, Action.FLAG, Target(guild_id=report.guild_id, owner_id=report.author_id))
        rules, by, now = request.policy.flags, request.actor, self.clock()
        moderates = permissions.may(request, Action.MODERATE)  # one flag by a moderator is enough
        counts = moderates or flags.may_flag(rules, joined_at=by.joined_at, role_ids=by.role_ids, now=now)
        kept = replace(report, at=now, counts=counts, reason=report.reason.strip())
        result = await self.store.write(
            flagging.flag,
            kept,
            guild_id=guild_id,
            opens_case=moderates or (bool(kept.reason) and not rules.locked),
            now=now,
            has_channel=request.policy.cases_channel_id is not None,
            follows=None if reaction is None else _taking(kept, reaction),
        )
        if result.is_gone:
            raise NotFound(_("That message was deleted."))
        if result.is_too_many:
            raise NotAllowed(_too_many())
        weighed = await self._weigh_flags(guild_id, rules, message_id=report.message_id) if result.is_new else []
        opened = result.opened or next(iter(weighed), None)
        if opened is not None:
            log.info("case opened", case=opened.id, cause=opened.cause, guild=guild_id)
        return Flagged(is_new=result.is_new, counts=counts, is_kept=rules.locked and not moderates, opened=opened)

    async def _weigh_flags(self, guild_id: int, rules: Flags, *, message_id: int | None = None) -> list[Case]:
        """Open the cases for which there are enough flags, of one message or of all.

        Discord must confirm the flags that last as long as their reaction. After a crash before this, and while Discord does not
        answer, `run` does it.
        """
        opened = []
        async with self.weighing.of(guild_id):  # Discord is asked once for many flags at a time
            for report in await self.store.read(flagging.enough, guild_id, rules, message_id=message_id):
                try:
                    present = await self._present(report)
                except DeliveryError:
                    continue
                opened += [await self.store.write(flagging.weigh, report, guild_id, rules, self.clock(), present=present)]
        return [case for case in opened if case is not None]

    async def _present(self, report: Report) -> Reactors | None:
        if not await self.store.read(reports.has_reactions, report.message_id):
            return None
        return await self.flagged_by(report.channel_id, report.message_id)

    async def _as_known(self, request: Request, report: Report) -> Report:
        """The report with author and guild from the store if the job is known: those of the form could be forged."""
        job = None if report.job_id is None else await self.store.read(jobs.get, report.job_id)
        if job is None:
            return report
        image = await self.orders.image(request, job)
        return replace(report, author_id=image.owner_id, guild_id=image.guild_id if report.guild_id is not None else None)

    async def take_back(self, message_id: int, user_id: int) -> bool:
        """A member removed the reaction of their flag, which no longer counts unless a case was decided by it. False if there was none."""
        return await self.store.write(reports.take_back, message_id, user_id)

    async def reaction_stays(self, message_id: int, user_id: int) -> None:
        """Easel may not take the reaction of a flag away: the flag lasts as long as the reaction."""
        await self.store.write(reports.keep_reaction, message_id, user_id)

    async def withdraw(self, request: Request, message_id: int) -> None:
        """The actor withdraws their own flag. Raises `NotFound` if there is none, or a case was decided by it."""
        if not await self.store.write(flagging.withdraw, message_id, request.actor.user_id, self.clock()):
            raise NotFound(_("That report is no longer open: it was decided, or withdrawn before."))

    async def cleared(self, message_id: int) -> None:
        """The flags on a message were removed: those by reaction no longer count, unless a case was decided by them."""
        await self.store.write(reports.keep_flags_of, message_id, Reactors(user_ids=frozenset(), at=self.clock()))

    async def catch_up(self, request: Request) -> int:
        """Call this after the rules changed: recounts flags and posts waiting cases. Returns the number of opened cases."""
        guild_id, policy, now = request.required_guild_id, request.policy, self.clock()
        opened = len(await self._open_cases(guild_id, policy))
        if policy.cases_channel_id is not None:
            await self.store.write(flagging.show_waiting, guild_id, now)
        return opened

    async def run(self) -> None:
        """Recount flags every minute, until cancelled. Catches flags that were unlocked by a settings file or just before a crash."""
        while True:
            with apart() as attempt:
                for guild_id in await self.store.read(flagging.guilds_with_flags):
                    with attempt():
                        await self._recount(guild_id)
            await pause(_RECOUNT_S)

    async def _recount(self, guild_id: int) -> None:
        await self._open_cases(guild_id, (await self.guilds.settings(guild_id)).policy)

    async def _open_cases(self, guild_id: int, policy: Policy) -> list[Case]:
        """Those of enough flags, and those of reports that waited for the flags to be unlocked."""
        opened = await self._weigh_flags(guild_id, policy.flags)
        if policy.flags.locked:
            return opened
        waiting = await self.store.read(reports.waiting, guild_id)
        if waiting:
            has_channel = policy.cases_channel_id is not None
            opened += await self.store.write(flagging.open_waiting, guild_id, self.clock(), has_channel=has_channel)
        return opened


def _taking(report: Report, reaction: Reaction) -> OutboxItem:
    """Takes the reaction of a flag away, so that the image's author does not see who flagged, and answers its member."""
    data = {
        "guild_id": report.guild_id,
        "channel_id": report.channel_id,
        "message_id": report.message_id,
        "burst": reaction.burst,
        "counts": report.counts,
    }
    return OutboxItem(kind=ItemKind.FLAGGED, due_at=report.at, user_id=report.user_id, data=data)


def _too_many() -> str:
    sentence = ngettext(
        "You have {count} report here that waits for the moderators. You can report again once they've decided.",
        "You have {count} reports here that wait for the moderators. You can report again once they've decided.",
        REPORTS_MAX,
    )
    return sentence.format(count=REPORTS_MAX)


def why_not(rules: Flags) -> str:
    """Why a flag is kept but does not count, in one sentence."""
    if not rules.on:
        return _("The moderators can see your flag. Flags don't hide images on this server.")
    template = ngettext(
        "The moderators can see your flag. Flags count once you've been a member for {days} day.",
        "The moderators can see your flag. Flags count once you've been a member for {days} days.",
        rules.after_days,
    )
    return template.format(days=rules.after_days)
