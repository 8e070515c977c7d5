"""The images that a message is about: those of the message that it replies to, or of one before that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import discord

from bot.client.message_media import is_unreadable
from bot.core.errors import NotAllowed, NotFound
from bot.core.i18n import N_, _
from bot.domain.job import SHOWING, Job, JobState
from bot.store import messages
from cogs.kit import message_images
from cogs.kit.channels import ASKING_S, asked_of_discord
from cogs.kit.message_images import FoundImages
from cogs.kit.request import services_of

if TYPE_CHECKING:
    from bot.client.easel import Easel

_CHAIN_MAX: Final = 3  # messages, of which each replies to the next
_DELETED: Final = N_("The message that you replied to was deleted.")


def is_reply(message: discord.Message) -> bool:
    """Whether it answers a message of its channel; a forward or a system message refers to another."""
    reference = message.reference
    return reference is not None and message.type is discord.MessageType.reply and reference.channel_id == message.channel.id


async def images_above(client: Easel, message: discord.Message) -> FoundImages:
    """The images of the message that it replies to; if that shows none and is a reply itself, those of the next one.

    Raises a `Refusal` that says why there are none.
    """
    for _reply in range(_CHAIN_MAX):
        if not is_reply(message):
            break
        message = await _replied_to(client, message)
        is_own = client.user is not None and message.author.id == client.user.id
        if is_unreadable(message) and not is_own:
            raise NotFound(_("Discord doesn't show Easel that message. Right-click (or hold) it > Apps > Edit with Easel instead."))
        found = await message_images.find(client, message)
        if found.images or found.why_none:
            found.check_any()
            found.check_known()
            return found
        job = await services_of(client).reader.read(messages.job_of, message.id, roles=SHOWING) if is_own else None
        if job is not None:
            raise NotFound(_state_of(job))
    raise NotFound(_("There's no image in the message that you replied to."))


async def _replied_to(client: Easel, message: discord.Message) -> discord.Message:
    """Discord sends it along; those above it are fetched."""
    reference = message.reference
    assert reference is not None  # noqa: S101  it is a reply
    if isinstance(reference.resolved, discord.Message):
        return reference.resolved
    if isinstance(reference.resolved, discord.DeletedReferencedMessage) or reference.message_id is None:
        raise NotFound(_(_DELETED))
    channel = client.get_partial_messageable(message.channel.id, guild_id=message.guild.id if message.guild else None)
    try:
        with asked_of_discord():
            async with asyncio.timeout(ASKING_S):
                return await channel.fetch_message(reference.message_id)
    except discord.NotFound:
        raise NotFound(_(_DELETED)) from None
    except discord.Forbidden:
        raise NotAllowed(_("Replies don't work in that channel, because Easel needs the Read Message History permission there.")) from None


def _state_of(job: Job) -> str:
    """What is going on with a job whose message shows no image."""
    if job.state in (JobState.OPEN, JobState.DELIVERABLE):
        return _("That image isn't finished yet. Reply again once it's here.")
    if any(generation.error is None for generation in job.succeeded):
        return _("Easel can't edit an image that is only linked. Open it, save it, and use `/edit image:`.")
    return _("That request made no image, so there's nothing to edit. Reply to a message with an image.")
