"""Credits: balances, gifts, sponsorships, and a guild's usage.

The store checks the balances, in the transaction that moves the money.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import structlog
from sqlalchemy import Connection

from bot.core.clock import Clock
from bot.core.errors import NotAllowed, NotFound
from bot.core.i18n import _
from bot.domain import permissions
from bot.domain.actor import Actor
from bot.domain.admission import check_giver
from bot.domain.job import new_job_id
from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.domain.money.accounts import AccountRef
from bot.domain.money.ledger import Statement
from bot.domain.money.quota import DAY_MS, MICRO, next_month
from bot.domain.money.sponsorship import Sponsorship, SponsorshipState
from bot.domain.money.usage import GroupBy, UsageRow, total
from bot.domain.permissions import Target, check
from bot.domain.request import Request
from bot.media.chart import SERIES_MAX
from bot.services.money.pricing import Pricing
from bot.store import usage
from bot.store.engine.base import Store
from bot.store.moderation import audit_log, conduct
from bot.store.money import sponsorships, transfers

HOURS_MAX = 168  # longest sponsorship: a week
_HOUR_MS = 3_600_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class AccountStatement:
    """An account with its current statement."""

    account: AccountRef
    statement: Statement


@dataclass(frozen=True, kw_only=True)
class Balances:
    """The accounts that a member can pay from in a channel. `pool` and `budget` are the guild's, None if its managers set none."""

    own: AccountStatement  # or the pool, if this member pays from it
    granted: AccountStatement | None  # what they were granted or given on this server, if that is another account; used first
    pool: AccountStatement | None
    budget: AccountStatement | None
    renews_at: int | None  # Unix ms: start of the next month, if there is a budget
    sponsor: Sponsorship | None  # who pays for everyone in this channel
    hosting: tuple[Sponsorship, ...]  # what this member pays for, anywhere


@dataclass(frozen=True, kw_only=True)
class UsageSummary:
    """A guild's usage in [since, until), Unix ms; amounts are microcredits."""

    since: int
    until: int
    whole: UsageRow
    budget: AccountStatement | None  # of this month
    credit_usd: float


@dataclass(frozen=True, kw_only=True)
class UsageReport(UsageSummary):
    """The same, with its parts."""

    by: GroupBy
    rows: tuple[UsageRow, ...]  # grouped by `by`: most expensive first, days latest first
    daily: tuple[UsageRow, ...]  # grouped by `by` and day, earliest first; all but the first `SERIES_MAX` rows are one group, without a key


