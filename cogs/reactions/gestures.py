"""The action of each gesture. Each returns its outcome, None if it meant nothing, and may raise a `Refusal`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import discord

from bot.core import i18n
from bot.core.errors import NotAllowed, NotFound
from bot.core.i18n import _
from bot.domain import permissions
from bot.domain.gestures import STARS, TAKEN, BatchEntry, EmojiMeaning, Fate, Gesture, Reaction, ReactionOutcome, normalized_emoji
from bot.domain.job import Job, JobState
from bot.domain.moderation.cases import HiddenBy, Report
from bot.domain.order import Attachment
from bot.domain.permissions import Action, Target
from bot.domain.request import Request
from bot.domain.retention import image_gone
from bot.domain.visibility import Origin
from bot.store import messages
from cogs.kit import message_images, spoilers, texts
from cogs.kit.audience import guild_language
from cogs.kit.channels import fetch_channel, origin_of
from cogs.kit.request import as_actor, fetch_member, services_of
from cogs.reactions import notes, originals
from cogs.reactions.reading import who_reacted

if TYPE_CHECKING:
    from bot.client.easel import Easel


@dataclass(frozen=True, kw_only=True)
class ReactionContext:
    """A reaction to act on, and its message."""

    client: Easel
    request: Request
    reaction: Reaction
    entry: BatchEntry
    meaning: EmojiMeaning
    message: discord.Message
    found: message_images.FoundImages
    job: Job | None  # the job that made or will make the images

    @property
    def user_id(self) -> int:
        return self.request.actor.user_id

    @property
    def partial_message(self) -> discord.PartialMessage:
        place = self.request.reply_to
        channel = self.client.get_partial_messageable(place.channel_id, guild_id=place.guild_id)
        return channel.get_partial_message(self.message.id)

    def known_job(self) -> Job:
        """Raises `NotFound` if the job is unknown or was erased."""
        if self.job is None:
            raise image_gone()
        return self.job

    async def origin(self) -> Origin:
        """Where the job's image is shown, which need not be here: moderators' posts have images too. Raises like `known_job`."""
        job = self.known_job()
        copies = await services_of(self.client).reader.read(messages.of_job, job.id)
        return await origin_of(self.client, job, copies)

    def first_image(self) -> Attachment:
        """Raises `NotFound` if the message has none, or nobody knows whose it is."""
        self.found.check_any()
        self.found.check_known()
        return self.found.images[0]


async def act(context: ReactionContext) -> ReactionOutcome | None:
    """Run the gesture."""
    return await _ACTS[context.meaning.gesture](context)


# --- gestures that make or send something ----------------------------------------------------------------------------


async def _describe(context: ReactionContext) -> ReactionOutcome:
    context.first_image()
    await services_of(context.client).members.check_consent(context.request, context.found.owner_id)
    try:
        with await guild_language(context.client, context.request.guild_id):
            await notes.ask_to_describe(context.client, context.reaction, context.partial_message)
    except discord.Forbidden:
        raise NotAllowed(_("Easel can't post there. Right-click (or hold) the message > Apps > Edit with Easel instead.")) from None
    return TAKEN


async def _preset(context: ReactionContext) -> ReactionOutcome:
    preset = context.meaning.preset
    if preset is None:
        raise NotFound(_("That preset was removed."))
    image, spoiler = context.first_image(), context.found.spoiler
    receipt = await services_of(context.client).reactions.run_preset(context.request, context.reaction, preset, image, spoiler=spoiler)
    return ReactionOutcome(fate=Fate.TAKEN, sentence=texts.first_frame_only()) if receipt.is_motion_lost else TAKEN


async def _again(context: ReactionContext) -> ReactionOutcome:
    origin = await context.origin()
    await services_of(context.client).reactions.again(context.request, context.reaction, context.known_job(), origin)
    return TAKEN


async def _original(context: ReactionContext) -> ReactionOutcome:
    """Send the original files with their prompt and model by direct message."""
    job, link = context.known_job(), context.message.jump_url
    await originals.send(context.client, context.request, job, origin=await context.origin(), link=link)
    return TAKEN


# --- gestures about existing images ----------------------------------------------------------------------------------


async def _remove_image(context: ReactionContext) -> ReactionOutcome:
    """Cancel the job while it is open, else delete the message."""
    job, services, message = context.job, services_of(context.client), context.message
    own = job if job is not None and job.place.message_id == message.id else None  # the job, if this is its own message and not a copy
    if own is not None and own.state is JobState.OPEN:
        await services.orders.cancel(context.request, own.id)
    elif own is not None and own.state is JobState.DELIVERABLE and context.found.job is None:  # still shown as waiting
        permissions.check(context.request, Action.DELETE, await services.orders.image(context.request, own))
        raise NotFound(_("This image is just arriving. React again once it's here."))
    else:
        owner_id, remove = context.found.known_owner_id, partial(_remove, message)
        await services.cases.delete_message(context.request, job, message.id, owner_id=owner_id, remove=remove)
    return TAKEN


async def _remove(message: discord.Message) -> None:
    """The outbox may have deleted it already."""
    with suppress(discord.NotFound):
        await message.delete()


async def _hide(context: ReactionContext) -> ReactionOutcome:
    """Put the message behind a spoiler."""
    message, job = context.message, context.known_job()

    async def hide() -> None:
        with await guild_language(context.client, context.request.guild_id):
            await spoilers.set_hidden(message, True, by=HiddenBy.AUTHOR)

    await services_of(context.client).cases.hide_message(context.request, job, message.id, hide=hide)
    return TAKEN


async def _report(context: ReactionContext) -> None:
    """Report to the moderators, without a reason; once per member and message. The outbox takes the reaction away and answers."""
    reaction, place, found = context.reaction, context.request.reply_to, context.found
    author_id, job = found.reported
    permissions.check(context.request, Action.FLAG, Target(guild_id=place.guild_id, owner_id=author_id))
    found.check_reportable()
    report = Report(
        at=0,  # set by the service
        guild_id=place.guild_id,
        channel_id=place.channel_id,
        message_id=reaction.message_id,
        user_id=reaction.user_id,
        job_id=job.id if job else None,
        author_id=author_id,
    )
    await services_of(context.client).flagging.flag(context.request, report, reaction=reaction)


async def _star(context: ReactionContext) -> ReactionOutcome | None:
    """The stored reaction is the star. A star on one's own image does not count."""
    if not context.found.images or permissions.is_owner(context.request, Target(owner_id=context.found.owner_id)):
        await services_of(context.client).reactions.taken_back(context.reaction)
        return None
    request, gallery = context.request, context.request.policy.gallery
    if context.job is not None and gallery.channel_id is not None and _count(context.message, STARS) >= gallery.stars:
        # Not all events arrive: who stars it is counted as Discord knows it.
        present = await who_reacted(context.client, request.channel.channel_id, context.message.id, STARS)
        shown_in = await fetch_channel(context.client, guild_id=request.guild_id, channel_id=gallery.channel_id)
        starred = services_of(context.client).gallery.starred
        await starred(request, context.job, context.message.id, shown_in=shown_in, present=present)
    return TAKEN


