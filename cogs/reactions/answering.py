"""Outbox items about reactions: the answer to a member, and ⏳ on a message while something is being made from its image."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import discord

from bot.client.refusals import is_dm_closed
from bot.core import i18n
from bot.core.clock import Clock
from bot.core.running.keyed_locks import KeyedLocks
from bot.domain.gestures import FLAGS, WORKING, ReactionBatch, normalized_emoji
from bot.domain.job import Job
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import documents, reactions
from cogs.kit.posting import Draft, Poster
from cogs.kit.request import services_of
from cogs.reactions import answer_texts

if TYPE_CHECKING:
    from bot.client.easel import Easel

_NO_SUCH_EMOJI = 10014  # the message does not have that reaction


class ReactionAnswers:
    """Handlers of these items. They raise discord.py's own errors; the caller translates them."""

    def __init__(self, client: Easel, *, clock: Clock) -> None:
        self._client = client
        self._poster = Poster(client, clock=clock)
        self._locks = KeyedLocks()  # one task at a time marks a message
        self.handlers: Mapping[ItemKind, Callable[[OutboxItem, Job | None], Awaitable[None]]] = {
            ItemKind.MARK: self._mark,
            ItemKind.REACTIONS: self._answer,
        }

    async def _mark(self, item: OutboxItem, _job: Job | None) -> None:
        """By the current state, so the order of items does not matter. Only the order of a job adds ⏳, only the end of one removes it."""
        message = self._channel(item.data["channel_id"]).get_partial_message(item.data["message_id"])
        async with self._locks.of(message.id):
            is_used = await services_of(self._client).reader.read(reactions.is_used, message.id)
            if is_used and item.data.get("starts"):
                await message.add_reaction(WORKING)
            if not is_used:
                await self._unmark(message)

    async def _unmark(self, message: discord.PartialMessage) -> None:
        try:
            await message.remove_reaction(WORKING, discord.Object(self._client.user.id if self._client.user else 0))
        except discord.HTTPException as error:
            if error.code != _NO_SUCH_EMOJI:
                raise

    async def _answer(self, item: OutboxItem, _job: Job | None) -> None:
        """Tell the member by DM, or where they reacted if they accept none. Reactions that are still open were interrupted."""
        user_id, batch = item.user_id or 0, ReactionBatch.read(item.data)
        chosen = await services_of(self._client).reader.read(documents.preferences, user_id)
        with i18n.speaking(chosen.locale):
            content = answer_texts.answer(batch)
            if not content:
                return
            try:
                await self._post(item, await self._client.create_dm(discord.Object(user_id)), Draft(content=content))
            except discord.HTTPException as error:
                if not is_dm_closed(error):
                    raise
                await self._note(item, batch, user_id)

    async def _note(self, item: OutboxItem, batch: ReactionBatch, user_id: int) -> None:
        """A short reply that is deleted after a while; none about what others did, or about a flag: everybody would see who flagged."""
        batch = replace(batch, entries=tuple(entry for entry in batch.entries if entry.emoji != normalized_emoji(FLAGS)))
        about = next((entry for entry in reversed(batch.entries) if entry.is_failure), None)
        if about is None:
            return
        draft = Draft(content=answer_texts.note(batch, user_id), ping_ids=(user_id,))
        note = await self._post(item, self._channel(about.channel_id), draft, reply_to=about.message_id)
        await services_of(self._client).reactions.note_answered(user_id, channel_id=note.channel.id, message_id=note.id)

    async def _post(
        self,
        item: OutboxItem,
        channel: discord.DMChannel | discord.PartialMessageable,
        draft: Draft,
        *,
        reply_to: int | None = None,
    ) -> discord.Message:
        """Once: ids of batches are used again, so the nonce also has the time."""
        content, nonce = draft.content, f"{item.id}-{item.data['began_at'] % 10**12}"
        was_tried = bool(item.attempts)
        return await self._poster.once(
            channel, draft, nonce=nonce, was_tried=was_tried, is_same=lambda m: m.content == content, reply_to=reply_to
        )

    def _channel(self, channel_id: int) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(channel_id)
