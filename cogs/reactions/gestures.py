"""What each gesture does with the message that was reacted to. Each returns the mark that it leaves there, and raises a `Refusal`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import discord

from bot.core.errors import NotAllowed, NotFound
from bot.core.i18n import _
from bot.domain import permissions
from bot.domain.actor import Actor
from bot.domain.gestures import CAME, WAITS, EmojiMeaning, Gesture, Reaction
from bot.domain.job import Job, JobState
from bot.domain.moderation.cases import Report
from bot.domain.order import Attachment
from bot.domain.permissions import Action, Target
from bot.domain.request import Request
from cogs.kit import file_texts, message_images, spoilers, texts
from cogs.kit.request import services_of
from cogs.reactions import notes

if TYPE_CHECKING:
    from bot.client import Easel

_NO_MENTIONS = discord.AllowedMentions.none()
_DIRECT_LIMIT = discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES


@dataclass(frozen=True, kw_only=True)
class ReactionContext:
    """A reaction that is to be acted on, and what it was given to."""

    client: Easel
    request: Request
    reaction: Reaction
    meaning: EmojiMeaning
    message: discord.Message
    found: message_images.FoundImages
    job: Job | None  # whose images these are, or will be

    @property
    def user_id(self) -> int:
        return self.request.actor.user_id

    @property
    def here(self) -> discord.PartialMessage:
        place = self.request.reply_to
        channel = self.client.get_partial_messageable(place.channel_id, guild_id=place.guild_id)
        return channel.get_partial_message(self.message.id)

    def known_job(self) -> Job:
        """Raise `NotFound` where it is not, or no longer, known."""
        if self.job is None:
            raise NotFound(_("That picture is not known here any more."))
        return self.job

    def first_image(self) -> Attachment:
        """Raise `NotFound`."""
        if not self.found.images:
            raise NotFound(_("There is no picture in this message to edit."))
        return self.found.images[0]


async def act(reacted: ReactionContext) -> str | None:
    """Do what the reaction asks for."""
    return await _ACTS[reacted.meaning.gesture](reacted)


# --- what makes or sends something -----------------------------------------------------------------------------------


async def _describe(reacted: ReactionContext) -> None:
    reacted.first_image()
    await services_of(reacted.client).members.check_consent(reacted.request, reacted.found.owner_id)
    try:
        await notes.ask_to_describe(reacted.client, reacted.reaction, reacted.here)
    except discord.Forbidden:
        raise NotAllowed(_("I may not write there. Use the message's menu instead: Apps, Edit with Easel.")) from None


async def _preset(reacted: ReactionContext) -> str:
    preset = reacted.meaning.preset
    if preset is None:
        raise NotFound(_("That preset is gone."))
    image = reacted.first_image()
    await services_of(reacted.client).reactions.run_preset(reacted.request, reacted.reaction, preset, image, spoiler=reacted.found.spoiler)
    return WAITS


async def _again(reacted: ReactionContext) -> str:
    await services_of(reacted.client).reactions.again(reacted.request, reacted.reaction, reacted.known_job())
    return WAITS


async def _original(reacted: ReactionContext) -> str:
    """The full files, with what they were made from."""
    job, client = reacted.known_job(), reacted.client
    permissions.check(reacted.request, Action.ORIGINAL, permissions.image_of(job))
    text = file_texts.original(job, services_of(client).orders.models.title, reacted.message.jump_url)
    async with services_of(client).results.open(job, limit_bytes=_DIRECT_LIMIT) as images:
        files = [discord.File(p.path, filename=p.filename, description=texts.alt(p.alt)) for p in images]
        try:
            channel = await client.create_dm(discord.Object(reacted.user_id))
            await channel.send(text, files=files, allowed_mentions=_NO_MENTIONS)
        except discord.Forbidden:
            raise NotAllowed(_("Your direct messages are closed to me.")) from None
        finally:
            for file in files:
                file.close()
    return CAME


# --- what judges what is there ---------------------------------------------------------------------------------------


async def _away(reacted: ReactionContext) -> None:
    """Cancel it while it is open, take it away afterwards. What happens to the message says it all."""
    job, services, message = reacted.job, services_of(reacted.client), reacted.message
    own = job if job is not None and job.place.message_id == message.id else None  # the job whose own message it is
    if own is not None and own.state is JobState.OPEN:
        await services.orders.cancel(reacted.request, own.id)
    elif own is not None and own.state is JobState.DELIVERABLE and reacted.found.job is None:  # the message still says that it waits
        permissions.check(reacted.request, Action.DELETE, await services.orders.image(reacted.request, own))
        raise NotFound(_("This picture is just arriving. React once more when it is there."))
    else:
        await services.cases.delete_message(reacted.request, job, message.id, private=False, remove=partial(_remove, message))


async def _remove(message: discord.Message) -> None:
    """It may be gone already, by the outbox."""
    with suppress(discord.NotFound):
        await message.delete()


async def _hide(reacted: ReactionContext) -> str:
    """Behind a spoiler."""
    message, hide = reacted.message, partial(spoilers.set_hidden, reacted.message, True)
    await services_of(reacted.client).cases.hide_message(reacted.request, reacted.known_job(), message.id, hide=hide)
    return CAME


async def _report(reacted: ReactionContext) -> str:
    """Tell the moderators, once for each member and message; the reaction is all that is said."""
    reaction, place, found = reacted.reaction, reacted.request.reply_to, reacted.found
    permissions.check(reacted.request, Action.FLAG, Target(guild_id=place.guild_id, owner_id=found.owner_id))
    if not found.images:
        raise NotFound(_("This message has no picture to report."))
    report = Report(
        at=0,  # the service's clock says when
        guild_id=place.guild_id,
        channel_id=place.channel_id,
        message_id=reaction.message_id,
        user_id=reaction.user_id,
        job_id=found.job.id if found.job else None,
        author_id=found.owner_id,
    )
    flagged = await services_of(reacted.client).cases.flag(reacted.request, report)
    if flagged.is_new and flagged.why_not is not None:
        await notes.whisper(reacted.client, reaction.user_id, flagged.why_not, about=reacted.here)
    return CAME


async def _star(reacted: ReactionContext) -> str | None:
    """The reaction's own record is the star. Nobody lifts their own image into the gallery."""
    if not reacted.found.images or permissions.is_owner(reacted.request, Target(owner_id=reacted.found.owner_id)):
        await services_of(reacted.client).reactions.taken_back(reacted.reaction)
        return None
    if reacted.job is not None:
        await services_of(reacted.client).gallery.starred(reacted.request, reacted.job, reacted.message.id)
    return CAME