def _count(message: discord.Message, emoji: str) -> int:
    """How many reactions a message has with this emoji, of everyone."""
    return sum(reaction.count for reaction in message.reactions if normalized_emoji(str(reaction.emoji)) == emoji)


async def _gift(context: ReactionContext) -> ReactionOutcome | None:
    """Give credits to the author of the image, and tell both. Their roles decide which account they have here, so they are fetched."""
    job, guild_id = context.known_job(), context.request.guild_id
    if guild_id is None:
        return None
    author = await fetch_member(context.client, guild_id, job.place.user_id)
    if author is None:
        raise NotFound(_("The author of this image is no longer on this server."))
    services = services_of(context.client)
    gift = await services.money.gift_by_reaction(context.request, as_actor(author), message_id=context.message.id)
    if gift is None:
        return None
    with i18n.speaking((await services.members.preferences(author.id)).locale):
        got = _("{member} gave you {amount} for your image.").format(member=f"<@{context.user_id}>", amount=texts.amount_of(gift))
        await services.reactions.tell(author.id, replace(context.entry, fate=Fate.NEWS, sentence=got))
    given = _("You gave {member} {amount}.").format(member=f"<@{author.id}>", amount=texts.amount_of(gift))
    return ReactionOutcome(fate=Fate.TAKEN, sentence=given)


_ACTS: Mapping[Gesture, Callable[[ReactionContext], Awaitable[ReactionOutcome | None]]] = {
    Gesture.DESCRIBE: _describe,
    Gesture.PRESET: _preset,
    Gesture.AGAIN: _again,
    Gesture.ORIGINAL: _original,
    Gesture.REMOVE: _remove_image,
    Gesture.HIDE: _hide,
    Gesture.REPORT: _report,
    Gesture.STAR: _star,
    Gesture.GIFT: _gift,
}
