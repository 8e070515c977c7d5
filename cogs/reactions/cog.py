"""Reactions as shortcuts for buttons and menus. All state is read for each reaction, so they also work on old messages."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import discord
import structlog
from discord.ext import commands

from bot.core import i18n
from bot.core.errors import DatabaseAway, EaselError, NotAllowed, NotKnownYet
from bot.core.i18n import _
from bot.core.log import fault_id
from bot.core.running import machine, patience
from bot.domain.gestures import MARK_FAILED, MARK_WAITING, MEANINGS, Claim, EmojiMeaning, Gesture, Reaction, meaning_of, normalized_emoji
from bot.domain.guild.settings import GuildSettings
from bot.domain.job import SHOWING
from bot.domain.preferences import Preferences
from bot.domain.request import Request
from bot.services.services import Services
from bot.store import messages
from cogs.kit import message_images
from cogs.kit.audience import guild_language
from cogs.kit.request import fetch_member, request_of_reaction, services_of
from cogs.reactions import gestures, missed, notes
from cogs.reactions.gestures import ReactionContext

if TYPE_CHECKING:
    from bot.client.easel import Easel

log = structlog.get_logger(__name__)

_ON_ANY_IMAGE = (Gesture.DESCRIBE, Gesture.PRESET)  # these work on images of others too


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A reaction that failed, with the sentence for its member."""

    sentence: str