async def _gift(reacted: ReactionContext) -> str | None:
    """Credits for whoever made the image. With roles of their own they may have an account of their own here, so these are asked for."""
    job, guild = reacted.known_job(), reacted.client.get_guild(reacted.request.guild_id or 0)
    if guild is None:
        return None
    try:
        maker = await guild.fetch_member(job.place.user_id)
    except discord.NotFound:
        raise NotFound(_("Whoever made this picture is no longer a member here.")) from None
    receiver = Actor(user_id=maker.id, role_ids=frozenset(role.id for role in maker.roles))
    reaction = await services_of(reacted.client).money.gift_by_reaction(reacted.request, receiver, message_id=reacted.message.id)
    return None if reaction is None else CAME


_ACTS: Mapping[Gesture, Callable[[ReactionContext], Awaitable[str | None]]] = {
    Gesture.DESCRIBE: _describe,
    Gesture.PRESET: _preset,
    Gesture.AGAIN: _again,
    Gesture.ORIGINAL: _original,
    Gesture.AWAY: _away,
    Gesture.HIDE: _hide,
    Gesture.REPORT: _report,
    Gesture.STAR: _star,
    Gesture.GIFT: _gift,
}
TAKES_TIME: Sequence[Gesture] = (Gesture.PRESET, Gesture.AGAIN, Gesture.ORIGINAL, Gesture.HIDE)  # ⏳ stands meanwhile
