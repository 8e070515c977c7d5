"""The gate of the house: gathers what the rules of a server look at, and asks them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from bot.clock import Clock
from bot.domain.actor import Actor
from bot.domain.request import Channel
from bot.i18n import _
from bot.jobs.servers import Servers
from bot.moderation import gate
from bot.moderation.gate import Block, Pass, PromptBlocked, Question, Wish
from bot.moderation.policy import Policy
from bot.moderation.prompts import Judge, compile_rules
from bot.moderation.rules import PromptRules
from bot.moderation.sections import Offence
from bot.store import conduct
from bot.store.conduct import BlockRow
from bot.store.engine import Store

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """A request that the rules let in, and the rules that did."""

    passed: Pass
    policy: Policy


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Asks the rules of the server that a request comes from; outside of servers those of one that decided nothing."""

    store: Store
    servers: Servers
    title_of: Callable[[str], str]
    clock: Clock
    # Compiled once for each change of a server's rules.
    _judges: dict[int | None, tuple[PromptRules, Judge]] = field(init=False, repr=False, default_factory=dict)

    async def admit(self, actor: Actor, spot: Channel, wish: Wish) -> Admitted:
        """Raise a `Refusal` with the sentence of the first rule that says no; a blocked prompt leaves a strike."""
        now = self.clock()
        policy = (await self.servers.settings(spot.guild_id)).policy
        block = await self.store.read(conduct.blocked, spot.guild_id, actor.user_id, now)
        question = Question(
            actor=actor,
            spot=spot,
            wish=wish,
            policy=policy,
            judge=await self.judge(spot.guild_id, policy.prompts),
            block=_as_told(block),
            now=now,
            title_of=self.title_of,
        )
        try:
            return Admitted(passed=await asyncio.to_thread(gate.check, question), policy=policy)
        except PromptBlocked:
            if spot.guild_id is not None:
                await self.store.write(conduct.strike, spot.guild_id, actor.user_id, Offence.PROMPT_BLOCKED, rules=policy.strikes, now=now)
            log.info("prompt blocked", user=actor.user_id, guild=spot.guild_id)
            raise

    async def judge(self, guild_id: int | None, rules: PromptRules) -> Judge:
        """The server's rules for prompts, ready to judge."""
        known = self._judges.get(guild_id)
        if known is None or known[0] is not rules:
            known = (rules, await asyncio.to_thread(compile_rules, rules))
            self._judges[guild_id] = known
        return known[1]


def _as_told(block: BlockRow | None) -> Block | None:
    """A block as its member hears of it."""
    if block is None:
        return None
    appeal = _("You may appeal once: the message about it has a button.") if block.case_id is not None else ""
    return Block(until=block.until, reason=_(block.reason), appeal=appeal)
