"""What follows from a reaction: whether it is to be acted on, and the requests that it makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog

from bot.core.clock import Clock
from bot.domain.gestures import Claim, Gesture, Reaction
from bot.domain.guild.settings import Preset
from bot.domain.job import Job, JobKind
from bot.domain.order import Attachment, Order
from bot.domain.outbox import ItemKind, OutboxItem
from bot.domain.presets import model_of
from bot.domain.request import Request
from bot.services.orders import Orders
from bot.store import reactions
from bot.store.engine.base import Store
from bot.store.reactions import PAUSE_MS

log = structlog.get_logger(__name__)

# How many reactions of one member are acted on within ten seconds. What makes images or sends messages costs credits and Discord's
# patience, and three at a time is more than a person means; judging a row of images, as a moderator does, goes faster.
BURST_MAKING = 3
BURST_JUDGING = 10
_DAY_MS = 86_400_000
_NOTE_MS = 120_000  # how long a note stays


@dataclass(frozen=True, kw_only=True)
class Reactions:
    """Takes reactions in. Every method is one transaction at most, besides those of `Orders`."""

    store: Store
    orders: Orders
    clock: Clock

    async def claim(self, reaction: Reaction, gesture: Gesture) -> Claim:
        """Call this before anything is done for a reaction; only `Claim.NEW` is to be acted on.

        A claim is written before its request: where a crash comes between them nothing was made or charged, and the same reaction,
        taken back and given again, asks anew. What is given while the bot is away is never heard of.
        """
        burst, pause_ms = (BURST_MAKING, PAUSE_MS) if gesture.makes else (BURST_JUDGING, 0)
        return await self.store.write(reactions.claim, reaction, burst=burst, pause_ms=pause_ms, now=self.clock())

    async def taken_back(self, reaction: Reaction) -> Job | None:
        """A member took a reaction away. The job that was cancelled by it: one of which nothing was sent to the image API yet."""
        cancelled = await self.store.write(reactions.take_back, reaction, self.clock())
        if cancelled is not None:
            log.info("cancelled by taking a reaction away", job=cancelled.id)
        return cancelled

    async def stands(self, reaction: Reaction) -> bool:
        """Whether this reaction was acted on and not taken back."""
        return await self.store.read(reactions.stands, reaction)

    # --- what makes images ---------------------------------------------------------------------------------------

    async def run_preset(self, request: Request, reaction: Reaction, preset: Preset, attachment: Attachment, *, spoiler: bool) -> Job:
        """A preset's edit of an image. Raise a `Refusal`, nothing charged."""
        order = Order(
            request=request,
            prompt=preset.prompt,
            kind=JobKind.EDIT,
            model=model_of(preset, self.orders.models.catalog, self.orders.default_model).id,
            more=preset.more,
            attachments=(attachment,),
            spoiler=spoiler,
            reaction=preset.emoji,
        )
        return await self._asked(reaction, (await self.orders.order(order)).job)

    async def again(self, request: Request, reaction: Reaction, job: Job) -> Job:
        """The same request as `job`, on the quota of whoever reacts. Raise a `Refusal`, nothing charged."""
        return await self._asked(reaction, (await self.orders.again(job, request, reaction=reaction.emoji)).job)

    async def _asked(self, reaction: Reaction, job: Job) -> Job:
        """A reaction that was taken back while its job was written takes the job back, too."""
        if not await self.store.write(reactions.note_job, reaction, job.id):
            await self.taken_back(reaction)
        return job

    # --- what judges images --------------------------------------------------------------------------------------

    # --- what is known of messages ---------------------------------------------------------------------------------

    # --- notes: short answers that go by themselves ------------------------------------------------------------------

    async def may_be_pointed(self, user_id: int) -> bool:
        """Whether a member may be told, unasked, how other people's images are edited: once a day."""
        return await self.store.write(reactions.first_in, f"pointed:{user_id}", _DAY_MS, self.clock())

    async def note_left(self, reaction: Reaction, *, channel_id: int, message_id: int) -> None:
        """A note was posted; it is taken away after two minutes, unless `take_note` comes first."""
        now = self.clock()
        where = {"channel_id": channel_id, "message_id": message_id}
        removal = OutboxItem(kind=ItemKind.REMOVE, due_at=now + _NOTE_MS, user_id=reaction.user_id, data=where)
        await self.store.write(reactions.keep_note, reaction, removal, now)

    async def take_note(self, reaction: Reaction) -> dict[str, Any] | None:
        """The note that stands for this reaction (channel_id, message_id): the caller is to take it away."""
        return await self.store.write(reactions.take_note, reaction, self.clock())
