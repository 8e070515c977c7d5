"""What moderation owes Discord: cases and the log for moderators, the gallery for everybody, a word to the author.

Each message is written as things are when it is sent, and read again afterwards: what changed meanwhile is shown, too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import discord
import structlog

from bot.core import i18n
from bot.core.clock import Clock
from bot.core.errors import ImageError, RouteClosed
from bot.core.loops import KeyedLocks
from bot.domain.job import Job, JobMessage, JobState
from bot.domain.moderation.cases import Case, CaseState, Decision
from bot.domain.outbox import ItemKind, OutboxItem
from bot.services.pipeline.results import ResultImage
from bot.services.services import Services
from bot.store import documents, gallery, jobs, messages
from bot.store.moderation import cases
from cogs.kit import spoilers
from cogs.kit.posting import Draft, Poster, ids_in
from cogs.kit.request import services_of
from cogs.moderation import case_texts, views

if TYPE_CHECKING:
    from bot.client import Easel

log = structlog.get_logger(__name__)

Handler = Callable[[OutboxItem, Job | None], Awaitable[None]]


class CasePosts:
    """The handlers of these items. Discord's refusals come out as discord.py's, to be explained by the caller."""

    def __init__(self, client: Easel, *, clock: Clock) -> None:
        self._client = client
        self._poster = Poster(client, clock=clock)
        self._locks = KeyedLocks()  # one hand at a time on a message, also on one that is about to be posted
        self.handlers: Mapping[ItemKind, Handler] = {
            ItemKind.COVER: self._cover,
            ItemKind.CASE: self._case,
            ItemKind.LOG: self._log,
            ItemKind.GALLERY: self._gallery,
            ItemKind.TELL_AUTHOR: self._tell_author,
            ItemKind.TELL_BLOCK: self._tell_block,
        }

    async def _cover(self, item: OutboxItem, job: Job | None) -> None:
        """As the job says now, in whatever order items come."""
        async with self._locks.of(item.data["message_id"]):
            if item.job_id is not None:
                job = await self._services.reader.read(jobs.get, item.job_id)
            if job is None or job.state is JobState.DELETED:
                raise RouteClosed("The picture is not there any more.")
            message = await self._channel(item.data["channel_id"]).fetch_message(item.data["message_id"])
            if self._client.user is None or message.author.id != self._client.user.id:
                raise RouteClosed("It is another one's message.")
            await spoilers.set_hidden(message, await self._services.reader.read(messages.is_hidden, job, message.id))

    # --- cases -----------------------------------------------------------------------------------------------------

    async def _case(self, item: OutboxItem, _job: Job | None) -> None:
        case_id = int(item.data["case_id"])
        async with self._locks.of(("case", case_id)):
            about, shown = await self._services.reader.read(cases.get, case_id), None
            if about is not None and about.post_message_id is None and about.state is not CaseState.DECIDED:
                shown = await self._post_case(item, about)
                about = await self._services.reader.read(cases.get, case_id)
            if about is None or about.post_message_id is None or about.post_channel_id is None:
                return  # it waits in /imagemod cases
            sheet = await views.case_sheet(self._client, about)
            if sheet != shown:
                await self._rewrite(about.post_channel_id, about.post_message_id, sheet)

    async def _post_case(self, item: OutboxItem, about: Case) -> Draft | None:
        """Into the moderators' channel, where they have one, with a copy of the image; what it says."""
        channel_id = (await self._services.guilds.settings(about.guild_id)).policy.cases_channel_id
        if channel_id is None:
            return None
        sheet = await views.case_sheet(self._client, about)
        job = await self._job(about.job_id)
        async with self._images(job, about.guild_id) as images:
            message = await self._poster.once(
                self._channel(channel_id),
                replace(sheet, images=images, spoiler=True),
                nonce=f"case-{about.id}-{'appeal' if about.appealed_at else 'first'}",
                was_tried=bool(item.attempts),
                is_same=lambda m: views.CASE(decision=Decision.KEEP, case=about.id) in ids_in(m),
                reply_to=item.data.get("reply_to"),
            )
        if not await self._services.posts.case_posted(about, channel_id=channel_id, message_id=message.id):
            await message.delete()
        return sheet

    # --- the log ---------------------------------------------------------------------------------------------------

    async def _log(self, item: OutboxItem, _job: Job | None) -> None:
        job_id = str(item.data["job_id"])
        async with self._locks.of(("log", job_id)):
            post, shown = await self._services.reader.read(messages.log_post, job_id), None
            if post is None:
                post, shown = await self._post_log(item, job_id)
            job = await self._job(job_id)
            if post is None or job is None:
                return
            sheet = await views.log_sheet(self._client, job, views.server_of(job))
            if sheet != shown:
                await self._rewrite(post.channel_id, post.message_id, sheet)

    async def _post_log(self, item: OutboxItem, job_id: str) -> tuple[JobMessage | None, Draft | None]:
        """Into the log channel, where the server has one; also what it shows."""
        job = await self._job(job_id)
        guild_id = None if job is None else views.server_of(job)
        channel_id = (await self._services.guilds.settings(guild_id)).policy.log_channel_id
        if job is None or channel_id is None:
            return None, None
        sheet = await views.log_sheet(self._client, job, guild_id)
        message = await self._poster.once(
            self._channel(channel_id),
            sheet,
            nonce=f"log-{job_id}",
            was_tried=bool(item.attempts),
            is_same=lambda m: views.JUDGE(decision=Decision.KEEP, job=job_id) in ids_in(m),
        )
        post = await self._services.posts.log_posted(job_id, guild_id=guild_id, channel_id=channel_id, message_id=message.id)
        if post is None:
            await message.delete()
        return post, sheet

    # --- the gallery -----------------------------------------------------------------------------------------------

    async def _gallery(self, item: OutboxItem, job: Job | None) -> None:
        shown = await self._services.reader.read(gallery.get, int(item.data["message_id"]))
        if shown is None or shown.post_message_id is not None or job is None or job.spoiler or job.state is JobState.DELETED:
            return
        channel_id = (await self._services.guilds.settings(shown.guild_id)).policy.gallery.channel_id
        if channel_id is None:
            return
        async with self._images(job, shown.guild_id) as images:
            if not images:
                raise RouteClosed("The picture cannot be had any more.")
            with views.speaking(self._client, shown.guild_id):
                sheet = Draft(content=case_texts.gallery(job, shown, self._services.orders.models.title), images=images)
            message = await self._poster.once(
                self._channel(channel_id),
                sheet,
                nonce=f"gallery-{job.id}",
                was_tried=bool(item.attempts),
                is_same=lambda m: any(f"easel-{job.id}-" in attachment.filename for attachment in m.attachments),
            )
        await self._services.posts.gallery_posted(shown, channel_id=channel_id, message_id=message.id)
        now = await self._job(job.id)
        if now is None or now.state is JobState.DELETED:
            await message.delete()
        elif now.spoiler:
            await spoilers.set_hidden(message, True)

    # --- a word to a member ----------------------------------------------------------------------------------------

    async def _tell_author(self, item: OutboxItem, _job: Job | None) -> None:
        about = await self._services.reader.read(cases.get, int(item.data["case_id"]))
        if about is None or about.state is not CaseState.DECIDED:
            return  # it is under appeal again: the next decision is told
        job = await self._job(about.job_id)
        chosen = await self._services.reader.read(documents.preferences, about.author_id)
        with i18n.speaking(chosen.locale or (job.place.locale if job else None)):
            content = case_texts.told_author(about, job, self._server(about.guild_id))
            await self._tell(item, about.author_id, Draft(content=content, buttons=views.appeal_buttons(about)))

    async def _tell_block(self, item: OutboxItem, _job: Job | None) -> None:
        data, user_id = item.data, item.user_id
        if user_id is None:
            return
        with i18n.speaking((await self._services.reader.read(documents.preferences, user_id)).locale):
            content = case_texts.told_blocked(self._server(data["guild_id"]), data["until"], data["reason"])
            await self._tell(item, user_id, Draft(content=content))

    async def _tell(self, item: OutboxItem, user_id: int, sheet: Draft) -> None:
        channel = await self._client.create_dm(discord.Object(user_id))
        was_tried, said = bool(item.attempts), sheet.content
        await self._poster.once(channel, sheet, nonce=item.id, was_tried=was_tried, is_same=lambda m: m.content == said)

    # --- parts -----------------------------------------------------------------------------------------------------

    async def _rewrite(self, channel_id: int, message_id: int, sheet: Draft) -> None:
        """The words and the buttons; attachments stay as they are."""
        message = self._channel(channel_id).get_partial_message(message_id)
        await message.edit(content=sheet.content, view=sheet.view, allowed_mentions=sheet.allowed_mentions)

    @asynccontextmanager
    async def _images(self, job: Job | None, guild_id: int) -> AsyncIterator[tuple[ResultImage, ...]]:
        """The images of a job as they can still be had; none where they cannot."""
        guild = self._client.get_guild(guild_id)
        limit = guild.filesize_limit if guild else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES
        async with AsyncExitStack() as stack:
            images: tuple[ResultImage, ...] = ()
            if job is not None:
                try:
                    images = await stack.enter_async_context(self._services.results.open(job, limit_bytes=limit))
                except ImageError as error:
                    log.info("no picture for a post", job=job.id, reason=error.sentence)
            yield images

    async def _job(self, job_id: str | None) -> Job | None:
        return None if job_id is None else await self._services.reader.read(jobs.get, job_id)

    @property
    def _services(self) -> Services:
        return services_of(self._client)

    def _server(self, guild_id: int) -> str:
        guild = self._client.get_guild(guild_id)
        return guild.name if guild else str(guild_id)

    def _channel(self, channel_id: int) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(channel_id)
