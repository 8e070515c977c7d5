"""Outbox items of moderation: cases, the log, the gallery, spoilers, and direct messages about decisions.

Each message is built from the current state and checked again after posting, so that it also shows changes made in between.
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
from bot.core.errors import ImageError, MessageRefused, RouteClosed, TryLater
from bot.core.running.coordination import SharedLocks
from bot.domain.guild.document import Policy
from bot.domain.job import Job, JobMessage, JobState, ReplyTarget
from bot.domain.moderation.cases import Case, CaseState, Decision
from bot.domain.moderation.strikes import StrikeGiven
from bot.domain.outbox import ItemKind, OutboxItem
from bot.domain.visibility import Audience, Origin, border
from bot.services.pipeline.delivery.fitting import ResultImage
from bot.services.services import Services
from bot.store import documents, gallery, jobs, messages
from bot.store.moderation import cases, flagging
from cogs.kit import spoilers
from cogs.kit.audience import guild_language
from cogs.kit.channels import KnownChannels, fetch_channel, writable
from cogs.kit.outbound import reopening
from cogs.kit.posting import Draft, Poster, ids_in
from cogs.kit.request import services_of
from cogs.moderation import appeals, case_texts, views

if TYPE_CHECKING:
    from bot.client.easel import Easel

_FILES_MAX = 10  # in a message

log = structlog.get_logger(__name__)

Handler = Callable[[OutboxItem, Job | None], Awaitable[None]]


class CasePosts:
    """Handlers of these items. They raise discord.py's own errors; the caller translates them."""

    def __init__(self, client: Easel, *, clock: Clock) -> None:
        self._client = client
        self._poster = Poster(client, clock=clock)
        self._locks = SharedLocks("post", client.coordination)  # one task at a time on a message, also before it is posted
        self.handlers: Mapping[ItemKind, Handler] = {
            ItemKind.COVER: self._cover,
            ItemKind.CASE: self._case,
            ItemKind.LOG: self._log,
            ItemKind.GALLERY: self._gallery,
            ItemKind.TELL_AUTHOR: self._tell_author,
            ItemKind.TELL_HIDDEN: self._tell_hidden,
            ItemKind.TELL_BLOCK: self._tell_block,
        }

    async def _cover(self, item: OutboxItem, job: Job | None) -> None:
        """Set the spoiler from the job's current state, so the order of items does not matter."""
        async with self._locks.of(item.data["message_id"]):
            if item.job_id is not None:
                job = await self._services.reader.read(jobs.get, item.job_id)
            if job is None or job.state is JobState.DELETED:
                raise RouteClosed("The image no longer exists.")
            message = await self._channel(item.data["channel_id"]).fetch_message(item.data["message_id"])
            if self._client.user is None or message.author.id != self._client.user.id:
                raise RouteClosed("The message is not the bot's.")
            hidden = await self._services.reader.read(messages.is_hidden, job, message.id)
            shown = await self._services.reader.read(messages.get, message.id)
            guild_id = shown.guild_id if shown is not None else message.guild.id if message.guild else None
            by = await self._services.reader.read(flagging.hidden_by, job, guild_id) if hidden else None
            try:
                await reopening(self._client, message.channel.id, lambda: spoilers.set_hidden(message, hidden, by=by))
            except MessageRefused:
                if not hidden:
                    raise
                await spoilers.take_off(message)

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
            readers = await views.moderators_in(self._client, about.guild_id, about.post_channel_id)
            draft = await views.case_draft(self._client, about, readers)
            if draft != shown:
                await self._edit(about.post_channel_id, about.post_message_id, draft)

    async def _post_case(self, item: OutboxItem, about: Case) -> Draft | None:
        """Post the case with a copy of the image, if a channel is set. Returns the draft without images, or None."""
        channel = await writable(self._client, about.guild_id, (await self._policy(about.guild_id)).cases_channel_id)
        if channel is None:
            return None
        readers = await self._audience(about.guild_id, channel.id, moderates=True)
        draft = await views.case_draft(self._client, about, readers)
        file = await views.file_of(self._client, about)
        job = file.job if await views.may_see(self._client, file, readers) else None
        async with (
            self._images(job, about.guild_id) as shown,
            self._withheld(job if readers.only_moderators else None, about.guild_id) as withheld,
        ):
            images = (*shown, *withheld)[:_FILES_MAX]
            with await guild_language(self._client, about.guild_id):
                message = await self._poster.once(
                    channel,
                    replace(draft, images=images, spoiler=True),
                    nonce=f"case-{about.id}-{'appeal' if about.appealed_at else 'first'}",
                    was_tried=bool(item.attempts),
                    is_same=lambda m: views.CASE(decision=Decision.KEEP, case=about.id) in ids_in(m),
                    reply_to=item.data.get("reply_to"),
                )
        if not await self._services.posts.case_posted(about, channel_id=channel.id, message_id=message.id):
            await message.delete()
        return draft

    # --- the log ---------------------------------------------------------------------------------------------------

    async def _log(self, item: OutboxItem, _job: Job | None) -> None:
        job_id = str(item.data["job_id"])
        job = await self._job(job_id)
        guild_id = item.data.get("guild_id") or (None if job is None else views.guild_of(job))
        if guild_id is None:
            return
        async with self._locks.of(("log", guild_id, job_id)):
            post, shown = await self._services.reader.read(messages.log_post, job_id, guild_id), None
            if post is None:
                post, shown = await self._post_log(item, job_id, guild_id)
            job = await self._job(job_id)
            if post is None or job is None:
                return
            readers = await views.moderators_in(self._client, guild_id, post.channel_id)
            draft = await views.log_draft(self._client, job, guild_id, readers)
            if draft != shown:
                await self._edit(post.channel_id, post.message_id, draft)

    async def _post_log(self, item: OutboxItem, job_id: str, guild_id: int) -> tuple[JobMessage | None, Draft | None]:
        """Post to the guild's log channel, if one is set. Returns the post and its draft, or None for both."""
        job, channel = await self._job(job_id), await writable(self._client, guild_id, (await self._policy(guild_id)).log_channel_id)
        if job is None or channel is None:
            return None, None
        readers = await self._audience(guild_id, channel.id, moderates=True)
        draft = await views.log_draft(self._client, job, guild_id, readers)
        message = await self._poster.once(
            channel,
            draft,
            nonce=f"log-{job_id}",
            was_tried=bool(item.attempts),
            is_same=lambda m: views.JUDGE(decision=Decision.KEEP, job=job_id) in ids_in(m),
        )
        post = await self._services.posts.log_posted(job_id, guild_id=guild_id, channel_id=channel.id, message_id=message.id)
        if post is None:
            await message.delete()
        return post, draft

    # --- the gallery -----------------------------------------------------------------------------------------------

    async def _gallery(self, item: OutboxItem, job: Job | None) -> None:
        shown = await self._services.reader.read(gallery.get, int(item.data["message_id"]))
        if shown is None or shown.post_message_id is not None or job is None or job.spoiler or job.state is JobState.DELETED:
            return
        rules = (await self._policy(shown.guild_id)).gallery
        channel = await writable(self._client, shown.guild_id, rules.channel_id)
        if channel is None:
            await self._services.posts.gallery_closed(shown)
            return
        starred = await self._services.reader.read(messages.get, shown.message_id)
        if await self._services.reader.read(messages.is_hidden, job, shown.message_id):
            return
        found = border(await self._origin(job, starred or job.place), await self._audience(shown.guild_id, channel.id))
        if found is not None:
            log.info("not in the gallery: its readers may not see the image", job=job.id, border=found)
            await self._services.posts.gallery_closed(shown)
            return
        async with self._images(job, shown.guild_id) as images:
            if not images:
                raise RouteClosed("The image cannot be loaded any more.")
            with await guild_language(self._client, shown.guild_id):
                content = case_texts.gallery(job, shown, (starred or job.place).channel_id, self._services.orders.models.title)
                draft = Draft(content=content, images=images, needs_images=True)
                try:
                    message = await self._poster.once(
                        channel,
                        draft,
                        nonce=f"gallery-{job.id}",
                        was_tried=bool(item.attempts),
                        is_same=lambda m: any(f"easel-{job.id}-" in attachment.filename for attachment in m.attachments),
                    )
                except discord.NotFound:
                    await self._services.posts.gallery_closed(shown)
                    raise
        await self._services.posts.gallery_posted(shown, channel_id=channel.id, message_id=message.id, reward=rules.reward)
        now = await self._job(job.id)
        if now is None or now.state is JobState.DELETED:
            await message.delete()
        elif now.spoiler:
            await spoilers.set_hidden(message, True)

    # --- direct messages ---------------------------------------------------------------------------------------------

    async def _tell_author(self, item: OutboxItem, _job: Job | None) -> None:
        about = await self._services.reader.read(cases.get, int(item.data["case_id"]))
        if about is None or about.state is not CaseState.DECIDED:
            return  # it was appealed: the next decision gets its own message
        job = await self._job(about.job_id)
        chosen = await self._services.reader.read(documents.preferences, about.author_id)
        struck = StrikeGiven(**item.data["strike"]) if item.data.get("strike") else None
        async with self._withheld(job if about.decision is Decision.KEEP else None, None) as images:
            with i18n.speaking(chosen.locale):
                told = "" if struck is None else f"\n{struck.sentence} {struck.end}".rstrip()
                content = case_texts.author_notice(about, job, await self._guild_name(about.guild_id), are_sent=bool(images))
                draft = Draft(content=f"{content}{told}", buttons=views.appeal_buttons(about), images=images)
                await self._tell(item, about.author_id, draft)

    async def _tell_hidden(self, item: OutboxItem, _job: Job | None) -> None:
        about = await self._services.reader.read(cases.get, int(item.data["case_id"]))
        if about is None or about.state is not CaseState.OPEN:
            return  # a moderator was faster
        job = await self._job(about.job_id)
        with i18n.speaking((await self._services.reader.read(documents.preferences, about.author_id)).locale):
            content = case_texts.hidden_notice(about, job, await self._guild_name(about.guild_id))
            await self._tell(item, about.author_id, Draft(content=content))

    async def _tell_block(self, item: OutboxItem, _job: Job | None) -> None:
        data, user_id = item.data, item.user_id
        if user_id is None:
            return
        with i18n.speaking((await self._services.reader.read(documents.preferences, user_id)).locale):
            content = case_texts.block_notice(await self._guild_name(data["guild_id"]), data["until"], data["reason"])
            buttons = (appeals.button(data["block_id"]),) if data.get("block_id") else ()
            await self._tell(item, user_id, Draft(content=content, buttons=buttons))

    async def _tell(self, item: OutboxItem, user_id: int, draft: Draft) -> None:
        channel = await self._client.create_dm(discord.Object(user_id))
        was_tried, content = bool(item.attempts), draft.content
        await self._poster.once(channel, draft, nonce=item.id, was_tried=was_tried, is_same=lambda m: m.content == content)

    # --- parts -----------------------------------------------------------------------------------------------------

    async def _edit(self, channel_id: int, message_id: int, draft: Draft) -> None:
        """Update text and buttons; attachments stay."""
        message = self._channel(channel_id).get_partial_message(message_id)
        await message.edit(content=draft.content, view=draft.view, allowed_mentions=draft.allowed_mentions)

    @asynccontextmanager
    async def _images(self, job: Job | None, guild_id: int) -> AsyncIterator[tuple[ResultImage, ...]]:
        """The images of a job; empty if they cannot be loaded."""
        limit = await self._limit_bytes(guild_id)
        async with AsyncExitStack() as stack:
            images: tuple[ResultImage, ...] = ()
            if job is not None:
                try:
                    with await guild_language(self._client, guild_id):  # for the notes on what is changed of them
                        images = await stack.enter_async_context(self._services.results.open(job, limit_bytes=limit))
                except ImageError as error:
                    log.info("images not available for a post", job=job.id, reason=error.sentence)
            yield images

    @asynccontextmanager
    async def _withheld(self, job: Job | None, guild_id: int | None) -> AsyncIterator[tuple[ResultImage, ...]]:
        """The images of a job that a check withheld, for a channel of a guild or a direct message."""
        if job is None or not job.withheld:
            yield ()
            return
        async with self._services.results.withheld(job, limit_bytes=await self._limit_bytes(guild_id)) as images:
            yield images

    async def _limit_bytes(self, guild_id: int | None) -> int:
        guild = None if guild_id is None else await self._client.found_guild(guild_id)
        return guild.filesize_limit if guild else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES

    async def _origin(self, job: Job, shown: ReplyTarget | JobMessage) -> Origin:
        """The job's image as this message shows it."""
        known = KnownChannels(self._client)
        await known.learn((shown.guild_id, shown.channel_id))
        return replace(known.origin_of(job), channels=(known.get(shown.guild_id, shown.channel_id),))

    async def _audience(self, guild_id: int, channel_id: int, *, moderates: bool = False) -> Audience:
        """The readers of a channel that the guild's settings name. Raises `TryLater` while the guild's state has not arrived."""
        if moderates:
            audience = await views.moderators_in(self._client, guild_id, channel_id)
        else:
            audience = Audience(channel=await fetch_channel(self._client, guild_id=guild_id, channel_id=channel_id))
        if audience.channel.readers is None:
            raise TryLater("The server's roles and channels aren't known yet.")
        return audience

    async def _job(self, job_id: str | None) -> Job | None:
        return None if job_id is None else await self._services.reader.read(jobs.get, job_id)

    async def _policy(self, guild_id: int) -> Policy:
        return (await self._services.guilds.settings(guild_id)).policy

    @property
    def _services(self) -> Services:
        return services_of(self._client)

    async def _guild_name(self, guild_id: int) -> str:
        guild = await self._client.found_guild(guild_id)
        return guild.name if guild else str(guild_id)

    def _channel(self, channel_id: int) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(channel_id)
