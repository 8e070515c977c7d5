"""Reactions: a shortcut layer over what buttons and menus do. Everything is read anew, so old messages and restarts make no difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import discord
import structlog
from discord.ext import commands

from bot.core import i18n
from bot.core.errors import EaselError, NotAllowed
from bot.core.i18n import _
from bot.core.log import fault_id
from bot.domain.gestures import NONE_CAME, WAITS, Claim, EmojiMeaning, Gesture, Reaction, meaning_of, plain
from bot.domain.guild.settings import GuildSettings
from bot.domain.job import SHOWING
from bot.domain.preferences import Preferences
from bot.domain.request import Request
from bot.services.services import Services
from bot.store import messages
from cogs.kit import message_images
from cogs.kit.request import request_of_reaction, services_of
from cogs.reactions import gestures, notes
from cogs.reactions.gestures import ReactionContext

if TYPE_CHECKING:
    from bot.client import Easel

log = structlog.get_logger(__name__)

_FOR_ALL = (Gesture.DESCRIBE, Gesture.PRESET)  # what works on other people's images, too


@dataclass(frozen=True, kw_only=True)
class Failed:
    """What came of a reaction that could not be done, and the sentence about it."""

    sentence: str


class ReactionsCog(commands.Cog):
    """Takes every reaction there is, and acts on those that have a meaning here."""

    def __init__(self, client: Easel) -> None:
        self._client = client

    @commands.Cog.listener()
    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        if event.user_id == self._own_id or (event.member is not None and event.member.bot):
            return
        settings, chosen = await self._services.guilds.settings_and_preferences(event.guild_id, event.user_id)
        meaning = meaning_of(str(event.emoji), settings)
        if meaning is None or not self._is_ours_to_hear(event, meaning):
            return
        with i18n.speaking(chosen.locale):
            await self._take(event, meaning, settings, chosen)

    @commands.Cog.listener()
    async def on_raw_reaction_remove(self, event: discord.RawReactionActionEvent) -> None:
        """What was asked for and not begun yet is cancelled; a flag no longer counts; a note that waits for its member goes."""
        if event.user_id == self._own_id:
            return
        settings = await self._services.guilds.settings(event.guild_id)
        meaning = meaning_of(str(event.emoji), settings)
        if meaning is None:
            return
        await self._services.reactions.taken_back(_given(event))
        if meaning.gesture is Gesture.REPORT:
            await self._services.cases.take_back(event.message_id, event.user_id)
        if meaning.gesture is Gesture.DESCRIBE:
            await notes.remove_note(self._client, _given(event))

    def _is_ours_to_hear(self, event: discord.RawReactionActionEvent, meaning: EmojiMeaning) -> bool:
        """On other people's messages only edits are asked for, and all else is meant for them."""
        if self._may_be_own(event):
            return True
        if self._may_read_others(event.guild_id):
            return meaning.gesture in _FOR_ALL
        return meaning.gesture is Gesture.DESCRIBE

    async def _take(
        self, event: discord.RawReactionActionEvent, meaning: EmojiMeaning, settings: GuildSettings, preferences: Preferences
    ) -> None:
        reaction, here = _given(event), self._message(event)
        if not self._may_be_own(event) and not self._may_read_others(event.guild_id):
            await self._point(reaction, here)
            return
        claim = await self._services.reactions.claim(reaction, meaning.gesture)
        if claim is Claim.TOO_MANY:
            await notes.mark(self._client, here, NONE_CAME)
        if claim is not Claim.NEW:
            return
        request = await request_of_reaction(self._client, event, settings=settings, preferences=preferences)
        failed = await self._try(here, request, reaction, meaning)
        if failed is not None:
            await notes.mark(self._client, here, NONE_CAME, instead_of=[WAITS])
            await notes.whisper(self._client, event.user_id, f"{NONE_CAME} {failed.sentence}", about=here)

    async def _point(self, reaction: Reaction, here: discord.PartialMessage) -> None:
        if await self._services.reactions.may_send_hint(reaction.user_id):
            try:
                await notes.point_to_the_menu(self._client, reaction, here)
            except notes.FAILED as error:
                log.info("could not point to the menu", error=type(error).__name__)

    async def _try(self, here: discord.PartialMessage, request: Request, reaction: Reaction, meaning: EmojiMeaning) -> Failed | None:
        """The one place where errors of reactions end: a sentence for the member, the rest for the log."""
        try:
            reacted = await self._look_at(here, request, reaction, meaning)
            if reacted is not None:
                await self._act(here, reacted)
        except EaselError as error:
            return Failed(sentence=error.sentence)
        except discord.NotFound:
            log.info("a message was gone before its reaction", message=here.id)
        except notes.FAILED as error:
            log.warning("a reaction met no answer", gesture=meaning.gesture, error=type(error).__name__)
            return Failed(sentence=_("Discord did not allow it, or did not answer. Take your reaction back and give it again in a moment."))
        except Exception:
            fault = fault_id()
            log.exception("a reaction failed", fault=fault, gesture=meaning.gesture)
            return Failed(sentence=_("Something went wrong here. If it stays, tell the operator: fault `{fault}`.").format(fault=fault))
        return None

    async def _look_at(
        self, here: discord.PartialMessage, request: Request, reaction: Reaction, meaning: EmojiMeaning
    ) -> ReactionContext | None:
        """The message as it is now. None where the reaction is not meant for us: no image of ours, nor of anybody's."""
        try:
            message = await here.fetch()
        except discord.Forbidden:
            raise NotAllowed(_("I may not read that channel's earlier messages, so reactions do not work there.")) from None
        if message.author.id != self._own_id and meaning.gesture not in _FOR_ALL:
            return None
        found = await message_images.find(self._client, message)
        job = found.job or await self._services.reader.read(messages.job_of, message.id, roles=SHOWING)
        if job is None and not found.images:
            return None
        if job is not None and job.place.private:
            request = request.answered(private=True)
        return ReactionContext(
            client=self._client, request=request, reaction=reaction, meaning=meaning, message=message, found=found, job=job
        )

    async def _act(self, here: discord.PartialMessage, reacted: ReactionContext) -> None:
        """With ⏳ meanwhile where it takes time, and one mark of ours in the end."""
        marks = notes.marks_on(reacted.message)
        if reacted.meaning.gesture in gestures.TAKES_TIME:
            await notes.mark(self._client, here, WAITS, instead_of=marks)
            marks = {WAITS}
        left = await gestures.act(reacted)
        if left is not None and left != WAITS:
            await notes.mark(self._client, here, left, instead_of=marks)

    @property
    def _services(self) -> Services:
        return services_of(self._client)

    # --- what Discord tells with the reaction ------------------------------------------------------------------------

    @property
    def _own_id(self) -> int:
        return self._client.user.id if self._client.user else 0

    def _may_be_own(self, event: discord.RawReactionActionEvent) -> bool:
        """Whether it was given to a message of the bot's own. Discord does not promise to say whose it is: then the message tells."""
        return event.message_author_id in (self._own_id, None)

    def _may_read_others(self, guild_id: int | None) -> bool:
        """In direct messages Discord shows everything; in servers it needs the message-content intent."""
        return guild_id is None or self._client.intents.message_content

    def _message(self, event: discord.RawReactionActionEvent) -> discord.PartialMessage:
        channel = self._client.get_partial_messageable(event.channel_id, guild_id=event.guild_id)
        return channel.get_partial_message(event.message_id)


def _given(event: discord.RawReactionActionEvent) -> Reaction:
    return Reaction(message_id=event.message_id, user_id=event.user_id, emoji=plain(str(event.emoji)))
