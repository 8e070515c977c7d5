"""The images of a message, with their owner and the job that made them.

A forward shows the images of another message, whose author decides who may edit them; Discord names that message, not its author.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Final, Self

import aiohttp
import discord
import structlog

from bot.client.message_media import MediaKind, Medium, is_unreadable, media_of, starter_of
from bot.core.errors import NotFound
from bot.core.i18n import N_, _
from bot.core.markdown import escaped
from bot.domain.job import Job, JobState, Source
from bot.domain.order import Attachment
from bot.domain.retention import image_gone
from bot.domain.visibility import Border, sentence
from bot.media.formats import unread
from bot.store import jobs, messages
from cogs.kit.channels import channel_from, fetch_channel
from cogs.kit.job_buttons import ended_job_of
from cogs.kit.request import services_of

if TYPE_CHECKING:
    from bot.client.easel import Easel

log = structlog.get_logger(__name__)

# The names of files that the bot posts. Trust them in the bot's own messages only: anyone can choose such a name.
_OUR_FILENAME = re.compile(r"(?:SPOILER_)?easel-(?P<job>[0-9a-z]{12})-(?P<number>[1-9])\.\w+")
_MAX_FORWARDS: Final = 3  # of a forward of a forward, that are followed to the first message
_READING: Final = discord.Permissions(view_channel=True, read_message_history=True)
_FETCH_S: Final = 1.5  # for each of them: a form must be open within 3 s

_NO_ANSWER: Final = (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError)

_NONE: Final = N_("That message has no image.")
_FORMATS: Final = N_("Easel works with PNG, JPEG, WebP, GIF, HEIC and AVIF images.")
_PREVIEWS: Final = N_("The images here are only previews. Use the message that shows the image itself.")
_UNREADABLE: Final = N_("Discord doesn't show Easel what's in that message. Right-click (or hold) the original message > Apps instead.")
_DELETED: Final = N_("The original of that image was deleted.")
_INSTEAD: Final[Mapping[MediaKind, str]] = {
    MediaKind.VIDEO: N_("That message has a video."),
    MediaKind.ANIMATION: N_("That sticker is a vector animation."),
}


@dataclass(frozen=True, kw_only=True)
class FoundImages:
    """The images of a message."""

    owner_id: int  # whose consent counts: who requested the images, else who posted the message, or the one that it forwards
    images: tuple[Attachment, ...]  # by content type or file name; the content is checked when it is read
    job: Job | None = None  # the job that made them, if Easel did
    private: bool = False  # only one member sees the message
    spoiler: bool = False
    is_gone: bool = False  # Easel made them, and the job is no longer stored
    known_owner_id: int | None = None  # the owner, unless nobody knows
    forwarded_by: int | None = None  # who forwarded them here, if they are another message's
    unread: tuple[str, ...] = ()  # for each image beside these that Easel cannot read: why
    why_unusable: str = ""  # why these images may not be used here, if their origin says so
    why_none: str = ""  # if there are no images: why not, if the message shows something else

    @property
    def has_answer(self) -> bool:
        """Whether there are images, or something else that a member may take for one."""
        return bool(self.images or self.why_none)

    @property
    def reported(self) -> tuple[int, Job | None]:
        """Whom and what a report is about: who shows the images here, and their job, if it is not only forwarded."""
        return (self.owner_id, self.job) if self.forwarded_by is None else (self.forwarded_by, None)

    @property
    def is_linked(self) -> bool:
        """Whether the message shows images of Easel as links alone: they cannot be edited here, but reported."""
        return self.job is not None and not self.images and any(each.error is None for each in self.job.succeeded)

    def only(self, number: int) -> Self:
        """Reduced to the image with this number, from 1, as members count; to none if it is not among them."""
        return replace(self, images=tuple(each for each in self.images if each.source is not None and each.source.n == number - 1))

    def check_reportable(self) -> None:
        """Raises `NotFound` if the message shows no image, not even as a link."""
        if not self.is_linked:
            self.check_any()

    def check_any(self) -> None:
        """Raises `NotFound` if the message has no image."""
        if not self.images:
            raise NotFound(self.why_none or f"{_(_NONE)} {_(_FORMATS)}")

    def check_known(self) -> None:
        """Raises `NotFound` if their origin forbids their use here, or nobody knows whose they are: their author says who may edit them."""
        if self.why_unusable:
            raise NotFound(self.why_unusable)
        if self.known_owner_id is None and self.is_gone:
            raise image_gone()
        if self.known_owner_id is None:
            raise NotFound(_("Discord didn't say whose image that is. Try again in a moment."))


@dataclass(frozen=True, kw_only=True)
class _Origin:
    """Where the images of a message come from."""

    owner_id: int | None  # None: nobody knows
    job: Job | None = None
    is_gone: bool = False
    is_panel: bool = False  # the bot's own message that shows no job


async def find(client: Easel, message: discord.Message) -> FoundImages:
    """The images of a message, each with its source. The first message of a thread shows the one that the thread was started on."""
    message = starter_of(message)
    media = media_of(message)
    shown = [medium for medium in media if medium.kind is MediaKind.IMAGE]
    forward = message.reference if message.message_snapshots else None
    origin = await _forwarded(client, message, forward, shown) if forward else await _posted(client, message, shown)
    why_none = _why_none(client, message, media, origin)
    why_unusable = await _why_unusable(client, message, forward, origin.job) if forward else ""
    owner_id = message.author.id if origin.owner_id is None else origin.owner_id
    return FoundImages(
        owner_id=owner_id,
        images=() if why_none else tuple(_attachment(medium, n, message, origin.job, owner_id) for n, medium in enumerate(shown)),
        job=origin.job,
        private=message.flags.ephemeral,
        spoiler=any(medium.spoiler for medium in shown) or await _is_hidden(client, message, forward, origin.job),
        is_gone=origin.is_gone,
        known_owner_id=origin.owner_id,
        forwarded_by=message.author.id if forward else None,
        unread=tuple(_unread(media)),
        why_unusable=why_unusable,
        why_none=why_none,
    )


async def _posted(client: Easel, message: discord.Message, shown: Sequence[Medium]) -> _Origin:
    """The origin of a message that shows its own images."""
    job_id = _job_id_of(client, message, shown)
    job = await services_of(client).reader.read(jobs.get, job_id) if job_id else None
    is_gone = job_id is not None and job is None
    owner_id = job.place.user_id if job is not None else requested_by(message) if is_gone else message.author.id
    return _Origin(owner_id=owner_id, job=job, is_gone=is_gone, is_panel=job_id is None and _is_own(client, message))


async def _forwarded(client: Easel, message: discord.Message, forward: discord.MessageReference, shown: Sequence[Medium]) -> _Origin:
    """The origin of forwarded images. A name like those of the bot's files only counts against their use: anyone can choose one."""
    try:
        first = await _first_of(client, forward)
    except _NO_ANSWER as error:
        log.info("origin of a forward not fetched", message=message.id, error=type(error).__name__)
        return _Origin(owner_id=None)
    if isinstance(first, Job):
        return _Origin(owner_id=first.place.user_id, job=first)
    named = next((match["job"] for medium in shown if (match := _OUR_FILENAME.fullmatch(medium.filename))), None)
    if named is None or (first is not None and not _is_own(client, first)):
        return _Origin(owner_id=(first or message).author.id, is_panel=first is not None and _is_own(client, first))
    job = await services_of(client).reader.read(jobs.get, named)
    return _Origin(owner_id=job.place.user_id if job else None, job=job, is_gone=job is None)


