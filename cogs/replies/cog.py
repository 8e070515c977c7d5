"""Messages that mention the bot. One that replies to an image, or brings one, asks for an edit of it in its own words."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import nullcontext
from typing import TYPE_CHECKING

import discord
import structlog
from discord.ext import commands

from bot.core import i18n, markdown
from bot.core.errors import DatabaseAway, EaselError
from bot.core.i18n import _
from bot.core.log import fault_id
from bot.core.running import machine, patience
from bot.core.running.idempotency import AlreadyDone, keyed
from bot.domain.gestures import Reaction
from bot.domain.request import message_key
from bot.services.services import Services
from cogs.kit.audience import guild_language
from cogs.kit.request import services_of
from cogs.reactions import notes
from cogs.replies import answering
from cogs.replies.answering import MentionContext

if TYPE_CHECKING:
    from bot.client.easel import Easel

log = structlog.get_logger(__name__)


class RepliesCog(commands.Cog):
    """Edits the image that a member replies to with a mention of the bot."""

    def __init__(self, client: Easel) -> None:
        self._client = client

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """What a person wrote with a mention of the bot; the client dispatches no other messages."""
        guild_id = message.guild.id if message.guild else None
        if not self._services.guilds.serves(guild_id):
            return
        key = Reaction.of_message(message_id=message.id, user_id=message.author.id)
        with keyed(message_key(message.id)), markdown.quoting(), await guild_language(self._client, guild_id):
            try:
                await self._handle(MentionContext(client=self._client, key=key, message=message))
            except AlreadyDone:
                log.info("message already answered", message=message.id)

    @commands.Cog.listener()
    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        await self._deleted({event.message_id})

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, event: discord.RawBulkMessageDeleteEvent) -> None:
        await self._deleted(event.message_ids)

    async def _deleted(self, message_ids: Collection[int]) -> None:
        """Cancel what they asked for, if nothing of it was sent."""
        try:
            with patience.limited(6 * patience.current_s()):  # as for removed reactions
                for key in await self._services.reactions.messages_deleted(message_ids):
                    await notes.remove_note(self._client, key)
        except DatabaseAway:
            log.warning("deleted messages ignored while the database is away")

    async def _handle(self, asked: MentionContext) -> None:
        """Errors become a sentence for the author; an unexpected one is logged with a fault id."""
        try:
            with machine.trouble_raised():
                preferences = await self._services.members.preferences(asked.key.user_id)
                with nullcontext() if asked.message.guild else i18n.speaking(preferences.locale):
                    await answering.answer(asked, preferences)
        except AlreadyDone:
            raise
        except EaselError as error:
            await answering.refuse(asked, error.sentence)
        except notes.FAILED as error:
            log.warning("message not answered", error=type(error).__name__)
            await answering.refuse(asked, _("Discord refused this or didn't answer. Send your message again in a moment."))
        except Exception:
            fault = fault_id()
            log.exception("unhandled error", fault=fault)
            sentence = _("Something went wrong. If it keeps happening, send the bot's operator this code: `{fault}`.")
            await answering.refuse(asked, sentence.format(fault=fault))

    @property
    def _services(self) -> Services:
        return services_of(self._client)
