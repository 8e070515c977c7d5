"""Carries out outbox items on Discord: all kinds except deliveries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import discord

from bot.client.refusals import is_dm_closed, reason_of
from bot.core.clock import Clock
from bot.core.errors import RouteClosed
from bot.core.running import machine
from bot.core.sealing import Sealer
from bot.domain.job import Job, JobState
from bot.domain.outbox import ItemKind, OutboxItem
from cogs.admin.gone import GoneNotices
from cogs.admin.setup.welcome import WelcomePost
from cogs.kit import audience, job_texts
from cogs.kit.outbound import NO_ANSWER, Messageable, delivery_errors, reopening
from cogs.kit.posting import Draft, Poster
from cogs.moderation.posts import CasePosts
from cogs.money.sponsor import SponsorPosts
from cogs.reactions.answering import ReactionAnswers
from cogs.reactions.flags import FlagAnswers

if TYPE_CHECKING:
    from bot.client.easel import Easel


class Messenger:
    """Handlers by kind of item: removals, pings and direct messages here, other posts where their subject is.

    An item may be tried again after a lost response, so posting checks for the message of an earlier try.
    """

    def __init__(self, client: Easel, *, sealer: Sealer, clock: Clock) -> None:
        self._client = client
        self._sealer = sealer
        self._poster = Poster(client, clock=clock)
        self._by_kind: Mapping[ItemKind, Callable[[OutboxItem, Job | None], Awaitable[None]]] = {
            ItemKind.REMOVE: self._remove,
            ItemKind.PING: self._ping,
            ItemKind.TELL: self._tell,
            **GoneNotices(client, clock=clock).handlers,
            **SponsorPosts(client).handlers,
            ItemKind.WELCOME: WelcomePost(client, clock=clock).send,
            **CasePosts(client, clock=clock).handlers,
            **FlagAnswers(client, clock=clock).handlers,
            **ReactionAnswers(client, clock=clock).handlers,
        }
        self.handlers = dict.fromkeys(self._by_kind, self._handle)

    async def _handle(self, item: OutboxItem, job: Job | None) -> None:
        async with delivery_errors():
            await self._by_kind[item.kind](item, job)

    async def _remove(self, item: OutboxItem, _job: Job | None) -> None:
        await reopening(self._client, item.data["channel_id"], self._message(item).delete)

    async def _ping(self, item: OutboxItem, job: Job | None) -> None:
        """Reply to the result in its channel; send a direct message if the job is private or the channel is closed."""
        job = _existing(job)
        if not job.place.private:
            try:
                await self._post_once(item, self._channel(job.place.channel_id), job_texts.ping(job), reply_to=job.place.message_id)
            except discord.HTTPException as error:
                if not isinstance(error, discord.Forbidden | discord.NotFound) and reason_of(error) is None:
                    raise
            else:
                return
        try:
            await self._send_directly(item, await self._direct_channel(job), job)
        except (discord.Forbidden, discord.NotFound) as error:
            if not is_dm_closed(error) and not _has_webhook(item):
                raise  # not now
            await self._ping_by_webhook(item, job)

    async def _tell(self, item: OutboxItem, job: Job | None) -> None:
        """Send a direct message, unless the result itself is in the member's direct messages."""
        job = _existing(job)
        channel = await self._direct_channel(job)
        if channel.id != job.place.channel_id:
            await self._send_directly(item, channel, job)

    async def _send_directly(self, item: OutboxItem, channel: discord.DMChannel, job: Job) -> None:
        with await audience.direct_language(self._client, job):
            content = job_texts.direct_message(job)
        await self._post_once(item, channel, content)

    async def _post_once(self, item: OutboxItem, channel: Messageable, content: str, *, reply_to: int | None = None) -> None:
        draft = Draft(content=content, ping_ids=(item.user_id,) if item.user_id else ())
        was_tried = bool(item.attempts)
        await self._poster.once(
            channel, draft, nonce=item.id, was_tried=was_tried, is_same=lambda m: m.content == content, reply_to=reply_to
        )

    async def _ping_by_webhook(self, item: OutboxItem, job: Job) -> None:
        """The last way to ping a member about a private image. Only tried once: the interaction's webhook takes no nonce."""
        token = self._sealer.open(item.data["token"], about=job.id) if _has_webhook(item) else None
        if token is None:
            raise RouteClosed("No route to ping this member is left.")
        webhook = discord.Webhook.partial(id=item.data["application_id"], token=token, client=self._client)
        webhook.type = discord.WebhookType.application  # only application webhooks send ephemeral messages
        try:
            await webhook.send(job_texts.ping(job), ephemeral=True, wait=True)
        except (discord.HTTPException, *NO_ANSWER) as error:
            raise machine.trouble_of(error) or RouteClosed("The last route to ping this member failed.") from error

    def _message(self, item: OutboxItem) -> discord.PartialMessage:
        return self._channel(item.data["channel_id"]).get_partial_message(item.data["message_id"])

    def _channel(self, channel_id: int) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(channel_id)

    async def _direct_channel(self, job: Job) -> discord.DMChannel:
        return await self._client.create_dm(discord.Object(job.place.user_id))


def _has_webhook(item: OutboxItem) -> bool:
    return None not in (item.data.get("token"), item.data.get("application_id")) and not item.attempts


def _existing(job: Job | None) -> Job:
    if job is None or job.state is JobState.DELETED:
        raise RouteClosed("The job no longer exists.")
    return job