async def _first_of(client: Easel, forward: discord.MessageReference) -> Job | discord.Message | None:
    """The job that the forwarded message shows, else that message; None if the bot cannot read it or it was deleted."""
    found: discord.Message | None = None
    reference: discord.MessageReference | None = forward
    for _forward in range(_MAX_FORWARDS):
        if reference is None or reference.message_id is None:
            break
        job = await services_of(client).reader.read(messages.job_of, reference.message_id)
        if job is not None:
            return job
        fetched = await _fetched(client, reference.channel_id, reference.message_id, guild_id=reference.guild_id)
        if fetched is None:
            break
        found, reference = fetched, fetched.reference if fetched.message_snapshots else None
    return found


async def _fetched(client: Easel, channel_id: int, message_id: int, *, guild_id: int | None) -> discord.Message | None:
    if not await _may_read(client, channel_id, guild_id=guild_id):
        return None
    try:
        async with asyncio.timeout(_FETCH_S):
            return await client.get_partial_messageable(channel_id, guild_id=guild_id).fetch_message(message_id)
    except (discord.NotFound, discord.Forbidden):
        return None


async def _may_read(client: Easel, channel_id: int, *, guild_id: int | None) -> bool:
    """Whether Discord may be asked for a message. Too many refusals count against the bot."""
    if guild_id is not None and client.is_elsewhere(guild_id):
        return await client.found_guild(guild_id) is not None
    channel = client.get_channel(channel_id)
    if not isinstance(channel, discord.abc.GuildChannel | discord.Thread) or not isinstance(channel, discord.abc.Messageable):
        return False
    return channel.permissions_for(channel.guild.me) >= _READING


