"""Collects the facts for the admission rules, applies them, and records the strike for a blocked prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from sqlalchemy import Connection

from bot.core.clock import Clock
from bot.core.running.executors import BoundedExecutor
from bot.domain import admission
from bot.domain.admission import Admission, Facts, PromptBlocked
from bot.domain.allowance import merge
from bot.domain.catalog import image_properties
from bot.domain.catalog.costs import cost_microcredits
from bot.domain.catalog.models import ModelInfo
from bot.domain.guild.sections import Offence
from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.domain.order import OperatorLimits
from bot.domain.prompts.judge import CompiledRule, Judge, Level, PromptVerdict, RulesTooSlow, compile_rules
from bot.domain.prompts.rules import PromptRules
from bot.domain.request import Request
from bot.services.money.pricing import Pricing
from bot.store import documents, jobs
from bot.store.engine.base import Store
from bot.store.moderation import audit_log, conduct
from bot.store.money.payment import funds_of, with_accounts

log = structlog.get_logger(__name__)

_NO_RULES, _NO_MATCH = PromptRules(), PromptVerdict(level=Level.NONE)


@dataclass(frozen=True, kw_only=True)
class Admissions:
    """Applies the rules of the request's guild. In direct messages the default rules apply."""

    store: Store
    pricing: Pricing
    limits: OperatorLimits
    title_of: Callable[[str], str]
    judging: BoundedExecutor  # by guild
    clock: Clock
    # By guild; compiled again when the rules change.
    _judges: dict[int | None, tuple[PromptRules, Judge]] = field(init=False, repr=False, default_factory=dict)

    def facts(self, request: Request, model: ModelInfo, prompt: str, params: Mapping[str, Any], *, count: int) -> Facts:
        """The facts of an order without those from the store, which `with_stored_facts` adds."""
        allowance = merge(request.policy, request.actor.role_ids)
        return Facts(
            request=request,
            now=self.clock(),
            model=model.id,
            drawable_text=image_properties.drawable_text(prompt, params, model),
            count=count,
            aspect_ratio=image_properties.aspect_ratio(model, params),
            megapixels=image_properties.megapixels(model, params),
            unsafe=image_properties.safety_checker_off(model, params),
            allowance=allowance,
            price=self.pricing.price(model, request.policy, params),
            cost=cost_microcredits(model, params),
            payment=self.pricing.payment(request, allowance),
            max_waiting=self.limits.max_waiting if allowance.waiting is None else allowance.waiting,
            title_of=self.title_of,
        )

    async def admit(self, facts: Facts) -> Admission:
        """Raises the `Refusal` of the first rule that the order breaks. A blocked prompt adds a strike."""
        admission.check(facts)
        verdict = await self._judge_prompt(facts)
        admission.check_consent(facts.request, facts.owners)
        return admission.admitted(facts, verdict)

    async def admit_showing(self, facts: Facts) -> PromptVerdict:
        """As `admit`, for a finished image that is shown in another place. Returns what the prompt rules there say."""
        facts = await self.store.read(with_stored_facts, facts, owner_ids=())
        admission.check_showing(facts)
        return await self._judge_prompt(facts)

    async def test(self, request: Request, prompt: str) -> tuple[PromptVerdict, list[CompiledRule]]:
        """What the guild's rules say of a prompt, and every entry that matches. Raises `RulesTooSlow` and `Overloaded`."""
        judge = await self._judge(request.guild_id, request.policy.prompts)
        return await self.judging.run(request.guild_id, lambda: (judge.judge(prompt), list(judge.hits(prompt))))

    async def _judge(self, guild_id: int | None, rules: PromptRules) -> Judge:
        """The guild's compiled prompt rules."""
        known = self._judges.get(guild_id)
        if known is None or known[0] is not rules:
            known = (rules, await self.judging.run(guild_id, compile_rules, rules))
            self._judges[guild_id] = known
        return known[1]

    async def _judge_prompt(self, facts: Facts) -> PromptVerdict:
        guild_id, user_id, policy = facts.request.guild_id, facts.request.actor.user_id, facts.request.policy
        if policy.prompts == _NO_RULES:  # a thread would take longer than the rest of admission
            return _NO_MATCH
        judge = await self._judge(guild_id, policy.prompts)
        try:
            return await self.judging.run(guild_id, admission.judge_prompt, facts, judge)
        except PromptBlocked as error:
            log.info("prompt blocked", user=user_id, guild=guild_id)
            if guild_id is None:
                raise
            struck = await self.store.write(conduct.strike, guild_id, user_id, Offence.PROMPT_BLOCKED, rules=policy.strikes, now=facts.now)
            if struck is None:
                raise
            sentence = " ".join(filter(None, (error.sentence, struck.sentence, struck.end)))
            raise PromptBlocked(sentence, block_id=struck.block_id) from error
        except RulesTooSlow:
            log.warning("prompt rules took too long", user=user_id, guild=guild_id)
            line = AuditLine(action=AuditAction.TOO_SLOW, at=facts.now, guild_id=guild_id, target_id=user_id)
            await self.store.write(audit_log.note, line)
            raise


def with_stored_facts(conn: Connection, facts: Facts, *, owner_ids: Iterable[int | None]) -> Facts:
    """The facts with the member's block and waiting images, the available funds, and the preferences of the images' owners."""
    guild_id, user_id = facts.request.guild_id, facts.request.actor.user_id
    payment = with_accounts(conn, facts.payment, facts.now)
    return replace(
        facts,
        payment=payment,
        blocked=conduct.blocked(conn, guild_id, user_id, facts.now),
        waiting=jobs.count_waiting(conn, user_id),
        funds=funds_of(conn, payment, facts.now),
        owners=documents.preferences_of(conn, (each for each in owner_ids if each is not None and each != user_id)),
    )
