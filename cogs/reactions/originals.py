"""The original files of an image, sent to a member by direct message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord

from bot.domain import permissions, visibility
from bot.domain.job import Job
from bot.domain.permissions import Action
from bot.domain.request import Request
from bot.domain.visibility import Origin
from bot.services.pipeline.delivery.fitting import notes_of
from cogs.kit import message_images, texts
from cogs.kit.outbound import dm_errors
from cogs.kit.request import services_of
from cogs.reactions import file_texts

if TYPE_CHECKING:
    from bot.client.easel import Easel

_NO_MENTIONS = discord.AllowedMentions.none()
_LIMIT_BYTES = discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES


def check(request: Request, job: Job, origin: Origin) -> None:
    """Raises `NotAllowed` if this member may not have the files of an image that is shown at `origin`."""
    permissions.check(request, Action.ORIGINAL, permissions.image_of(job))
    visibility.check(origin, visibility.reader_of(request))


async def send(client: Easel, request: Request, job: Job, *, origin: Origin, link: str) -> None:
    """Send them with their prompt and model, and a link to their message. Raises a `Refusal`, also if the member's DMs are closed."""
    check(request, job, origin)
    async with services_of(client).results.open(job, limit_bytes=_LIMIT_BYTES) as images:
        missing, title_of = len(message_images.of_job(job).images) - len(images), services_of(client).orders.models.title
        text = file_texts.original(job, title_of, link, missing=missing, changes=notes_of(images))
        files = [discord.File(p.path, filename=p.filename, description=texts.alt(p.alt)) for p in images]
        try:
            with dm_errors():
                channel = await client.create_dm(discord.Object(request.actor.user_id))
                await channel.send(text, files=files, allowed_mentions=_NO_MENTIONS)
        finally:
            for file in files:
                file.close()
