"""/gift and /leaderboard."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.errors import NotAllowed
from bot.core.i18n import _
from bot.domain.actor import Actor
from bot.domain.money import quota
from cogs.kit import answers, audience, panels
from cogs.kit.request import Interaction, as_actor, request_of, services_of
from cogs.money import money_texts

_LEADERBOARD_DAYS = 30


def receiver_of(interaction: Interaction, user: discord.User | discord.Member) -> Actor:
    """Who gets credits. Raises `NotAllowed` for somebody who is not on this server (any more): nobody could use them."""
    if interaction.guild_id is not None and not isinstance(user, discord.Member):
        raise NotAllowed(_("{member} isn't a member of this server, so they couldn't use the credits.").format(member=user.mention))
    return as_actor(user)


class MoneyCog(commands.Cog):
    """The commands /gift and /leaderboard."""

    @app_commands.command(description="Give another member some of your credits")
    @app_commands.describe(member="Member who gets them", credits="Number of credits")
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=True)  # where the receiver can read it
    async def gift(
        self,
        interaction: Interaction,
        member: discord.User | discord.Member,
        credits: app_commands.Range[float, 0.01, 1_000_000.0],  # noqa: A002  the option's name
    ) -> None:
        if member.bot:
            raise NotAllowed(_("You can't give credits to a bot."))
        request, receiver, amount = await request_of(interaction), receiver_of(interaction, member), quota.microcredits(credits)
        await services_of(interaction).money.gift(request, receiver, amount=amount, key=request.key)
        pings = discord.AllowedMentions(everyone=False, roles=False, users=[member])
        with audience.language_of(interaction, private=False):
            content = money_texts.gift(request.actor.user_id, member.id, amount)
        await answers.send(interaction, private=False, content=content, allowed_mentions=pings)

    @app_commands.command(description="See who created the most images here")
    @app_commands.describe(share="Show this to everyone in the channel")
    @app_commands.guild_only()
    @app_commands.allowed_installs(guilds=True, users=False)
    async def leaderboard(self, interaction: Interaction, share: bool = False) -> None:
        request = await request_of(interaction)
        found = await services_of(interaction).money.leaderboard(request, days=_LEADERBOARD_DAYS)
        with audience.language_of(interaction, private=not share):
            listed = money_texts.leaderboard(found, days=_LEADERBOARD_DAYS)
        await panels.show(interaction, listed, private=not share)
