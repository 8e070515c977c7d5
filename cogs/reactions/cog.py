"""Reactions as shortcuts for buttons and menus. All state is read for each reaction, so they also work on old messages."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING

import discord
import structlog
from discord.ext import commands

from bot.core import i18n
from bot.core.errors import DatabaseAway, EaselError, NotAllowed, NotKnownYet, OutOfCredit, TooManyWaiting
from bot.core.i18n import _
from bot.core.log import fault_id
from bot.core.running import machine, patience
from bot.domain.gestures import (
    MEANINGS,
    BatchEntry,
    Claim,
    EmojiMeaning,
    Fate,
    Gesture,
    Reaction,
    ReactionOutcome,
    meaning_of,
    normalized_emoji,
)
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

_TOLD_S = 60.0
_ON_ANY_IMAGE = (Gesture.DESCRIBE, Gesture.PRESET)  # these work on images of others too


class ReactionsCog(commands.Cog):
    """Listens to all reactions and acts on those that have a meaning in the guild."""

    def __init__(self, client: Easel) -> None:
        self._client = client
        self._told = dict[int, float]()  # members who were told of an outage, and when

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
            await self._tell_at_once(event, error.sentence)

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
                    await self._services.flagging.cleared(message_id)
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
            await self._services.flagging.take_back(event.message_id, event.user_id)
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
        entry = _entry(event)
        if await self._services.reactions.claim(reaction, meaning.gesture, entry=entry) is not Claim.NEW:
            return
        requesting = request_of_reaction(self._client, event, settings=settings, preferences=preferences)
        outcome = await self._run(target, requesting, reaction, entry, meaning)
        await self._services.reactions.ended(reaction, outcome)

    async def _tell_at_once(self, event: discord.RawReactionActionEvent, sentence: str) -> None:
        """Of an outage, in which nothing can be written: at most once a minute."""
        now = time.monotonic()
        self._told = {user_id: at for user_id, at in self._told.items() if now - at < _TOLD_S}
        if event.user_id not in self._told:
            self._told[event.user_id] = now
            await notes.send_direct_message(self._client, event.user_id, f"🚫 {sentence}", about=self._message(event))

    async def _explain_menu(self, reaction: Reaction, target: discord.PartialMessage) -> None:
        try:
            if await self._services.reactions.may_send_hint(reaction.user_id):
                with await guild_language(self._client, target.guild.id if target.guild else None):
                    await notes.explain_menu(self._client, reaction, target)
        except notes.FAILED as error:  # the database may be away too
            log.info("menu note failed", error=type(error).__name__)

    async def _run(
        self, target: discord.PartialMessage, requesting: Awaitable[Request], reaction: Reaction, entry: BatchEntry, meaning: EmojiMeaning
    ) -> ReactionOutcome | None:
        """Act on a reaction. Errors become a sentence for the member; an unexpected one is logged with a fault id."""
        try:
            with machine.trouble_raised():
                context = await self._context(target, requesting, reaction, entry, meaning)
                return None if context is None else await gestures.act(context)
        except EaselError as error:
            kind = type(error).__name__ if isinstance(error, OutOfCredit | TooManyWaiting) else ""
            return ReactionOutcome(fate=Fate.REFUSED, sentence=error.sentence, is_private=isinstance(error, NotAllowed), kind=kind)
        except discord.NotFound:
            log.info("message of a reaction not found", message=target.id)
        except notes.FAILED as error:
            log.warning("reaction failed", gesture=meaning.gesture, error=type(error).__name__)
            return _refused(_("Discord refused this or didn't answer. Remove your reaction and add it again in a moment."))
        except Exception:
            fault = fault_id()
            log.exception("unhandled error", fault=fault, gesture=meaning.gesture)
            sentence = _("Something went wrong. If it keeps happening, send the bot's operator this code: `{fault}`.")
            return _refused(sentence.format(fault=fault))
        return None

    async def _context(
        self, target: discord.PartialMessage, requesting: Awaitable[Request], reaction: Reaction, entry: BatchEntry, meaning: EmojiMeaning
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
            client=self._client, request=request, reaction=reaction, entry=entry, meaning=meaning, message=message, found=found, job=job
        )

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


def _refused(sentence: str) -> ReactionOutcome:
    return ReactionOutcome(fate=Fate.REFUSED, sentence=sentence)


def _entry(event: discord.RawReactionActionEvent) -> BatchEntry:
    given = _reaction(event)
    return BatchEntry(
        message_id=given.message_id,
        channel_id=event.channel_id,
        guild_id=event.guild_id,
        emoji=given.emoji,
        super=given.burst,
        shown=str(event.emoji),
    )


def _reaction(event: discord.RawReactionActionEvent) -> Reaction:
    is_burst = event.type is discord.ReactionType.burst
    return Reaction(message_id=event.message_id, user_id=event.user_id, emoji=normalized_emoji(str(event.emoji)), burst=is_burst)
