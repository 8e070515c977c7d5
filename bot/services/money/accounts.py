"""Credits between people: what somebody has and may use, gifts, hosts who pay for others, and what a server spent.

What may be done with money is decided in the store, where it is moved; here only who is asked, and in whose name.
"""

from __future__ import annotations

from dataclasses import dataclass

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
from bot.domain.money.accounts import AccountRef, owned_by_one
from bot.domain.money.ledger import Statement
from bot.domain.money.quota import DAY_MS, MICRO, next_month
from bot.domain.money.sponsorship import Sponsorship
from bot.domain.money.usage import GroupBy, UsageRow, as_csv
from bot.domain.permissions import Target, check
from bot.domain.request import Request
from bot.services.money.pricing import Pricing
from bot.store import usage
from bot.store.engine.base import Store
from bot.store.moderation import audit_log, conduct
from bot.store.money import sponsorships, transfers

HOURS_MAX = 168  # a week: how long somebody may pay for others
_HOUR_MS = 3_600_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class AccountStatement:
    """An account, and what is in it now."""

    account: AccountRef
    statement: Statement


@dataclass(frozen=True, kw_only=True)
class Balances:
    """What a member can pay from in one place. `pool` and `budget` are the server's, where it has them."""

    own: AccountStatement  # or the pool, where the server gives this member nothing of their own
    pool: AccountStatement | None
    budget: AccountStatement | None
    renews_at: int | None  # Unix ms: when the next month's budget begins
    sponsor: Sponsorship | None  # who pays for everyone in this channel
    hosting: tuple[Sponsorship, ...]  # what this member pays for, anywhere


@dataclass(frozen=True, kw_only=True)
class UsageReport:
    """What a server used in [since, until), Unix ms; amounts are microcredits."""

    since: int
    until: int
    by: GroupBy
    whole: UsageRow
    rows: tuple[UsageRow, ...]  # told apart by `by`: the dearest first, days the latest first
    daily: tuple[UsageRow, ...]  # told apart by day as well, the earliest first
    budget: AccountStatement | None
    credit_usd: float


