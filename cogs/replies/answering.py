"""The answer to a message that mentions the bot: the edit that it asks for, or a note that says how to ask, or why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import discord
import structlog

from bot.core import commands, i18n
from bot.core.errors import DeliveryError, EaselError, InvalidRequest, MessageRefused
from bot.core.i18n import _
from bot.core.running import patience
from bot.domain.gestures import Claim, Reaction
from bot.domain.job import JobKind
from bot.domain.order import Attachment, Order, Receipt
from bot.domain.preferences import Preferences
from cogs.images import retry
from cogs.kit import job_texts, message_images, texts
from cogs.kit.channels import KnownChannels
from cogs.kit.job_buttons import waiting_view
from cogs.kit.message_images import FoundImages
from cogs.kit.outbound import asking, delivery_errors, send_reply
from cogs.kit.request import request_of_message, services_of
from cogs.reactions import notes
from cogs.replies.asked import PickedImage, pick, prompt_of
from cogs.replies.replied import images_above, is_reply

if TYPE_CHECKING:
    from bot.client.easel import Easel

log = structlog.get_logger(__name__)

_REFERENCES_MAX: Final = 3  # beside the image itself, as in /edit
_NO_MENTIONS = discord.AllowedMentions.none()


@dataclass(frozen=True, kw_only=True)
class MentionContext:
    """A message that mentions the bot."""

    client: Easel
    key: Reaction  # by which it is claimed, and its note is found
    message: discord.Message

    @property
    def bot_id(self) -> int:
        return self.client.user.id if self.client.user else 0

    @property
    def guild_id(self) -> int | None:
        return self.message.guild.id if self.message.guild else None

    @property
    def channel(self) -> discord.PartialMessageable:
        return self.client.get_partial_messageable(self.message.channel.id, guild_id=self.guild_id)

    @property
    def partial_message(self) -> discord.PartialMessage:
        return self.channel.get_partial_message(self.message.id)


async def answer(asked: MentionContext, preferences: Preferences) -> None:
    """Take the order, once, and show that it waits. Raises a `Refusal` of what is no order yet."""
    services, message = services_of(asked.client), asked.message
    claim = await services.reactions.claim_message(asked.key)
    if claim is Claim.TOO_MANY:
        raise InvalidRequest(_("That was a lot at once. Send your message again in a minute."))
    if claim is not Claim.NEW:
        return
    if not (is_reply(message) or message.attachments):
        await _explain(asked)
        return
    prompt = prompt_of(message, asked.bot_id)
    if not prompt:
        raise _nothing_to_change(asked)
    settings = await services.guilds.settings(asked.guild_id)
    request = await request_of_message(asked.client, message, settings=settings, preferences=preferences)
    picked, references, is_hidden = await _images_of(asked, prompt)
    if not picked.prompt:
        raise _nothing_to_change(asked)
    order = Order(
        request=request,
        kind=JobKind.EDIT,
        prompt=picked.prompt,
        attachments=(picked.image, *references),
        spoiler=is_hidden or preferences.spoiler,
    )
    order = await KnownChannels(asked.client).with_sources(order, [each.source for each in order.attachments])
    try:
        receipt = await services.reactions.edit_by_message(asked.key, order)
    except EaselError as error:
        await refuse(asked, error.sentence, await retry.button_for(asked.client, order, error))
        return
    await _show_waiting(asked, receipt)
    await _say_what_was_taken(asked, picked, receipt)


async def refuse(asked: MentionContext, sentence: str, button: discord.ui.Button[Any] | None = None) -> None:
    """In the channel, with what the member can do about it; or by direct message where the bot may not write."""
    more: dict[str, Any] = {} if button is None else {"view": discord.ui.View(timeout=None).add_item(button)}
    try:
        await _say(asked, f"🚫 {sentence}", **more)
    except notes.FAILED as error:
        log.info("refusal not posted", error=type(error).__name__)
        await notes.send_direct_message(asked.client, asked.key.user_id, f"🚫 {sentence}", about=asked.partial_message)


# --- which images ----------------------------------------------------------------------------------------------------


async def _images_of(asked: MentionContext, prompt: str) -> tuple[PickedImage, tuple[Attachment, ...], bool]:
    """The image to edit, the other references, and whether one of them is behind a spoiler. Raises a `Refusal`."""
    attached = await _attached(asked)
    own = attached.images if attached else ()
    above = await images_above(asked.client, asked.message) if is_reply(asked.message) else None
    if above is not None:
        picked, references = pick(above, prompt), own
    else:
        picked, references = PickedImage(image=own[0], number=1, of=1, prompt=prompt), own[1:]
    if len(references) > _REFERENCES_MAX:
        sentence = _("Attach up to {most} more images, not {given}.")
        raise InvalidRequest(sentence.format(most=_REFERENCES_MAX, given=len(references)))
    return picked, references, any(found.spoiler for found in (attached, above) if found is not None)


async def _attached(asked: MentionContext) -> FoundImages | None:
    """The images in the message itself. Raises a `Refusal` if one of its files is none that Easel reads."""
    if not asked.message.attachments:
        return None
    found = await message_images.find(asked.client, asked.message)
    found.check_any()
    if found.unread:
        raise InvalidRequest(" ".join(found.unread))
    return found


# --- answers ---------------------------------------------------------------------------------------------------------


async def _show_waiting(asked: MentionContext, receipt: Receipt) -> None:
    """Post the message that becomes the result. The job is stored already: if this fails, delivery shows it another way."""
    job, message_id = receipt.job, None
    try:
        if job.cancel_requested_at is None:  # else its message was deleted meanwhile
            message_id = await _post_waiting(asked, receipt)
    except DeliveryError as error:
        log.warning("waiting message failed", job=job.id, reason=error.sentence)
    finally:
        with patience.endless():
            await services_of(asked.client).orders.answered(job.id, message_id)


async def _post_waiting(asked: MentionContext, receipt: Receipt) -> int:
    """With the nonce of the result: whichever is sent twice is posted once. Raises `DeliveryError`."""
    job, channel = receipt.job, asked.channel
    with i18n.speaking(job.place.locale):
        full, less = job_texts.waiting(receipt), _("⏳ Queued.")
        view = waiting_view(job.id)

    async def send(content: str, reply: Mapping[str, Any]) -> discord.Message:
        return await channel.send(content, view=view, nonce=job.id, allowed_mentions=_NO_MENTIONS, **reply)

    async with delivery_errors():
        with asking(asked.client, channel=channel.id):
            try:
                async with delivery_errors():
                    return (await send_reply(channel, asked.message.id, partial(send, full))).id
            except MessageRefused:
                return (await send_reply(channel, asked.message.id, partial(send, less))).id


async def _say_what_was_taken(asked: MentionContext, picked: PickedImage, receipt: Receipt) -> None:
    """Only where it is not obvious."""
    lines = []
    if picked.of > 1:
        taken = _("🖼️ Image {number} of {count}. For another, begin your message with its number.")
        lines.append(taken.format(number=picked.number, count=picked.of))
    if receipt.is_motion_lost:
        lines.append(f"🎞️ {texts.first_frame_only()}")
    if lines and receipt.job.cancel_requested_at is None:
        await _try_to_say(asked, " ".join(lines))


def _nothing_to_change(asked: MentionContext) -> InvalidRequest:
    return InvalidRequest(_("Write what should change, such as: {bot} make it winter").format(bot=f"<@{asked.bot_id}>"))


async def _explain(asked: MentionContext) -> None:
    """How to ask for an edit; not again to the same member for a while."""
    if await services_of(asked.client).reactions.may_explain_replies(asked.key.user_id):
        how = _("💡 To edit an image, reply to it, mention {bot} and write what should change. {generate} creates a new one.")
        await _try_to_say(asked, how.format(bot=f"<@{asked.bot_id}>", **commands.mentions("generate")))


async def _try_to_say(asked: MentionContext, sentence: str) -> None:
    try:
        await _say(asked, sentence)
    except notes.FAILED as error:
        log.info("note not posted", error=type(error).__name__)


async def _say(asked: MentionContext, sentence: str, **more: Any) -> None:
    await notes.say(asked.client, asked.key, asked.partial_message, sentence, **more)