class ReactionsCog(commands.Cog):
    """Listens to all reactions and acts on those that have a meaning in the guild."""

    def __init__(self, client: Easel) -> None:
        self._client = client

    @commands.Cog.listener()
    async def on_shard_ready(self, shard_id: int) -> None:
        """After a start, and after a lost session."""
        try:
            await missed.find(self._client, shard_id)
        except DatabaseAway:
            log.warning("missed reactions not read while the database is away")

    @commands.Cog.listener()
    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        if event.user_id == self._own_id or (event.member is not None and event.member.bot):
            return
        if not self._services.guilds.serves(event.guild_id):
            return
        try:
            settings = await self._services.guilds.settings(event.guild_id)
        except DatabaseAway:  # so it is not known whether it means anything here
            log.info("reaction ignored while the database is away")
            return
        meaning = meaning_of(str(event.emoji), settings)
        if meaning is None or not self._applies(event, meaning):
            return
        try:
            if event.guild_id is not None and event.member is None:
                event.member = await fetch_member(self._client, event.guild_id, event.user_id)
                if event.member is not None and event.member.bot:
                    return
            chosen = await self._services.members.preferences(event.user_id)
            with i18n.speaking(chosen.locale):
                await self._handle(event, meaning, settings, chosen)
        except (DatabaseAway, NotKnownYet) as error:
            await self._tell(event, Failed(sentence=error.sentence))

    @commands.Cog.listener()
    async def on_raw_reaction_remove(self, event: discord.RawReactionActionEvent) -> None:
        """Cancel what has not started, withdraw a flag, delete a note that waits for its member."""
        if event.user_id == self._own_id:
            return
        try:
            with patience.limited(6 * patience.current_s()):  # it cannot be answered, and what it cancels costs credits
                await self._take_back(event)
        except DatabaseAway:
            log.warning("removed reaction ignored while the database is away")

    @commands.Cog.listener()
    async def on_raw_reaction_clear(self, event: discord.RawReactionClearEvent) -> None:
        await self._clear(event.message_id, None)

    @commands.Cog.listener()
    async def on_raw_reaction_clear_emoji(self, event: discord.RawReactionClearEmojiEvent) -> None:
        await self._clear(event.message_id, normalized_emoji(str(event.emoji)))

    async def _clear(self, message_id: int, emoji: str | None) -> None:
        """A moderator removed everyone's reactions: no flag or star of them counts, and what was ordered stays ordered."""
        try:
            with patience.limited(6 * patience.current_s()):
                cleared = await self._services.reactions.cleared(message_id, emoji)
                if emoji is None or MEANINGS.get(emoji) is Gesture.REPORT:
                    await self._services.cases.flags_cleared(message_id)
                for reaction in cleared:
                    if MEANINGS.get(reaction.emoji) is Gesture.DESCRIBE:
                        await notes.remove_note(self._client, reaction)
        except DatabaseAway:
            log.warning("cleared reactions ignored while the database is away")

    async def _take_back(self, event: discord.RawReactionActionEvent) -> None:
        settings = await self._services.guilds.settings(event.guild_id)
        meaning = meaning_of(str(event.emoji), settings)
        if meaning is None:
            return
        await self._services.reactions.taken_back(_reaction(event))
        if meaning.gesture is Gesture.REPORT:
            await self._services.cases.take_back(event.message_id, event.user_id)
        if meaning.gesture is Gesture.DESCRIBE and not await self._services.reactions.remains(_reaction(event)):
            await notes.remove_note(self._client, _reaction(event))

    def _applies(self, event: discord.RawReactionActionEvent, meaning: EmojiMeaning) -> bool:
        """Whether the reaction is for the bot. On messages of others only edits are; other reactions are for their authors."""
        if self._may_be_own(event):
            return True
        if self._may_read_others(event.guild_id):
            return meaning.gesture in _ON_ANY_IMAGE
        return meaning.gesture is Gesture.DESCRIBE

    async def _handle(
        self, event: discord.RawReactionActionEvent, meaning: EmojiMeaning, settings: GuildSettings, preferences: Preferences
    ) -> None:
        reaction, target = _reaction(event), self._message(event)
        if not self._may_be_own(event) and not self._may_read_others(event.guild_id):
            await self._explain_menu(reaction, target)
            return
        claim = await self._services.reactions.claim(reaction, meaning.gesture, channel_id=event.channel_id)
        if claim is Claim.TOO_MANY:
            await notes.mark(self._client, target, MARK_FAILED)
        if claim is not Claim.NEW:
            return
        requesting = request_of_reaction(self._client, event, settings=settings, preferences=preferences)
        failed = await self._run(target, requesting, reaction, meaning)
        if failed is not None:
            await self._tell(event, failed)
        if meaning.gesture.takes_time:
            await self._services.reactions.acted(reaction)

    async def _tell(self, event: discord.RawReactionActionEvent, failed: Failed) -> None:
        target = self._message(event)
        await notes.mark(self._client, target, MARK_FAILED, instead_of=[MARK_WAITING])
        await notes.send_direct_message(self._client, event.user_id, f"{MARK_FAILED} {failed.sentence}", about=target)

    async def _explain_menu(self, reaction: Reaction, target: discord.PartialMessage) -> None:
        try:
            if await self._services.reactions.may_send_hint(reaction.user_id):
                with guild_language(self._client, target.guild.id if target.guild else None):
                    await notes.explain_menu(self._client, reaction, target)
        except notes.FAILED as error:  # the database may be away too
            log.info("menu note failed", error=type(error).__name__)

    async def _run(
        self, target: discord.PartialMessage, requesting: Awaitable[Request], reaction: Reaction, meaning: EmojiMeaning
    ) -> Failed | None:
        """Act on a reaction. Errors become a sentence for the member; an unexpected one is logged with a fault id."""
        try:
            with machine.trouble_raised():
                context = await self._context(target, requesting, reaction, meaning)
                if context is not None:
                    await self._act(target, context)
        except EaselError as error:
            return Failed(sentence=error.sentence)
        except discord.NotFound:
            log.info("message of a reaction not found", message=target.id)
        except notes.FAILED as error:
            log.warning("reaction failed", gesture=meaning.gesture, error=type(error).__name__)
            return Failed(sentence=_("Discord refused this or didn't answer. Remove your reaction and add it again in a moment."))
        except Exception:
            fault = fault_id()
            log.exception("unhandled error", fault=fault, gesture=meaning.gesture)
            return Failed(
                sentence=_("Something went wrong. If it keeps happening, send the bot's operator this code: `{fault}`.").format(fault=fault)
            )
        return None

    async def _context(
        self, target: discord.PartialMessage, requesting: Awaitable[Request], reaction: Reaction, meaning: EmojiMeaning
    ) -> ReactionContext | None:
        """The current message with its images. None if it has no images or the gesture does not apply."""
        try:
            request = await requesting
            message = await target.fetch()
        except discord.Forbidden:
            raise NotAllowed(
                _("Reactions don't work in that channel, because Easel needs the Read Message History permission there.")
            ) from None
        if message.author.id != self._own_id and meaning.gesture not in _ON_ANY_IMAGE:
            return None
        found = await message_images.find(self._client, message)
        job = found.job or await self._services.reader.read(messages.job_of, message.id, roles=SHOWING)
        if job is None and not found.has_answer:
            return None
        if job is not None and job.place.private:
            request = request.answered(private=True)
        return ReactionContext(
            client=self._client, request=request, reaction=reaction, meaning=meaning, message=message, found=found, job=job
        )

    async def _act(self, target: discord.PartialMessage, context: ReactionContext) -> None:
        """Show ⏳ while it takes time, then one final mark."""
        marks = notes.marks_on(context.message)
        if context.meaning.gesture.takes_time:
            await notes.mark(self._client, target, MARK_WAITING, instead_of=marks)
            marks = {MARK_WAITING}
        final = await gestures.act(context)
        if final is not None and final != MARK_WAITING:
            await notes.mark(self._client, target, final, instead_of=marks)

    @property
    def _services(self) -> Services:
        return services_of(self._client)

    # --- the event ---------------------------------------------------------------------------------------------------

    @property
    def _own_id(self) -> int:
        return self._client.user.id if self._client.user else 0

    def _may_be_own(self, event: discord.RawReactionActionEvent) -> bool:
        """Whether the message may be the bot's. Discord may leave the author out; then the message decides."""
        return event.message_author_id in (self._own_id, None)

    def _may_read_others(self, guild_id: int | None) -> bool:
        """Direct messages are always readable; in guilds the bot needs the message-content intent."""
        return guild_id is None or self._client.intents.message_content

    def _message(self, event: discord.RawReactionActionEvent) -> discord.PartialMessage:
        channel = self._client.get_partial_messageable(event.channel_id, guild_id=event.guild_id)
        return channel.get_partial_message(event.message_id)


def _reaction(event: discord.RawReactionActionEvent) -> Reaction:
    is_burst = event.type is discord.ReactionType.burst
    return Reaction(message_id=event.message_id, user_id=event.user_id, emoji=normalized_emoji(str(event.emoji)), burst=is_burst)
