"""Reactions: which ones to act on, and the jobs that they create."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from bot.core.clock import Clock
from bot.core.running import patience
from bot.core.running.keyed_locks import KeyedLocks
from bot.core.running.loops import Timing
from bot.domain.gestures import BatchEntry, BatchPace, Claim, Gesture, Reaction, ReactionOutcome
from bot.domain.guild.settings import Preset
from bot.domain.job import Job, JobKind
from bot.domain.order import Attachment, Order, Receipt
from bot.domain.outbox import ItemKind, OutboxItem
from bot.domain.presets import model_of
from bot.domain.request import Request
from bot.domain.visibility import Origin
from bot.services.orders import Orders
from bot.store import outbox, reactions
from bot.store.engine.base import Store
from bot.store.reactions import PAUSE_MS

log = structlog.get_logger(__name__)

# Reactions of one member that are acted on within a minute. Those that make images or send messages cost credits and rate limit;
# a moderator may judge many images in a row.
BURST_MAKING = 10
BURST_JUDGING = 60
_DAY_MS = 86_400_000
_ACTS_MS = 600_000  # how long acting on a reaction may take
_EXPLAINED_MS = 600_000
_NOTE_MS = 120_000  # how long a note stays in the channel


@dataclass(frozen=True, kw_only=True)
class Reactions:
    """Every method is one transaction at most, besides those of `Orders`."""

    store: Store
    orders: Orders
    timing: Timing
    clock: Clock
    _locks: KeyedLocks = field(init=False, repr=False, default_factory=KeyedLocks)  # by member

    async def claim(self, reaction: Reaction, gesture: Gesture, *, entry: BatchEntry) -> Claim:
        """Call this before acting on a reaction, and act only on `Claim.NEW`; then call `ended`.

        The claim is written before the order. After a crash in between nothing was charged: the member is told so, and can remove the
        reaction and react again. Of reactions that came while the bot was offline, those to new images are found.
        """
        burst, pause_ms = (BURST_MAKING, PAUSE_MS) if gesture.makes else (BURST_JUDGING, 0)
        async with self._locks.of(reaction.user_id):
            return await self.store.write(
                reactions.claim, reaction, entry, burst=burst, pause_ms=pause_ms, pace=self._pace, now=self.clock()
            )

    async def ended(self, reaction: Reaction, outcome: ReactionOutcome | None) -> None:
        """The reaction was acted on; None: it meant nothing. The outbox tells its member with their other ones, if one was refused."""
        with patience.endless():
            async with self._locks.of(reaction.user_id):
                await self.store.write(outbox.end_reaction, reaction, outcome, now=self.clock(), pace=self._pace)

    async def tell(self, user_id: int, entry: BatchEntry) -> None:
        """Tell a member of something, with what became of their own reactions."""
        async with self._locks.of(user_id):
            await self.store.write(outbox.add_reaction, user_id, entry, now=self.clock(), pace=self._pace)

    @property
    def _pace(self) -> BatchPace:
        quiet_s, longest_s = self.timing.reactions_quiet_s, self.timing.reactions_longest_s
        return BatchPace(quiet_ms=int(1000 * quiet_s), longest_ms=int(1000 * longest_s), acting_ms=_ACTS_MS)

    async def claim_message(self, asked: Reaction) -> Claim:
        """The same for a message that mentions the bot, see `Reaction.of_message`."""
        return await self.store.write(reactions.claim, asked, None, burst=BURST_MAKING, pace=self._pace, now=self.clock())

    async def messages_deleted(self, message_ids: Collection[int]) -> list[Reaction]:
        """Messages were deleted. Cancels what they asked for, if nothing of it was sent. Returns those that asked for something."""
        asked = await self.store.read(reactions.asking, message_ids)
        for each in asked:
            await self.taken_back(each)
        return asked

    async def taken_back(self, reaction: Reaction) -> Job | None:
        """A member removed a reaction. Cancels and returns its job, if nothing of it was sent to the image API yet."""
        cancelled = await self.store.write(reactions.take_back, reaction, self.clock())
        if cancelled is not None:
            log.info("job cancelled by removing a reaction", job=cancelled.id)
        return cancelled

    async def remains(self, reaction: Reaction) -> bool:
        """Whether the member who removed a reaction still has the other kind of it, normal or super."""
        return await self.store.read(reactions.remains, reaction)

    async def cleared(self, message_id: int, emoji: str | None) -> list[Reaction]:
        """All reactions to a message were removed, or those with one emoji. Returns those that were there; their jobs go on."""
        return await self.store.write(reactions.clear, message_id, emoji, self.clock())

    # --- jobs ------------------------------------------------------------------------------------------------------

    async def run_preset(self, request: Request, reaction: Reaction, preset: Preset, attachment: Attachment, *, spoiler: bool) -> Receipt:
        """Edit an image with a preset. If it raises a `Refusal`, nothing is charged."""
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
        return await self._recorded(reaction, await self.orders.order(order))

    async def again(self, request: Request, reaction: Reaction, job: Job, origin: Origin) -> Receipt:
        """Repeat a job, shown at `origin`, at the cost of the member who reacted. If it raises a `Refusal`, nothing is charged."""
        return await self._recorded(reaction, await self.orders.again(job, request, origin=origin, reaction=reaction.emoji))

    async def edit_by_message(self, asked: Reaction, order: Order) -> Receipt:
        """Take the order of a message. The caller must call `Orders.answered`. If it raises a `Refusal`, nothing is charged."""
        return await self._recorded(asked, await self.orders.order(order))

    async def _recorded(self, reaction: Reaction, receipt: Receipt) -> Receipt:
        """Link the job to its reaction, or cancel it if the reaction was removed in the meantime."""
        if await self.store.write(reactions.note_job, reaction, receipt.job.id):
            return receipt
        return replace(receipt, job=await self.taken_back(reaction) or receipt.job)

    # --- notes: short messages that are deleted after a while --------------------------------------------------------

    async def may_send_hint(self, user_id: int) -> bool:
        """Whether to send the member the hint on editing other people's images: at most once a day."""
        return await self.store.write(reactions.first_in, f"pointed:{user_id}", _DAY_MS, self.clock())

    async def may_explain_replies(self, user_id: int) -> bool:
        """Whether to tell the member who mentions the bot how to ask for an edit: at most once in ten minutes."""
        return await self.store.write(reactions.first_in, f"mentioned:{user_id}", _EXPLAINED_MS, self.clock())

    async def note_posted(self, reaction: Reaction, *, channel_id: int, message_id: int) -> None:
        """Record a note; the outbox deletes it after two minutes, unless `take_note` is called first."""
        now = self.clock()
        where = {"channel_id": channel_id, "message_id": message_id}
        removal = OutboxItem(kind=ItemKind.REMOVE, due_at=now + _NOTE_MS, user_id=reaction.user_id, data=where)
        with patience.endless():
            await self.store.write(reactions.keep_note, reaction, removal, now)

    async def note_answered(self, user_id: int, *, channel_id: int, message_id: int) -> None:
        """Record a note that answers reactions in the channel; the outbox deletes it after two minutes."""
        where = {"channel_id": channel_id, "message_id": message_id}
        removal = OutboxItem(kind=ItemKind.REMOVE, due_at=self.clock() + _NOTE_MS, user_id=user_id, data=where)
        await self.store.write(outbox.add, removal)

    async def take_note(self, reaction: Reaction) -> dict[str, Any] | None:
        """Remove and return this reaction's note ("channel_id", "message_id"). The caller must delete the message."""
        return await self.store.write(reactions.take_note, reaction, self.clock())
