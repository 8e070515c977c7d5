"""The images of a message, with their owner and the job that made them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import discord

from bot.domain.job import Job, Source
from bot.domain.order import Attachment
from bot.domain.retention import image_gone
from bot.store import jobs
from cogs.kit import texts
from cogs.kit.job_buttons import ended_job_of
from cogs.kit.request import services_of

if TYPE_CHECKING:
    from bot.client.easel import Easel

# The names of files that the bot posts. Trust them in the bot's own messages only: anyone can choose such a name.
_OUR_FILENAME = re.compile(r"(?:SPOILER_)?easel-(?P<job>[0-9a-z]{12})-(?P<number>[1-9])\.\w+")


@dataclass(frozen=True, kw_only=True)
class FoundImages:
    """The images of a message."""

    owner_id: int  # whose consent counts: who requested the images, else who posted the message
    images: tuple[Attachment, ...]  # by content type or file name; the content is checked when it is read
    job: Job | None = None  # the job that made them, if Easel did
    private: bool = False  # only one member sees the message
    spoiler: bool = False
    is_gone: bool = False  # Easel made them, and the job is no longer stored
    known_owner_id: int | None = None  # the owner, unless Easel posted the images and no longer knows for whom

    def check_known(self) -> None:
        """Raises `NotFound` if nobody knows whose images these are: their author's settings say who may edit them."""
        if self.known_owner_id is None:
            raise image_gone()


async def find(client: Easel, message: discord.Message) -> FoundImages:
    """The images of a message, each with its source."""
    shown = [a for a in message.attachments if _is_image(a)]
    job_id = _job_id_of(client, message, shown)
    job = await services_of(client).reader.read(jobs.get, job_id) if job_id else None
    is_gone = job_id is not None and job is None
    known = job.place.user_id if job is not None else requested_by(message) if is_gone else message.author.id
    owner_id = message.author.id if known is None else known
    return FoundImages(
        owner_id=owner_id,
        images=tuple(_attachment(a, n, message, job, owner_id) for n, a in enumerate(shown)),
        job=job,
        private=message.flags.ephemeral,
        spoiler=any(a.is_spoiler() for a in shown),
        is_gone=is_gone,
        known_owner_id=known,
    )


def requested_by(message: discord.Message) -> int | None:
    """The member whose command or press the message answers, by Discord's own word; None for other messages."""
    return message.interaction_metadata.user.id if message.interaction_metadata else None


def of_job(job: Job) -> FoundImages:
    """The images of a job, without its message. They have no URL: read them with `Results.open`."""
    place = job.place
    images = [
        Attachment(
            url="",
            filename=f"easel-{job.id}-{g.n + 1}",
            size_bytes=0,
            source=Source(owner_id=place.user_id, channel_id=place.channel_id, message_id=place.message_id, job_id=job.id, n=g.n),
        )
        for g in job.succeeded
        if g.error is None
    ]
    return FoundImages(
        owner_id=place.user_id,
        images=tuple(images),
        job=job,
        private=place.private,
        spoiler=job.spoiler,
        known_owner_id=place.user_id,
    )


def _number_in(filename: str) -> int | None:
    """The index from 0 in a file name of ours, else None."""
    named = _OUR_FILENAME.fullmatch(filename)
    return int(named["number"]) - 1 if named else None


def _job_id_of(client: Easel, message: discord.Message, shown: Sequence[discord.Attachment]) -> str | None:
    """Found by the buttons, else by the file names. None for messages of others."""
    if client.user is None or message.author.id != client.user.id:
        return None
    named = (match["job"] for a in shown if (match := _OUR_FILENAME.fullmatch(a.filename)))
    return ended_job_of(message) or next(named, None)


def _attachment(a: discord.Attachment, position: int, message: discord.Message, job: Job | None, owner_id: int) -> Attachment:
    number = _number_in(a.filename) if job else None
    source = Source(
        owner_id=owner_id,
        channel_id=message.channel.id,
        message_id=message.id,
        job_id=job.id if job else None,
        n=(position if number is None else number) if job else None,
    )
    return Attachment(url=a.url, filename=a.filename, size_bytes=a.size, source=source)


def _is_image(attachment: discord.Attachment) -> bool:
    claimed = (attachment.content_type or "").startswith("image/")
    return claimed or attachment.filename.lower().endswith(texts.IMAGE_ENDINGS)