@dataclass(frozen=True, kw_only=True)
class Money:
    """Gifts, sponsorships and what is told of money. Every method is one transaction at most."""

    store: Store
    pricing: Pricing
    credit_usd: float  # what a credit is worth in US dollars
    clock: Clock

    async def standing(self, request: Request) -> Balances:
        """What the actor can pay from here, with the last lines of their own account."""
        account, pool, budget = self.pricing.account(request), self.pricing.pool(request), self.pricing.budget(request)
        return Balances(
            own=await self._held(account, lines=5),
            pool=None if pool is None or pool.name == account.name else await self._held(pool),
            budget=None if budget is None else await self._held(budget),
            renews_at=None if budget is None else next_month(self.clock()),
            sponsor=await self.store.read(sponsorships.current, request.channel.channel_id, self.clock()),
            hosting=tuple(await self.store.read(sponsorships.of_host, request.actor.user_id)),
        )

    async def _held(self, account: AccountRef, *, lines: int = 0) -> AccountStatement:
        return AccountStatement(account=account, statement=await self.pricing.statement_of(account, lines=lines))

    # --- gifts -----------------------------------------------------------------------------------------------------

    async def gift(self, request: Request, receiver: Actor, *, amount: int, key: str) -> bool:
        """The actor gives `amount` microcredits of what they have here. False where `key`, which names the deed, was booked before.

        Raise a `Refusal` where gifts are off, for an amount that the giver does not have, and where one of them pays from a pool.
        """
        if not request.policy.gifts.on:
            raise NotAllowed(_("Members do not give credits to each other on this server."))
        accounts = {"giver": await self._own(request), "receiver": self.pricing.account(request, receiver)}
        now, by_id = self.clock(), request.actor.user_id
        line = _line(AuditAction.GIFTED, request.guild_id, by_id, now, amount=amount, target_id=receiver.user_id)
        given = await self.store.write(_gift, **accounts, line=line, amount=amount, key=key, now=now, by_id=by_id)
        if given:
            log.info("gift", giver=by_id, receiver=receiver.user_id, amount=amount)
        return given

    async def gift_by_reaction(self, request: Request, receiver: Actor, *, message_id: int) -> int | None:
        """A reaction to an image gives its maker what the server set for it; how much (microcredits).

        None where the server has no such reaction, or this one was booked before. Raise a `Refusal` as `gift` does.
        """
        by_reaction = request.policy.gifts.by_reaction
        if by_reaction is None:
            return None
        amount = int(by_reaction.credits * MICRO)
        key = f"gift:{message_id}:{request.actor.user_id}:{by_reaction.emoji}"
        return amount if await self.gift(request, receiver, amount=amount, key=key) else None

    # --- hosts -----------------------------------------------------------------------------------------------------

    async def sponsor_here(self, channel_id: int) -> Sponsorship:
        """Who pays for everyone in a channel or thread now. Raises `NotFound` if nobody does."""
        found = await self.store.read(sponsorships.current, channel_id, self.clock())
        if found is None:
            raise NotFound(_("Nobody pays for others here."))
        return found

    async def sponsorship(self, sponsorship_id: str) -> Sponsorship:
        """One, also when it is over. Raise `NotFound`."""
        found = await self.store.read(sponsorships.by_id, sponsorship_id)
        if found is None:
            raise NotFound(_("Nobody pays for others here."))
        return found

    async def start_sponsoring(self, request: Request, *, hours: float, amount: int) -> Sponsorship:
        """The actor pays for everyone in a channel, for some hours, at most `amount` microcredits, which leave their account now.

        Raise a `Refusal` where that is off, somebody pays there already, or the host has less or nothing of their own here.
        """
        if not request.policy.sponsoring.on:
            raise NotAllowed(_("Members do not pay for others on this server."))
        account = await self._own(request)
        guild_id, channel_id, host_id, now = request.guild_id, request.channel.channel_id, request.actor.user_id, self.clock()
        until = now + int(hours * _HOUR_MS)
        wanted = Sponsorship(
            id=new_job_id(), guild_id=guild_id, channel_id=channel_id, host_id=host_id, cap=amount, until=until, opened_at=now
        )
        line = _line(AuditAction.SPONSORED, guild_id, host_id, now, amount=amount, channel=channel_id, until=until)
        begun = await self.store.write(_begin, wanted, host=account, line=line, now=now)
        log.info("sponsorship", sponsorship=begun.id, host=host_id, amount=amount)
        return begun

    async def stop_sponsoring(self, request: Request, sponsorship: Sponsorship) -> tuple[Sponsorship, int]:
        """End it; what it came to, and how much went back to the host now. Raise `NotAllowed` for anybody but the host and moderators."""
        target = Target(guild_id=sponsorship.guild_id, owner_id=sponsorship.host_id)
        check(request, permissions.Action.STOP_SPONSORSHIP, target)
        returned = await self.store.write(sponsorships.close, sponsorship.id, self.clock())
        log.info("sponsorship stopped", sponsorship=sponsorship.id, by=request.actor.user_id, returned=returned)
        return await self.sponsorship(sponsorship.id), returned

    # --- what a server used ----------------------------------------------------------------------------------------

    async def report(self, request: Request, *, days: int, by: GroupBy, user_id: int | None = None) -> UsageReport:
        """What a server used in the last `days` days in UTC, today among them; of one member where `user_id` is given."""
        since, until = self._span(days)
        whole, rows, daily = await self.store.read(_used, request.required_guild_id, since=since, until=until, by=by, user_id=user_id)
        budget = self.pricing.budget(request)
        return UsageReport(
            since=since,
            until=until,
            by=by,
            whole=whole,
            rows=tuple(reversed(rows) if by is GroupBy.DAY else rows),
            daily=tuple(daily),
            budget=None if budget is None else await self._held(budget),
            credit_usd=self.credit_usd,
        )

    async def table(self, guild_id: int, *, days: int, user_id: int | None = None) -> str:
        """The same for a spreadsheet (CSV), told apart by member, model and day."""
        since, until = self._span(days)
        found = await self.store.read(usage.use, guild_id, since=since, until=until, by=list(GroupBy), user_id=user_id)
        return as_csv(found, credit_usd=self.credit_usd)

    async def leaderboard(self, request: Request, *, days: int) -> list[tuple[int, int]]:
        """Members with the most images of the last days, as (user id, images). Raise `NotAllowed` where the server has none."""
        if request.guild_id is None or not request.policy.leaderboard:
            raise NotAllowed(_("This server has no leaderboard."))
        return await self.store.read(usage.leaderboard, request.guild_id, since=self._span(days)[0])

    def _span(self, days: int) -> tuple[int, int]:
        """Whole days in UTC, and today as far as it has come; from, and up to without it."""
        now = self.clock()
        return (now // DAY_MS - days + 1) * DAY_MS, now + 1

    # --- parts -----------------------------------------------------------------------------------------------------

    async def _own(self, request: Request) -> AccountRef:
        """What the actor may hand on. Raise `NotAllowed` where that is nothing, or where they may not."""
        now = self.clock()
        check_giver(request, await self.store.read(conduct.blocked, request.guild_id, request.actor.user_id, now), now=now)
        account = self.pricing.account(request)
        if not owned_by_one(account.name):
            raise NotAllowed(_("You pay from this server's shared pool; only credits of your own can go to others."))
        return account


def _line(
    action: AuditAction, guild_id: int | None, actor_id: int, now: int, *, target_id: int | None = None, **details: int
) -> AuditLine | None:
    """What moderators read of it; outside of servers nobody does."""
    if guild_id is None:
        return None
    return AuditLine(action=action, at=now, guild_id=guild_id, actor_id=actor_id, target_id=target_id, details=details)


def _gift(
    conn: Connection, *, giver: AccountRef, receiver: AccountRef, line: AuditLine | None, amount: int, key: str, now: int, by_id: int
) -> bool:
    given = transfers.gift(conn, giver=giver, receiver=receiver, amount=amount, key=key, now=now, by_id=by_id)
    if given and line is not None:
        audit_log.note(conn, line)
    return given


def _begin(conn: Connection, wanted: Sponsorship, *, host: AccountRef, line: AuditLine | None, now: int) -> Sponsorship:
    sponsorships.begin(conn, wanted, host=host, now=now)
    if line is not None:
        audit_log.note(conn, line)
    return sponsorships.by_id(conn, wanted.id) or wanted


def _used(
    conn: Connection, guild_id: int, *, since: int, until: int, by: GroupBy, user_id: int | None
) -> tuple[UsageRow, list[UsageRow], list[UsageRow]]:
    """In one view: the whole, told apart, and told apart by day as well."""
    whole, rows, daily = (
        usage.use(conn, guild_id, since=since, until=until, by=each, user_id=user_id) for each in ((), (by,), (by, GroupBy.DAY))
    )
    return next(iter(whole), UsageRow(images=0, failed=0, cost=0, refunded=0)), rows, daily
