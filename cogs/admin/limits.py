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
from cogs.admin.changing import Patch, aspect_ratios, bucket, change_and_answer, given, listed, models, within
from cogs.kit.request import Interaction, services_of
from cogs.reactions.presets import one_emoji

_CREDITS_MAX = 1_000_000

Credits = app_commands.Range[float, 0, _CREDITS_MAX]
Jobs = app_commands.Range[int, 1, 100]
Words = app_commands.Range[str, 1, 500]
AnyChannel = app_commands.AppCommandChannel | app_commands.AppCommandThread

_RULE_OPTIONS = {
    "models": "Models separated by commas, or all",
    "aspect_ratios": "Aspect ratios such as 1:1, 16:9, or all",
    "max_megapixels": "Most megapixels per image",
    "max_images": "Most images per request, 1 to 4",
    "private": "Allow private images",
    "credits": "Most credits a member can have",
    "refill_per_day": "Credits refilled per day",
    "max_generating": "Most images generating at once",
    "max_queued": "Most images queued at once",
}


class LimitCommands(commands.Cog):
    """/imageadmin everyone, role, channels, members and age-restricted."""

    @app_commands.command(description="Set what every member can do")
    @app_commands.describe(**_RULE_OPTIONS)
    @app_commands.autocomplete(models=suggestions.models)
    async def everyone(
        self,
        interaction: Interaction,
        models: Words | None = None,
        aspect_ratios: Words | None = None,
        max_megapixels: app_commands.Range[float, 0.01, 100.0] | None = None,
        max_images: app_commands.Range[int, 1, 4] | None = None,
        private: bool | None = None,
        credits: Credits | None = None,  # noqa: A002  the option's name
        refill_per_day: Credits | None = None,
        max_generating: Jobs | None = None,
        max_queued: Jobs | None = None,
    ) -> None:
        values = _rule(interaction)
        await change_and_answer(
            interaction, within("everyone", values), lambda policy: settings_texts.everyone(policy, _titles(interaction))
        )

    @app_commands.command(description="Set what members with a role can do")
    @app_commands.describe(role="Role", **_RULE_OPTIONS, remove="Remove this role's limits")
    @app_commands.autocomplete(models=suggestions.models)
    async def role(
        self,
        interaction: Interaction,
        role: discord.Role,
        models: Words | None = None,
        aspect_ratios: Words | None = None,
        max_megapixels: app_commands.Range[float, 0.01, 100.0] | None = None,
        max_images: app_commands.Range[int, 1, 4] | None = None,
        private: bool | None = None,
        credits: Credits | None = None,  # noqa: A002  the option's name
        refill_per_day: Credits | None = None,
        max_generating: Jobs | None = None,
        max_queued: Jobs | None = None,
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

    @app_commands.command(description="Choose the models everyone can use")
    @app_commands.describe(allow="Models separated by commas, or all", deny="Model that members can't use by default")
    @app_commands.autocomplete(allow=suggestions.models, deny=suggestions.open_model)
    async def models(
        self,
        interaction: Interaction,
        allow: Words | None = None,
        deny: app_commands.Range[str, 1, 100] | None = None,
    ) -> None:
        offered = [model.id for model in services_of(interaction).orders.models.offered]
        opened = None if allow is None else models(interaction, allow)
        closed = None if deny is None else services_of(interaction).orders.models.catalog.get(deny).id

        def patch(policy: Policy) -> Patch:
            before = opened if opened is not None else policy.everyone.models
            after = before if closed is None else [each for each in (offered if before == "all" else before) if each != closed]
            return {"everyone": {"models": after}}

        wanted = patch if opened is not None or closed is not None else None
        await change_and_answer(interaction, wanted, lambda policy: settings_texts.models(policy, _titles(interaction)))

    @app_commands.command(description="Choose where images can be created")
    @app_commands.describe(
        allow="Channel or category to allow",
        deny="Channel or category to block",
        reset="Channel or category to remove from both lists",
        reset_all="Clear both lists, so images can be created everywhere",
    )
    async def channels(
        self,
        interaction: Interaction,
        allow: AnyChannel | None = None,
        deny: AnyChannel | None = None,
        reset: AnyChannel | None = None,
        reset_all: bool = False,
    ) -> None:
        if allow is not None and deny is not None and allow.id == deny.id:
            raise InvalidRequest(_("A channel can't be both allowed and blocked."))

        def patch(policy: Policy) -> Patch:
            before = Policy().channels if reset_all else policy.channels
            allowed = [each for each in listed(before.allowed, add=allow, remove=reset) if deny is None or each != str(deny.id)]
            denied = [each for each in listed(before.denied, add=deny, remove=reset) if allow is None or each != str(allow.id)]
            return {"channels": {"allowed": allowed, "denied": denied}}

        wanted = patch if reset_all or any((allow, deny, reset)) else None
        await change_and_answer(interaction, wanted, settings_texts.channels)

    @app_commands.command(description="Set rules for new members, gifts, sponsors and the leaderboard")
    @app_commands.describe(
        wait_hours="Hours before new members can create images",
        gifts="Let members give each other credits",
        gift_emoji="Emoji that gives credits as a reaction",
        gift_credits="Credits it gives. 0 turns it off",
        sponsoring="Let members sponsor images for everyone in a channel",
        leaderboard="Show a leaderboard of the most active members",
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
        emoji = None if gift_emoji is None else await one_emoji(interaction, gift_emoji)
        by_reaction: Any = given(emoji=emoji, credits=gift_credits)
        gift_values = given(on=gifts) | ({"by_reaction": None if gift_credits == 0 else by_reaction} if by_reaction else {})
        patch = {
            **within("newcomers", given(wait_hours=wait_hours)),
            **within("gifts", gift_values),
            **within("sponsoring", given(on=sponsoring)),
            **given(leaderboard=leaderboard),
        }
        await change_and_answer(interaction, patch, settings_texts.members)

    @app_commands.command(name="age-restricted", description="Set what's allowed in age-restricted channels")
    @app_commands.describe(
        show_flagged="Show flagged images there without a spoiler", allow_unfiltered="Let members turn off a model's safety checker there"
    )
    async def age_restricted(
        self, interaction: Interaction, show_flagged: bool | None = None, allow_unfiltered: bool | None = None
    ) -> None:
        patch = within("age_restricted", given(unspoilered=show_flagged, unchecked=allow_unfiltered))
        await change_and_answer(interaction, patch, settings_texts.age_restricted)


def _rule(interaction: Interaction) -> Patch:
    """The options that /imageadmin everyone and role share, with the document's keys."""
    options = interaction.namespace
    values = given(
        models=None if options.models is None else models(interaction, options.models),
        aspect_ratios=None if options.aspect_ratios is None else aspect_ratios(options.aspect_ratios),
        max_megapixels=options.max_megapixels,
        max_count=options.max_images,
        private=options.private,
        running=options.max_generating,
        waiting=options.max_queued,
    )
    return {**values, **within("purse", bucket(options.credits, options.refill_per_day))}


def _titles(interaction: Interaction) -> settings_texts.Titles:
    return services_of(interaction).orders.models.title
