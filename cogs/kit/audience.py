"""The language of a message is that of its readers: the server's in public, the member's own where only they read it.

Handlers of interactions run in the member's language, and background work on a job in that of the job's message
(`ReplyTarget.locale`); these contexts are for the other messages.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from bot.core import i18n
from bot.domain.job import Job
from bot.domain.request import audience_locale
from cogs.kit.request import Interaction, guild_locale_of, services_of

if TYPE_CHECKING:
    from bot.client.easel import Easel


def language_of(interaction: Interaction, *, private: bool) -> AbstractContextManager[None]:
    """For an answer to an interaction."""
    return i18n.speaking(audience_locale(str(interaction.locale), guild_locale_of(interaction), private=private))


def language_of_panel(interaction: Interaction) -> AbstractContextManager[None]:
    """For a change of the message whose control was used."""
    return language_of(interaction, private=interaction.message is not None and interaction.message.flags.ephemeral)


async def guild_language(client: Easel, guild_id: int | None) -> AbstractContextManager[None]:
    """For posts to a guild's channels. Outside guilds the language stays as it is. Raises as discord.py does."""
    if guild_id is None:
        return nullcontext()
    guild = await client.found_guild(guild_id)
    return i18n.speaking(str(guild.preferred_locale) if guild else None)


async def direct_language(client: Easel, job: Job) -> AbstractContextManager[None]:
    """For a DM to the member of a job, whose own message may be public."""
    place = job.place
    if place.private or place.guild_id is None:
        return i18n.speaking(place.locale)
    return i18n.speaking((await services_of(client).members.preferences(place.user_id)).locale)