async def _is_hidden(client: Easel, message: discord.Message, forward: discord.MessageReference | None, job: Job | None) -> bool:
    """Whether this server has hidden the image that is forwarded: its own message may have been hidden since."""
    guild_id = message.guild.id if message.guild else None
    return forward is not None and job is not None and await services_of(client).reader.read(messages.is_hidden_in, job, guild_id)


def _why_none(client: Easel, message: discord.Message, media: Sequence[Medium], origin: _Origin) -> str:
    """Why the images of a message cannot be used, or why it has none; empty if it has some, or shows nothing at all."""
    if any(medium.kind is MediaKind.IMAGE for medium in media):
        return _(_PREVIEWS) if origin.is_panel else ""
    if is_unreadable(message) and not _is_own(client, message):
        return _(_UNREADABLE)
    instead = (f"{_(_INSTEAD[medium.kind])} {_(_FORMATS)}" for medium in media if medium.kind in _INSTEAD)
    return next(chain(_unread(media), instead), "")


def _unread(media: Sequence[Medium]) -> Iterator[str]:
    """For each image whose format Easel does not read: which it is, and what to do."""
    for medium in media:
        if medium.kind is MediaKind.OTHER_FORMAT:
            yield unread(escaped(medium.filename), medium.unread_format)


async def _why_unusable(client: Easel, message: discord.Message, forward: discord.MessageReference, job: Job | None) -> str:
    """Why a forwarded image may not be used where it is, empty if it may: it is still bound by its first place."""
    if job is not None and job.state is JobState.DELETED:
        return _(_DELETED)
    made_in_restricted = (job is not None and job.age_restricted) or await _is_restricted_there(client, forward)
    here = client.get_channel(message.channel.id) or message.channel
    return sentence(Border.AGE) if made_in_restricted and not _is_age_restricted(here) else ""


async def _is_restricted_there(client: Easel, forward: discord.MessageReference) -> bool:
    if forward.guild_id is not None and client.is_elsewhere(forward.guild_id):
        return (await fetch_channel(client, guild_id=forward.guild_id, channel_id=forward.channel_id)).age_restricted
    return _is_age_restricted(client.get_channel(forward.channel_id))


def _is_age_restricted(channel: object) -> bool:
    """Of a channel or thread of a server; False for one that is not known."""
    guild = getattr(channel, "guild", None)
    return guild is not None and channel_from(channel, guild_id=guild.id, channel_id=0).age_restricted


def _is_own(client: Easel, message: discord.Message) -> bool:
    return client.user is not None and message.author.id == client.user.id


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


def _job_id_of(client: Easel, message: discord.Message, shown: Sequence[Medium]) -> str | None:
    """Found by the buttons, else by the file names. None for messages of others."""
    if not _is_own(client, message):
        return None
    named = (match["job"] for a in shown if (match := _OUR_FILENAME.fullmatch(a.filename)))
    return ended_job_of(message) or next(named, None)


def _attachment(medium: Medium, position: int, message: discord.Message, job: Job | None, owner_id: int) -> Attachment:
    number = _number_in(medium.filename) if job else None
    source = Source(
        owner_id=owner_id,
        channel_id=message.channel.id,
        message_id=message.id,
        job_id=job.id if job else None,
        n=(position if number is None else number) if job else None,
    )
    return Attachment(url=medium.url, filename=medium.filename, size_bytes=medium.size_bytes, sides_px=medium.sides_px, source=source)