@dataclass(frozen=True, kw_only=True)
class Money:
    """Every method is one transaction at most."""

    store: Store
    pricing: Pricing
    credit_usd: float  # US dollars per credit
    clock: Clock

    async def balances(self, request: Request) -> Balances:
        """What the actor can pay from here, with the last entries of their own account."""
        account, granted, pool = self.pricing.account(request), self.pricing.granted(request), self.pricing.pool(request)
        budget = None if request.policy.usd_per_month is None else self.pricing.budget(request)
        return Balances(
            own=await self._statement(account, lines=5),
            granted=None if granted is None else await self._statement(granted, lines=5),
            pool=None if pool is None or pool.name == account.name else await self._statement(pool),
            budget=None if budget is None else await self._statement(budget),
            renews_at=None if budget is None else next_month(self.clock()),
            sponsor=await self.store.read(sponsorships.current, request.channel.channel_id, self.clock()),
            hosting=tuple(await self.store.read(sponsorships.of_host, request.actor.user_id)),
        )

    async def _statement(self, account: AccountRef, *, lines: int = 0) -> AccountStatement:
        return AccountStatement(account=account, statement=await self.pricing.statement_of(account, lines=lines))

    # --- gifts -----------------------------------------------------------------------------------------------------

    async def gift(self, request: Request, receiver: Actor, *, amount: int, key: str) -> bool:
        """Give `amount` microcredits from the actor's account here. False if `key`, the idempotency key, was booked before.

        Raises a `Refusal` if gifts are off, or the giver may give less.
        """
        if not request.policy.gifts.on:
            raise NotAllowed(_("Members can't give each other credits on this server."))
        accounts = {"giver": await self._own(request), "receiver": self.pricing.own(request, receiver)}
        now, by_id = self.clock(), request.actor.user_id
        line = _line(AuditAction.GIFTED, request.guild_id, by_id, now, amount=amount, target_id=receiver.user_id)
        given = await self.store.write(_gift, **accounts, line=line, amount=amount, key=key, now=now, by_id=by_id)
        if given:
            log.info("credits given", giver=by_id, receiver=receiver.user_id, amount=amount)
        return given

    async def gift_by_reaction(self, request: Request, receiver: Actor, *, message_id: int) -> int | None:
        """Give an image's author the guild's amount for a reaction; returns it in microcredits.

        None if the guild has no gift reaction, or this one was booked before. Raises a `Refusal` like `gift`.
        """
        by_reaction = request.policy.gifts.by_reaction
        if by_reaction is None:
            return None
        amount = int(by_reaction.credits * MICRO)
        key = f"gift:{message_id}:{request.actor.user_id}:{by_reaction.emoji}"
        return amount if await self.gift(request, receiver, amount=amount, key=key) else None

    # --- sponsorships ----------------------------------------------------------------------------------------------

    async def sponsor_here(self, channel_id: int) -> Sponsorship:
        """The current sponsorship of a channel or thread. Raises `NotFound` if there is none."""
        found = await self.store.read(sponsorships.current, channel_id, self.clock())
        if found is None:
            raise NotFound(_("Nobody is sponsoring images here."))
        return found

    async def stoppable(self, request: Request) -> list[Sponsorship]:
        """The sponsorship of this channel, if the actor may end it; else their own, anywhere: its channel may be out of reach.

        Raises `NotFound` if there is none.
        """
        here = await self.store.read(sponsorships.current, request.channel.channel_id, self.clock())
        if here is not None and permissions.may(request, permissions.Action.STOP_SPONSORSHIP, _sponsored(here)):
            return [here]
        own = await self.store.read(sponsorships.of_host, request.actor.user_id)
        return own or [await self.sponsor_here(request.channel.channel_id)]

    async def sponsorship(self, sponsorship_id: str) -> Sponsorship:
        """A sponsorship, also if it has ended. Raises `NotFound`."""
        found = await self.store.read(sponsorships.by_id, sponsorship_id)
        if found is None:
            raise NotFound(_("Nobody is sponsoring images here."))
        return found

    async def start_sponsoring(self, request: Request, *, hours: float, amount: int) -> Sponsorship:
        """The actor pays for everyone in a channel, up to `amount` microcredits, which are taken from their account now.

        Raises a `Refusal` if sponsoring is off, the channel has a sponsor, or the host may give less.
        """
        if request.guild_id is None:
            raise NotAllowed(_("You can only sponsor images on a server."))
        if not request.policy.sponsoring.on:
            raise NotAllowed(_("Members can't sponsor images on this server."))
        account = await self._own(request)
        guild_id, channel_id, host_id, now = request.guild_id, request.channel.channel_id, request.actor.user_id, self.clock()
        until = now + int(hours * _HOUR_MS)
        wanted = Sponsorship(
            id=new_job_id(), guild_id=guild_id, channel_id=channel_id, host_id=host_id, cap=amount, until=until, opened_at=now
        )
        line = _line(AuditAction.SPONSORED, guild_id, host_id, now, amount=amount, channel=channel_id, until=until)
        begun = await self.store.write(_begin, wanted, host=account, line=line, now=now)
        log.info("sponsorship started", sponsorship=begun.id, host=host_id, amount=amount)
        return begun

    async def sponsorship_posted(self, sponsorship: Sponsorship, message_id: int | None) -> None:
        """Remember its public message, so that it shows the end. None: it was not sent."""
        if message_id is not None and sponsorship.message_id is None:
            await self.store.write(sponsorships.posted, sponsorship.id, message_id, self.clock())

    async def stop_sponsoring(self, request: Request, sponsorship: Sponsorship) -> tuple[Sponsorship, int]:
        """End a sponsorship, and return it with the microcredits that go back now. Idempotent. Raises `NotAllowed`."""
        check(request, permissions.Action.STOP_SPONSORSHIP, _sponsored(sponsorship))
        by_id = request.actor.user_id
        returned = await self.store.write(_stop, sponsorship, self.clock(), by_id=by_id)
        log.info("sponsorship stopped", sponsorship=sponsorship.id, by=by_id, returned=returned)
        return await self.sponsorship(sponsorship.id), returned

    async def sponsored_channels(self, guild_id: int) -> frozenset[int]:
        """The channels and threads of a guild that have an open sponsorship."""
        return frozenset(each.channel_id for each in await self.store.read(sponsorships.of_guild, guild_id))

    async def sponsored_guilds(self) -> set[int]:
        """The guilds that have open sponsorships."""
        return await self.store.read(sponsorships.guilds)

    async def end_sponsorships(self, guild_id: int, *, channel_ids: Collection[int] | None = None, server: str | None = None) -> None:
        """End the sponsorships in a guild's channels that are gone (None: in all of them). The hosts get the rest, and a DM.

        `server`: the guild's name; None: the bot was removed from it.
        """
        for each in await self.store.read(sponsorships.of_guild, guild_id):
            if channel_ids is None or each.channel_id in channel_ids:
                returned = await self.store.write(_stop, each, self.clock(), by_id=None, server=server)
                log.info("sponsorship ended: its channel is gone", sponsorship=each.id, returned=returned)

    # --- usage -------------------------------------------------------------------------------------------------------

    async def summary(self, request: Request, *, days: int) -> UsageSummary:
        """What `report` begins with."""
        since, until = self._span(days)
        rows = await self.store.read(usage.use, request.required_guild_id, since=since, until=until)
        return UsageSummary(since=since, until=until, whole=total(rows), budget=await self._budget(request), credit_usd=self.credit_usd)

    async def report(self, request: Request, *, days: int, by: GroupBy, user_id: int | None = None) -> UsageReport:
        """A guild's usage in the last `days` days (UTC, including today), or one member's if `user_id` is given."""
        since, until = self._span(days)
        span = {"since": since, "until": until}
        rows, daily = await self.store.read(usage.report, request.required_guild_id, **span, by=by, series_max=SERIES_MAX, user_id=user_id)
        return UsageReport(
            **span,
            by=by,
            whole=total(rows),
            rows=tuple(reversed(rows) if by is GroupBy.DAY else rows),
            daily=tuple(daily),
            budget=await self._budget(request),
            credit_usd=self.credit_usd,
        )

    async def table(self, guild_id: int, *, days: int, user_id: int | None = None) -> list[UsageRow]:
        """The same, grouped by member, model and day."""
        since, until = self._span(days)
        rows = list[UsageRow]()
        for day in range(since, until, DAY_MS):  # one read for each: a large guild has many rows
            rows += await self.store.read(usage.use, guild_id, since=day, until=day + 1, by=list(GroupBy), user_id=user_id)
        return rows

    async def leaderboard(self, request: Request, *, days: int) -> list[tuple[int, int]]:
        """The members with the most images, as (user id, images). Raises `NotAllowed` if the guild has no leaderboard."""
        if request.guild_id is None or not request.policy.leaderboard:
            raise NotAllowed(_("This server has no leaderboard."))
        return await self.store.read(usage.leaderboard, request.guild_id, since=self._span(days)[0])

    async def _budget(self, request: Request) -> AccountStatement | None:
        budget = self.pricing.budget(request)
        return None if budget is None else await self._statement(budget)

    def _span(self, days: int) -> tuple[int, int]:
        """[since, until) in Unix ms: whole days (UTC) and today until now."""
        now = self.clock()
        return (now // DAY_MS - days + 1) * DAY_MS, now + 1

    # --- parts -----------------------------------------------------------------------------------------------------

    async def _own(self, request: Request) -> AccountRef:
        """The account that the actor gives credits from. Raises `NotAllowed` if they may not."""
        now = self.clock()
        check_giver(request, await self.store.read(conduct.blocked, request.guild_id, request.actor.user_id, now), now=now)
        return self.pricing.own(request)


def _sponsored(sponsorship: Sponsorship) -> Target:
    return Target(guild_id=sponsorship.guild_id, owner_id=sponsorship.host_id)


def _line(
    action: AuditAction, guild_id: int | None, actor_id: int, now: int, *, target_id: int | None = None, **details: int
) -> AuditLine | None:
    """The audit log entry; None in direct messages, which have no audit log."""
    if guild_id is None:
        return None
    return AuditLine(action=action, at=now, guild_id=guild_id, actor_id=actor_id, target_id=target_id, details=details)


def _gift(
    conn: Connection, *, giver: AccountRef, receiver: AccountRef, line: AuditLine | None, amount: int, key: str, now: int, by_id: int
) -> bool:
    transfers.check_gift(giver, receiver, amount)
    if not transfers.was_done(conn, key):
        transfers.check_giveable(conn, giver.name, amount)
    given = transfers.gift(conn, giver=giver, receiver=receiver, amount=amount, key=key, now=now, by_id=by_id)
    if given and line is not None:
        audit_log.note(conn, line)
    return given


def _stop(conn: Connection, sponsorship: Sponsorship, now: int, *, by_id: int | None, server: str | None = None) -> int:
    """End a sponsorship. `by_id`: its host, or a moderator; None: its channel is gone, as in `sponsorships.close_gone`."""
    sponsorships.lock(conn, [sponsorship.id])
    before = sponsorships.by_id(conn, sponsorship.id)
    if by_id is None:
        returned = sponsorships.close_gone(conn, sponsorship, now, server=server)
    else:
        returned = sponsorships.close(conn, sponsorship.id, now)
    if by_id != sponsorship.host_id and before is not None and before.state is SponsorshipState.OPEN:
        details = {"amount": returned, "channel": sponsorship.channel_id}
        line = AuditLine(action=AuditAction.SPONSOR_STOPPED, at=now, guild_id=sponsorship.guild_id, actor_id=by_id, details=details)
        audit_log.note(conn, replace(line, target_id=sponsorship.host_id))
    return returned


def _begin(conn: Connection, wanted: Sponsorship, *, host: AccountRef, line: AuditLine | None, now: int) -> Sponsorship:
    transfers.check_giveable(conn, host.name, wanted.cap)
    sponsorships.begin(conn, wanted, host=host, now=now)
    if line is not None:
        audit_log.note(conn, line)
    return sponsorships.by_id(conn, wanted.id) or wanted
