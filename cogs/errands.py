"""The errands' adapter: how each kind is done on Discord."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import discord

from bot.clock import Clock
from bot.errors import RouteClosed
from bot.gestures import CAME, MARKS, NONE_CAME
from bot.jobs.job import Job, JobState
from bot.store.errands import Errand, ErrandKind
from cogs import look
from cogs.caseposts import CasePosts
from cogs.posting import Poster, Sheet
from cogs.sending import NO_ANSWER, Messageable, explained

if TYPE_CHECKING:
    from bot.client import Easel

_NO_SUCH_EMOJI = 10014  # that reaction is not there


class DiscordErrands:
    """Implements `bot.jobs.errands.Messenger` with the running client."""

    def __init__(self, client: Easel, *, clock: Clock) -> None:
        self._client = client
        self._poster = Poster(client, clock=clock)
        self._kinds: Mapping[ErrandKind, Callable[[Errand, Job | None], Awaitable[None]]] = {
            ErrandKind.REMOVE: self._remove,
            ErrandKind.MARK: self._mark,
            ErrandKind.PING: self._ping,
            ErrandKind.TELL: self._tell,
            **CasePosts(client, clock=clock).kinds,
        }

    async def carry_out(self, errand: Errand, job: Job | None) -> None:
        """As the protocol has it."""
        async with explained():
            await self._kinds[errand.kind](errand, job)

    async def _remove(self, errand: Errand, _job: Job | None) -> None:
        await self._message(errand).delete()

    async def _mark(self, errand: Errand, _job: Job | None) -> None:
        """One mark of ours, in place of those before; none for what was taken back."""
        message, sign = self._message(errand), {True: CAME, False: NONE_CAME, None: None}[errand.data["made"]]
        for other in set(MARKS) - {sign}:
            try:
                await message.remove_reaction(other, discord.Object(self._own_id))
            except discord.HTTPException as error:
                if error.code != _NO_SUCH_EMOJI:
                    raise
        if sign is not None:
            await message.add_reaction(sign)

    async def _ping(self, errand: Errand, job: Job | None) -> None:
        """In the job's channel, as a reply to the result; directly where it is private or the channel is closed."""
        job = _known(job)
        if not job.place.private:
            try:
                await self._say_once(errand, self._channel(job.place.channel_id), look.jobs.calling(job), reply_to=job.place.message_id)
            except (discord.Forbidden, discord.NotFound):
                pass
            else:
                return
        try:
            await self._say_once(errand, await self._direct(job), look.jobs.telling(job))
        except (discord.Forbidden, discord.NotFound):
            await self._whisper(errand, job)

    async def _tell(self, errand: Errand, job: Job | None) -> None:
        """By direct message, except where the result stands among them already."""
        job = _known(job)
        channel = await self._direct(job)
        if channel.id != job.place.channel_id:
            await self._say_once(errand, channel, look.jobs.telling(job))

    async def _say_once(self, errand: Errand, channel: Messageable, content: str, *, reply_to: int | None = None) -> None:
        """Post it, unless an earlier try did."""
        sheet = Sheet(content=content, calls=(errand.user_id,) if errand.user_id else ())
        tried = bool(errand.attempts)
        await self._poster.once(channel, sheet, nonce=errand.id, tried=tried, is_it=lambda m: m.content == content, reply_to=reply_to)

    async def _whisper(self, errand: Errand, job: Job) -> None:
        """The last way to call somebody to a private picture: by the interaction's webhook, which takes no nonce, so once at most."""
        token, application_id = errand.data.get("token"), errand.data.get("application_id")
        if token is None or application_id is None or errand.attempts:
            raise RouteClosed("There is no way to call this member.")
        webhook = discord.Webhook.partial(id=application_id, token=token, client=self._client)
        webhook.type = discord.WebhookType.application  # only such a one has messages that nobody else sees
        try:
            await webhook.send(look.jobs.calling(job), ephemeral=True, wait=True)
        except (discord.HTTPException, *NO_ANSWER) as error:
            raise RouteClosed("There is no way to call this member any more.") from error

    def _message(self, errand: Errand) -> discord.PartialMessage:
        return self._channel(errand.data["channel_id"]).get_partial_message(errand.data["message_id"])

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
