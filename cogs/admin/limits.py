"""Limits of orders: models, shapes, sizes, credits and channels."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.errors import InvalidRequest
from bot.core.i18n import _
from bot.domain.allowance import ineffective_settings
from bot.domain.guild.document import Policy
from cogs.admin import settings_texts, suggestions
from cogs.admin.changing import Patch, bucket, change_and_answer, given, listed, models, shapes, within
from cogs.kit.request import Interaction, services_of

_CREDITS_MAX = 1_000_000

Credits = app_commands.Range[float, 0, _CREDITS_MAX]
Jobs = app_commands.Range[int, 1, 100]
Words = app_commands.Range[str, 1, 500]
AnyChannel = app_commands.AppCommandChannel | app_commands.AppCommandThread

_RULE_OPTIONS = {
    "models": "all, or models with commas between them",
    "shapes": "all, or shapes such as 1:1, 16:9",
    "megapixels": "The most megapixels of a picture",
    "count": "Pictures at a time",
    "private": "May ask so that only they see it",
    "credits": "Credits that each may hold",
    "refill": "Credits that flow back a day",
    "running": "Pictures in the making at a time",
    "waiting": "Pictures waiting at a time",
}


class LimitCommands(commands.Cog):
    """/imageadmin everyone, role, channels, members and age-restricted."""

    @app_commands.command(description="What every member may do")
    @app_commands.describe(**_RULE_OPTIONS)
    @app_commands.autocomplete(models=suggestions.models)
    async def everyone(
        self,
        interaction: Interaction,
        models: Words | None = None,
        shapes: Words | None = None,
        megapixels: app_commands.Range[float, 0.01, 100.0] | None = None,
        count: app_commands.Range[int, 1, 4] | None = None,
        private: bool | None = None,
        credits: Credits | None = None,  # noqa: A002  the option's name
        refill: Credits | None = None,
        running: Jobs | None = None,
        waiting: Jobs | None = None,
    ) -> None:
        values = _rule(interaction)
        await change_and_answer(
            interaction, within("everyone", values), lambda policy: settings_texts.everyone(policy, _titles(interaction))
        )

    @app_commands.command(description="What a role adds to that")
    @app_commands.describe(role="Which role", **_RULE_OPTIONS, remove="Take the role's rules away")
    @app_commands.autocomplete(models=suggestions.models)
    async def role(
        self,
        interaction: Interaction,
        role: discord.Role,
        models: Words | None = None,
        shapes: Words | None = None,
        megapixels: app_commands.Range[float, 0.01, 100.0] | None = None,
        count: app_commands.Range[int, 1, 4] | None = None,
        private: bool | None = None,
        credits: Credits | None = None,  # noqa: A002  the option's name
        refill: Credits | None = None,
        running: Jobs | None = None,
        waiting: Jobs | None = None,
        remove: bool = False,
    ) -> None:
        values = None if remove else _rule(interaction)
        patch = within("roles", {str(role.id): values} if values or remove else {})

        def text_of(policy: Policy) -> str:
            lines = (
                settings_texts.role(policy, role.id, _titles(interaction)),
                settings_texts.idle(ineffective_settings(policy), role.id),
            )
            return "\n".join(filter(None, lines))

        await change_and_answer(interaction, patch, text_of)

    @app_commands.command(description="Which models everyone may use")
    @app_commands.describe(open="all, or models with commas between them", close="A model that is open to no one by default")
    @app_commands.autocomplete(open=suggestions.models, close=suggestions.open_model)
    async def models(
        self,
        interaction: Interaction,
        open: Words | None = None,  # noqa: A002  the option's name
        close: app_commands.Range[str, 1, 100] | None = None,
    ) -> None:
        offered = [model.id for model in services_of(interaction).orders.models.offered]
        opened = None if open is None else models(interaction, open)
        closed = None if close is None else services_of(interaction).orders.models.catalog.get(close).id

        def patch(policy: Policy) -> Patch:
            before = opened if opened is not None else policy.everyone.models
            after = before if closed is None else [each for each in (offered if before == "all" else before) if each != closed]
            return {"everyone": {"models": after}}

        wanted = patch if opened is not None or closed is not None else None
        await change_and_answer(interaction, wanted, lambda policy: settings_texts.models(policy, _titles(interaction)))

    @app_commands.command(description="Where pictures may be ordered; a category holds for its channels")
    @app_commands.describe(allow="Open it", deny="Close it", forget="No word on it any more", anywhere="No word on any channel")
    async def channels(
        self,
        interaction: Interaction,
        allow: AnyChannel | None = None,
        deny: AnyChannel | None = None,
        forget: AnyChannel | None = None,
        anywhere: bool = False,
    ) -> None:
        if allow is not None and deny is not None and allow.id == deny.id:
            raise InvalidRequest(_("One channel cannot be both allowed and denied."))

        def patch(policy: Policy) -> Patch:
            before = Policy().channels if anywhere else policy.channels
            allowed = [each for each in listed(before.allowed, add=allow, remove=forget) if deny is None or each != str(deny.id)]
            denied = [each for each in listed(before.denied, add=deny, remove=forget) if allow is None or each != str(allow.id)]
            return {"channels": {"allowed": allowed, "denied": denied}}

        wanted = patch if anywhere or any((allow, deny, forget)) else None
        await change_and_answer(interaction, wanted, settings_texts.channels)

    @app_commands.command(description="New members, gifts, sponsors and the leaderboard")
    @app_commands.describe(
        wait_hours="Hours that new members wait",
        gifts="Members may give credits to each other",
        gift_emoji="Reacting with it gives credits",
        gift_credits="How many it gives; 0: none",
        sponsoring="Members may pay for everyone in a thread",
        leaderboard="Who made the most pictures",
    )
    async def members(
        self,
        interaction: Interaction,
        wait_hours: app_commands.Range[int, 0, 8760] | None = None,
        gifts: bool | None = None,
        gift_emoji: app_commands.Range[str, 1, 64] | None = None,
        gift_credits: Credits | None = None,
        sponsoring: bool | None = None,
        leaderboard: bool | None = None,
    ) -> None:
        by_reaction: Any = given(emoji=gift_emoji, credits=gift_credits)
        gift_values = given(on=gifts) | ({"by_reaction": None if gift_credits == 0 else by_reaction} if by_reaction else {})
        patch = {
            **within("newcomers", given(wait_hours=wait_hours)),
            **within("gifts", gift_values),
            **within("sponsoring", given(on=sponsoring)),
            **given(leaderboard=leaderboard),
        }
        await change_and_answer(interaction, patch, settings_texts.members)

    @app_commands.command(name="age-restricted", description="What age-restricted channels may, and no others")
    @app_commands.describe(unspoilered="Results of flagged prompts without a spoiler", unchecked="A model's own safety checker off")
    async def age_restricted(self, interaction: Interaction, unspoilered: bool | None = None, unchecked: bool | None = None) -> None:
        patch = within("age_restricted", given(unspoilered=unspoilered, unchecked=unchecked))
        await change_and_answer(interaction, patch, settings_texts.age_restricted)


def _rule(interaction: Interaction) -> Patch:
    """The options that /imageadmin everyone and role share, with the document's keys."""
    options = interaction.namespace
    values = given(
        models=None if options.models is None else models(interaction, options.models),
        aspect_ratios=None if options.shapes is None else shapes(options.shapes),
        max_megapixels=options.megapixels,
        max_count=options.count,
        private=options.private,
        running=options.running,
        waiting=options.waiting,
    )
    return {**values, **within("purse", bucket(options.credits, options.refill))}


def _titles(interaction: Interaction) -> settings_texts.Titles:
    return services_of(interaction).orders.models.title
