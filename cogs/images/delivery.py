"""The delivery adapter: posts and edits result messages on Discord."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Hashable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import discord
import structlog
from yarl import URL

from bot.core.clock import Clock
from bot.core.errors import RouteClosed
from bot.core.sealing import Sealer
from bot.domain.job import Job
from bot.domain.order import Receipt
from bot.media.codec import THUMBNAIL_EDGE
from bot.services.pipeline.delivery.results import PostedImage
from bot.services.pipeline.delivery.routes import PostedMessage, ResultMessage
from cogs.kit import audience, job_texts, texts
from cogs.kit.channels import is_deleted
from cogs.kit.job_buttons import ended_job_of, ended_view, job_of, reaches, waiting_view
from cogs.kit.outbound import NO_ANSWER, Messageable, asking, delivery_errors, is_refused, reopening, send_reply
from cogs.kit.request import services_of

if TYPE_CHECKING:
    from bot.client.easel import Easel

log = structlog.get_logger(__name__)

_NO_MENTIONS = discord.AllowedMentions.none()
_SEARCHED_MAX = 100  # messages; a post whose response was lost is among the latest
_CLOCK_SKEW_MS = 60_000  # between this machine and Discord


class DiscordPost:
    """Implements `Post` of `delivery/routes.py` and `ShownResults` of `delivery/results.py` with the running client."""

    def __init__(self, client: Easel, *, sealer: Sealer, clock: Clock) -> None:
        self._client = client
        self._sealer = sealer
        self._clock = clock

    async def edit_by_token(self, answer: ResultMessage) -> PostedMessage:
        """By the interaction's webhook: needs no permission and is not subject to the global rate limit."""

        token = self._token(answer.job)
        if token is None:
            raise RouteClosed("The interaction's token can't be read.")

        async def edit() -> discord.Message:
            async with self._content(answer, files="attachments") as content:
                return await self._edit_webhook(answer.job, token, content)

        async with self._asking(token=token, message=answer.job.place.message_id):
            message = await reopening(self._client, answer.job.place.channel_id, edit)
        return PostedMessage(channel_id=message.channel.id, message_id=message.id)

    async def edit_message(self, answer: ResultMessage) -> PostedMessage:
        """With the bot's token, which needs access to the channel."""

        async def edit() -> discord.Message:
            async with self._content(answer, files="attachments") as content:
                return await self._partial_message(answer.job).edit(**content)

        async with self._asking(message=answer.job.place.message_id, channel=answer.job.place.channel_id):
            message = await reopening(self._client, answer.job.place.channel_id, edit)
        return PostedMessage(channel_id=message.channel.id, message_id=message.id)

    async def send_to_channel(self, answer: ResultMessage) -> PostedMessage:
        """As a reply to the message with the reaction that asked for it, if any."""
        async with self._asking(channel=answer.job.place.channel_id):
            return await self._send(self._channel(answer.job), answer, reply_to=answer.job.place.reply_to)

    async def send_to_member(self, answer: ResultMessage) -> PostedMessage:
        async with delivery_errors(sends=False):
            channel = await self._client.create_dm(discord.Object(answer.job.place.user_id))
        with await audience.direct_language(self._client, answer.job):
            return await self._send(channel, answer)

    async def find(self, job: Job, *, since: int, direct: bool, waiting: bool = False) -> PostedMessage | None:
        """The finished message among the latest ones since `since` (Unix ms), found by the job id in its buttons. `waiting`: or its
        waiting message.
        """
        after = datetime.fromtimestamp((since - _CLOCK_SKEW_MS) / 1000, tz=UTC)
        async with delivery_errors(sends=False):
            channel = await self._client.create_dm(discord.Object(job.place.user_id)) if direct else self._channel(job)
            # A waiting message is the first that the job had, a finished one is among the latest.
            async for message in channel.history(limit=_SEARCHED_MAX, after=after, oldest_first=waiting):
                if job.id in ((job_of(message) if waiting else None), ended_job_of(message)):
                    return PostedMessage(channel_id=message.channel.id, message_id=message.id)
        return None

    async def is_gone(self, job: Job) -> bool:
        """During an outage, outside guilds, and while Discord does not say, nothing is gone."""
        guild_id, channel_id = job.place.guild_id, job.place.channel_id
        if guild_id is None:
            return False
        try:
            guild = await self._client.found_guild(guild_id)
        except (discord.HTTPException, *NO_ANSWER) as error:
            log.info("guild fetch failed", guild=guild_id, error=type(error).__name__)
            return False
        if guild is None:
            return True
        is_known = guild.unavailable or guild.get_channel_or_thread(channel_id) is not None
        return not is_known and await is_deleted(self._client, channel_id)

    async def posted_images(self, job: Job) -> Mapping[int, PostedImage]:
        """The images in the job's message, with links fresh from Discord. A private message cannot be fetched."""
        if job.place.message_id is None:
            return {}
        async with delivery_errors(sends=False):
            message = await self._partial_message(job).fetch()
        name = re.compile(rf"(?:SPOILER_)?easel-{re.escape(job.id)}-(\d+)\.")
        named = ((name.match(each.filename), each) for each in message.attachments)
        return {int(found[1]) - 1: PostedImage(url=each.url, small_url=_small_url(each)) for found, each in named if found}

    async def show_progress(self, receipt: Receipt, *, steps: int | None) -> None:
        """Edit the waiting message; do nothing if it cannot be reached."""
        job, place = receipt.job, receipt.job.place
        change: dict[str, Any] = {
            "content": job_texts.waiting(receipt, steps=steps),
            "view": waiting_view(job.id),
            "allowed_mentions": _NO_MENTIONS,
        }
        token = self._token(job) if place.token_lives(self._clock()) else None
        if token is not None and not is_refused(self._client, "token", token):
            async with self._asking(token=token, message=place.message_id):
                await self._edit_webhook(job, token, change)
        elif place.message_id is not None and not place.private:
            async with self._asking(message=place.message_id, channel=place.channel_id):
                await self._partial_message(job).edit(**change)

    @asynccontextmanager
    async def _asking(self, **targets: Hashable) -> AsyncIterator[None]:
        """Send a request about these targets. Raises `DeliveryError`, without a request if Discord has refused one of them lately."""
        async with delivery_errors():
            with asking(self._client, **targets):
                yield

    async def _send(self, channel: Messageable, answer: ResultMessage, *, reply_to: int | None = None) -> PostedMessage:
        async def send(reply: Mapping[str, Any]) -> discord.Message:
            async with self._content(answer, files="files") as content:
                # For a few minutes the nonce makes Discord return the first message instead of posting again.
                return await channel.send(nonce=answer.job.id, **content, **reply)

        async with delivery_errors():
            message = await send_reply(channel, reply_to, send)
            if ended_job_of(message) is None and job_of(message) == answer.job.id:  # its waiting message, which has the same nonce
                async with self._content(answer, files="attachments") as content:
                    message = await message.edit(**content)
        return PostedMessage(channel_id=message.channel.id, message_id=message.id)

    def _token(self, job: Job) -> str | None:
        return None if job.place.token is None else self._sealer.open(job.place.token, about=job.id)

    async def _edit_webhook(self, job: Job, token: str, change: dict[str, Any]) -> discord.WebhookMessage:
        webhook = discord.Webhook.partial(id=job.place.application_id or 0, token=token, client=self._client)
        # "@original" is the interaction's first answer; its id is unknown if the response was lost.
        message_id: Any = job.place.message_id or "@original"
        return await webhook.edit_message(message_id, **change)

    @asynccontextmanager
    async def _content(self, answer: ResultMessage, *, files: str) -> AsyncIterator[dict[str, Any]]:
        """The arguments of a finished message; `files` names the uploads: "files" in a new message, "attachments" in an edit."""
        place = answer.job.place
        uploads = [discord.File(p.path, filename=p.filename, description=None if answer.bare else texts.alt(p.alt)) for p in answer.images]
        try:
            yield {
                "content": job_texts.finished(answer, services_of(self._client).orders.models.title),
                "view": ended_view(
                    answer.job,
                    numbers=[image.n + 1 for image in answer.images],
                    links=len(answer.links),
                    is_reachable=await reaches(self._client, place.guild_id, private=place.private),
                ),
                "allowed_mentions": _NO_MENTIONS,
                files: uploads,
            }
        finally:
            for upload in uploads:
                upload.close()

    def _channel(self, job: Job) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(job.place.channel_id, guild_id=job.place.guild_id)

    def _partial_message(self, job: Job) -> discord.PartialMessage:
        return self._channel(job).get_partial_message(job.place.message_id or 0)


def _small_url(attachment: discord.Attachment) -> str | None:
    """Discord's media proxy resizes images with these parameters. Clients use them; they are not documented."""
    width, height = attachment.width, attachment.height
    if not width or not height:
        return None
    scale = min(1, THUMBNAIL_EDGE / max(width, height))
    size = {"width": max(1, round(width * scale)), "height": max(1, round(height * scale))}
    return str(URL(attachment.proxy_url).update_query(format="webp", **size))
