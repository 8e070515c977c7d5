"""How each kind of outbox item is done on Discord, beside deliveries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import discord

from bot.core.clock import Clock
from bot.core.errors import RouteClosed
from bot.domain.gestures import MARK_DONE, MARK_FAILED, MARKS
from bot.domain.job import Job, JobState
from bot.domain.outbox import ItemKind, OutboxItem
from cogs.kit import job_texts
from cogs.kit.outbound import NO_ANSWER, Messageable, explained
from cogs.kit.posting import Draft, Poster
from cogs.moderation.posts import CasePosts

if TYPE_CHECKING:
    from bot.client import Easel

_NO_SUCH_EMOJI = 10014  # that reaction is not there


class Messenger:
    """The handlers, with the running client."""

    def __init__(self, client: Easel, *, clock: Clock) -> None:
        self._client = client
        self._poster = Poster(client, clock=clock)
        self._kinds: Mapping[ItemKind, Callable[[OutboxItem, Job | None], Awaitable[None]]] = {
            ItemKind.REMOVE: self._remove,
            ItemKind.MARK: self._mark,
            ItemKind.PING: self._ping,
            ItemKind.TELL: self._tell,
            **CasePosts(client, clock=clock).kinds,
        }
        self.handlers = dict.fromkeys(self._kinds, self._carry_out)

    async def _carry_out(self, item: OutboxItem, job: Job | None) -> None:
        async with explained():
            await self._kinds[item.kind](item, job)

    async def _remove(self, item: OutboxItem, _job: Job | None) -> None:
        await self._message(item).delete()

    async def _mark(self, item: OutboxItem, _job: Job | None) -> None:
        """One mark of ours, in place of those before; none for what was taken back."""
        message, sign = self._message(item), {True: MARK_DONE, False: MARK_FAILED, None: None}[item.data["made"]]
        for other in set(MARKS) - {sign}:
            try:
                await message.remove_reaction(other, discord.Object(self._own_id))
            except discord.HTTPException as error:
                if error.code != _NO_SUCH_EMOJI:
                    raise
        if sign is not None:
            await message.add_reaction(sign)

    async def _ping(self, item: OutboxItem, job: Job | None) -> None:
        """In the job's channel, as a reply to the result; directly where it is private or the channel is closed."""
        job = _known(job)
        if not job.place.private:
            try:
                await self._say_once(item, self._channel(job.place.channel_id), job_texts.calling(job), reply_to=job.place.message_id)
            except (discord.Forbidden, discord.NotFound):
                pass
            else:
                return
        try:
            await self._say_once(item, await self._direct(job), job_texts.telling(job))
        except (discord.Forbidden, discord.NotFound):
            await self._whisper(item, job)

    async def _tell(self, item: OutboxItem, job: Job | None) -> None:
        """By direct message, except where the result stands among them already."""
        job = _known(job)
        channel = await self._direct(job)
        if channel.id != job.place.channel_id:
            await self._say_once(item, channel, job_texts.telling(job))

    async def _say_once(self, item: OutboxItem, channel: Messageable, content: str, *, reply_to: int | None = None) -> None:
        """Post it, unless an earlier try did."""
        sheet = Draft(content=content, calls=(item.user_id,) if item.user_id else ())
        tried = bool(item.attempts)
        await self._poster.once(channel, sheet, nonce=item.id, tried=tried, is_it=lambda m: m.content == content, reply_to=reply_to)

    async def _whisper(self, item: OutboxItem, job: Job) -> None:
        """The last way to call somebody to a private image: by the interaction's webhook, which takes no nonce, so once at most."""
        token, application_id = item.data.get("token"), item.data.get("application_id")
        if token is None or application_id is None or item.attempts:
            raise RouteClosed("There is no way to call this member.")
        webhook = discord.Webhook.partial(id=application_id, token=token, client=self._client)
        webhook.type = discord.WebhookType.application  # only such a one has messages that nobody else sees
        try:
            await webhook.send(job_texts.calling(job), ephemeral=True, wait=True)
        except (discord.HTTPException, *NO_ANSWER) as error:
            raise RouteClosed("There is no way to call this member any more.") from error

    def _message(self, item: OutboxItem) -> discord.PartialMessage:
        return self._channel(item.data["channel_id"]).get_partial_message(item.data["message_id"])

    def _channel(self, channel_id: int) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(channel_id)

    async def _direct(self, job: Job) -> discord.DMChannel:
        return await self._client.create_dm(discord.Object(job.place.user_id))

    @property
    def _own_id(self) -> int:
        return self._client.user.id if self._client.user else 0


def _known(job: Job | None) -> Job:
    if job is None or job.state is JobState.DELETED:
        raise RouteClosed("The job is not there any more.")
    return job
