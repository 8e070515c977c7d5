"""A member's latest image in a channel: what /edit and /upscale take if no image is given and the tray is empty."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.core.i18n import _
from bot.domain.job import Job, message_url
from bot.domain.order import Order
from bot.store import history
from cogs.images.forms.contexts import readable
from cogs.kit import message_images
from cogs.kit.request import Interaction, services_of


@dataclass(frozen=True, kw_only=True)
class LatestImage:
    """The order that takes it, and the sentence that says which it is."""

    order: Order
    sentence: str


async def take(interaction: Interaction, order: Order) -> LatestImage | None:
    """The order with the first image of the member's latest message here; None if there is none. A private one is for private answers."""
    reader, request = services_of(interaction).reader, order.request
    user_id, channel_id = request.actor.user_id, request.channel.channel_id
    job = await reader.read(history.latest_in, user_id, channel_id, with_private=order.request.reply_to.private)
    if job is None:
        return None
    images = message_images.of_job(job).images
    image = readable(interaction, images[0])
    return LatestImage(
        order=replace(order, attachments=(image,), spoiler=order.spoiler or job.spoiler), sentence=_sentence(job, len(images))
    )


def _sentence(job: Job, images: int) -> str:
    link = message_url(job.place.guild_id, job.place.channel_id, job.place.message_id or 0)
    if images > 1:
        return _("Using the first image of your latest request here: {link}").format(link=link)
    return _("Using your latest image here: {link}").format(link=link)
