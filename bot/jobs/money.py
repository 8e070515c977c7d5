"""Credits between people: what somebody has and may use, gifts, hosts who pay for others, and what a server spent.

What may be done with money is decided in the store, where it is moved; here only who is asked, and in whose name.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from bot.clock import Clock
from bot.domain.actor import Actor
from bot.errors import NotAllowed, NotFound
from bot.i18n import _
from bot.jobs.job import new_job_id
from bot.jobs.servers import Servers
from bot.jobs.till import Till
from bot.moderation.policy import Policy
from bot.quota import DAY_MS, MICRO, next_month
from bot.store import audit, conduct, sponsorships, transfers, usage
from bot.store.audit import Action, AuditLine
from bot.store.engine import Store
from bot.store.ledger import Statement
from bot.store.purse import Purse, owned_by_one
from bot.store.sponsorships import Sponsorship
from bot.store.usage import By, Use

HOURS_MAX = 168  # a week: how long somebody may pay for others
_HOUR_MS = 3_600_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Held:
    """A purse, and what is in it now."""

    purse: Purse
    statement: Statement


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a member can pay from in one place. `pool` and `budget` are the server's, where it has them."""

    own: Held  # or the pool, where the server gives this member nothing of their own
    pool: Held | None
    budget: Held | None
    renews_at: int | None  # Unix ms: when the next month's budget begins
    sponsor: Sponsorship | None  # who pays for everyone in this channel
    hosting: tuple[Sponsorship, ...]  # what this member pays for, anywhere


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a server used in [since, until), Unix ms; amounts are microcredits."""

    since: int
    until: int
    by: By
    whole: Use
    rows: tuple[Use, ...]  # told apart by `by`: the dearest first, days the latest first
    daily: tuple[Use, ...]  # told apart by day as well, the earliest first
    budget: Held | None
    credit_usd: float


@dataclass(frozen=True, kw_only=True)
class Money:
    """Gifts, sponsorships and what is told of money. Every method is one transaction at most."""

    store: Store
    servers: Servers
    till: Till
    credit_usd: float  # what a credit is worth in US dollars
    clock: Clock

    async def standing(self, actor: Actor, *, guild_id: int | None, channel_id: int) -> Standing:
        """What this member can pay from here, with the last lines of their own account."""
        purse, pool, budget = await self.till.purse(actor, guild_id), await self.till.pool(guild_id), await self.till.budget(guild_id)
        return Standing(
            own=await self._held(purse, lines=5),
            pool=None if pool is None or pool.account == purse.account else await self._held(pool),
            budget=None if budget is None else await self._held(budget),
            renews_at=None if budget is None else next_month(self.clock()),
            sponsor=await self.sponsor(channel_id),
            hosting=tuple(await self.store.read(sponsorships.of_host, actor.user_id)),
        )

    async def _held(self, purse: Purse, *, lines: int = 0) -> Held:
        return Held(purse=purse, statement=await self.till.statement_of(purse, lines=lines))

    # --- gifts -----------------------------------------------------------------------------------------------------

    async def gift(self, giver: Actor, receiver: Actor, *, guild_id: int | None, amount: int, key: str) -> bool:
        """A member gives `amount` microcredits of what they have here. False where `key`, which names the deed, was booked before.

        Raise a `Refusal` where gifts are off, for an amount that the giver does not have, and where one of them pays from a pool.
        """
        policy = (await self.servers.settings(guild_id)).policy
        if not policy.gifts.on:
            raise NotAllowed(_("Members do not give credits to each other on this server."))
        purses = {"giver": await self._own(giver, guild_id, policy), "receiver": await self.till.purse(receiver, guild_id)}
        now, by_id = self.clock(), giver.user_id
        line = _line(Action.GIFTED, guild_id, giver.user_id, now, amount=amount, target_id=receiver.user_id)
        given = await self.store.write(_gift, **purses, line=line, amount=amount, key=key, now=now, by_id=by_id)
        if given:
            log.info("gift", giver=giver.user_id, receiver=receiver.user_id, amount=amount)
        return given

    async def gift_by_reaction(self, giver: Actor, receiver: Actor, *, guild_id: int, message_id: int) -> int | None:
        """A reaction to a picture gives its maker what the server set for it; how much (microcredits).

        None where the server has no such reaction, or this one was booked before. Raise a `Refusal` as `gift` does.
        """
        by_reaction = (await self.servers.settings(guild_id)).policy.gifts.by_reaction
        if by_reaction is None:
            return None
        amount = int(by_reaction.credits * MICRO)
        key = f"gift:{message_id}:{giver.user_id}:{by_reaction.emoji}"
        return amount if await self.gift(giver, receiver, guild_id=guild_id, amount=amount, key=key) else None

    # --- hosts -----------------------------------------------------------------------------------------------------

    async def sponsor(self, channel_id: int) -> Sponsorship | None:
        """Who pays for everyone in a channel or thread now."""
        return await self.store.read(sponsorships.current, channel_id, self.clock())

    async def sponsor_here(self, channel_id: int) -> Sponsorship:
        """The same. Raise `NotFound` where nobody does."""
        found = await self.sponsor(channel_id)
        if found is None:
            raise NotFound(_("Nobody pays for others here."))
        return found

    async def sponsorship(self, sponsorship_id: str) -> Sponsorship:
        """One, also when it is over. Raise `NotFound`."""
        found = await self.store.read(sponsorships.by_id, sponsorship_id)
        if found is None:
            raise NotFound(_("Nobody pays for others here."))
        return found

    async def start_sponsoring(self, host: Actor, *, guild_id: int | None, channel_id: int, hours: float, amount: int) -> Sponsorship:
        """The host pays for everyone in a channel, for some hours, at most `amount` microcredits, which leave their account now.

        Raise a `Refusal` where that is off, somebody pays there already, or the host has less or nothing of their own here.
        """
        policy = (await self.servers.settings(guild_id)).policy
        if not policy.sponsoring.on:
            raise NotAllowed(_("Members do not pay for others on this server."))
        purse = await self._own(host, guild_id, policy)
        now = self.clock()
        until = now + int(hours * _HOUR_MS)
        wanted = Sponsorship(
            id=new_job_id(), guild_id=guild_id, channel_id=channel_id, host_id=host.user_id, cap=amount, until=until, opened_at=now
        )
        line = _line(Action.SPONSORED, guild_id, host.user_id, now, amount=amount, channel=channel_id, until=until)
        begun = await self.store.write(_begin, wanted, host=purse, line=line, now=now)
        log.info("sponsorship", sponsorship=begun.id, host=host.user_id, amount=amount)
        return begun

    async def stop_sponsoring(self, actor: Actor, sponsorship: Sponsorship) -> tuple[Sponsorship, int]:
        """End it; what it came to, and how much went back to the host now. Raise `NotAllowed` for anybody but the host and moderators."""
        policy = (await self.servers.settings(sponsorship.guild_id)).policy
        if sponsorship.host_id != actor.user_id and not policy.is_moderator(actor):
            raise NotAllowed(_("Only the one who pays, or a moderator, can end it."))
        returned = await self.store.write(sponsorships.close, sponsorship.id, self.clock())
        log.info("sponsorship stopped", sponsorship=sponsorship.id, by=actor.user_id, returned=returned)
        return await self.sponsorship(sponsorship.id), returned

    # --- what a server used ----------------------------------------------------------------------------------------

    async def report(self, guild_id: int, *, days: int, by: By, user_id: int | None = None) -> Report:
        """What a server used in the last `days` days in UTC, today among them; of one member where `user_id` is given."""
        since, until = self._span(days)
        whole, rows, daily = await self.store.read(_used, guild_id, since=since, until=until, by=by, user_id=user_id)
        budget = await self.till.budget(guild_id)
        return Report(
            since=since,
            until=until,
            by=by,
            whole=whole,
            rows=tuple(reversed(rows) if by is By.DAY else rows),
            daily=tuple(daily),
            budget=None if budget is None else await self._held(budget),
            credit_usd=self.credit_usd,
        )

    async def table(self, guild_id: int, *, days: int, user_id: int | None = None) -> str:
        """The same for a spreadsheet (CSV), told apart by member, model and day."""
        since, until = self._span(days)
        found = await self.store.read(usage.use, guild_id, since=since, until=until, by=list(By), user_id=user_id)
        return usage.as_csv(found, credit_usd=self.credit_usd)

    async def leaderboard(self, guild_id: int, *, days: int) -> list[tuple[int, int]]:
        """Members with the most pictures of the last days, as (user id, pictures). Raise `NotAllowed` where the server has none."""
        if not (await self.servers.settings(guild_id)).policy.leaderboard:
            raise NotAllowed(_("This server has no leaderboard."))
        return await self.store.read(usage.leaderboard, guild_id, since=self._span(days)[0])

    def _span(self, days: int) -> tuple[int, int]:
        """Whole days in UTC, and today as far as it has come; from, and up to without it."""
        now = self.clock()
        return (now // DAY_MS - days + 1) * DAY_MS, now + 1

    # --- parts -----------------------------------------------------------------------------------------------------

    async def _own(self, giver: Actor, guild_id: int | None, policy: Policy) -> Purse:
        """What this member may hand on. Raise `NotAllowed` where that is nothing.

        Whoever may not ask for pictures yet, or any more, does not hand credits on either: a new account is no purse to be emptied.
        """
        now, wait_ms = self.clock(), policy.newcomers.wait_ms
        if await self.store.read(conduct.blocked, guild_id, giver.user_id, now) is not None:
            raise NotAllowed(_("You cannot ask for pictures here at the moment, and so not give credits either."))
        if wait_ms and not policy.is_moderator(giver) and (giver.joined_at is None or now < giver.joined_at + wait_ms):
            raise NotAllowed(_("New members wait a while before they can give credits here."))
        purse = await self.till.purse(giver, guild_id)
        if not owned_by_one(purse.account):
            raise NotAllowed(_("You pay from this server's shared pool; only credits of your own can go to others."))
        return purse


def _line(
    action: Action, guild_id: int | None, actor_id: int, now: int, *, target_id: int | None = None, **details: int
) -> AuditLine | None:
    """What moderators read of it; outside of servers nobody does."""
    if guild_id is None:
        return None
    return AuditLine(action=action, at=now, guild_id=guild_id, actor_id=actor_id, target_id=target_id, details=details)


def _gift(conn: Connection, *, giver: Purse, receiver: Purse, line: AuditLine | None, amount: int, key: str, now: int, by_id: int) -> bool:
    given = transfers.gift(conn, giver=giver, receiver=receiver, amount=amount, key=key, now=now, by_id=by_id)
    if given and line is not None:
        audit.note(conn, line)
    return given


def _begin(conn: Connection, wanted: Sponsorship, *, host: Purse, line: AuditLine | None, now: int) -> Sponsorship:
    sponsorships.begin(conn, wanted, host=host, now=now)
    if line is not None:
        audit.note(conn, line)
    return sponsorships.by_id(conn, wanted.id) or wanted


def _used(conn: Connection, guild_id: int, *, since: int, until: int, by: By, user_id: int | None) -> tuple[Use, list[Use], list[Use]]:
    """In one view: the whole, told apart, and told apart by day as well."""
    whole, rows, daily = (
        usage.use(conn, guild_id, since=since, until=until, by=each, user_id=user_id) for each in ((), (by,), (by, By.DAY))
    )
    return next(iter(whole), Use(pictures=0, failed=0, cost=0, refunded=0)), rows, daily
