"""What follows from a reaction: whether it is to be acted on, and the requests that it makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog

from bot.core.clock import Clock
from bot.domain.gestures import MEANINGS, STARS, Gesture, plain
from bot.domain.guild.settings import Preset, ServerSettings
from bot.domain.job import SHOWING, Job, Kind
from bot.domain.order import Attachment, Order
from bot.domain.request import Request
from bot.services.orders import Studio
from bot.services.presets import model_of
from bot.store import messages, reactions
from bot.store.engine.base import Store
from bot.store.outbox import ItemKind, OutboxItem
from bot.store.reactions import PAUSE_MS, Claim, Given

log = structlog.get_logger(__name__)

# How many reactions of one member are acted on within ten seconds. What makes pictures or sends messages costs credits and Discord's
# patience, and three at a time is more than a person means; judging a row of pictures, as a moderator does, goes faster.
BURST_MAKING = 3
BURST_JUDGING = 10
_DAY_MS = 86_400_000
_NOTE_MS = 120_000  # how long a note stays


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What an emoji asks for, in the server where it was given."""

    gesture: Gesture
    preset: Preset | None = None  # of the gesture PRESET


@dataclass(frozen=True, kw_only=True)
class Reactions:
    """Takes reactions in. Every method is one transaction at most, beside the studio's own."""

    store: Store
    studio: Studio
    clock: Clock

    def meaning(self, emoji: str, settings: ServerSettings) -> Meaning | None:
        """What this emoji asks for under these settings; None for all the others, which people give to each other."""
        fixed = MEANINGS.get(plain(emoji))
        if fixed is not None:
            return Meaning(gesture=fixed)
        gift = settings.policy.gifts.by_reaction
        if gift is not None and settings.policy.gifts.on and plain(gift.emoji) == plain(emoji):
            return Meaning(gesture=Gesture.GIFT)
        preset = settings.preset(emoji)
        return None if preset is None else Meaning(gesture=Gesture.PRESET, preset=preset)

    async def claim(self, given: Given, gesture: Gesture) -> Claim:
        """Call this before anything is done for a reaction; only `Claim.NEW` is to be acted on.

        A claim is written before its request: where a crash comes between them nothing was made or charged, and the same reaction,
        taken back and given again, asks anew. What is given while the bot is away is never heard of.
        """
        burst, pause_ms = (BURST_MAKING, PAUSE_MS) if gesture.makes else (BURST_JUDGING, 0)
        return await self.store.write(reactions.claim, given, burst=burst, pause_ms=pause_ms, now=self.clock())

    async def taken_back(self, given: Given) -> Job | None:
        """A member took a reaction away. The job that was cancelled by it: one of which nothing was sent to the image API yet."""
        cancelled = await self.store.write(reactions.take_back, given, self.clock())
        if cancelled is not None:
            log.info("cancelled by taking a reaction away", job=cancelled.id)
        return cancelled

    async def stands(self, given: Given) -> bool:
        """Whether this reaction was acted on and not taken back."""
        return await self.store.read(reactions.stands, given)

    # --- what makes pictures ---------------------------------------------------------------------------------------

    async def run_preset(self, request: Request, given: Given, preset: Preset, attachment: Attachment, *, spoiler: bool) -> Job:
        """A preset's edit of a picture. Raise a `Refusal`, nothing charged."""
        order = Order(
            request=request,
            prompt=preset.prompt,
            kind=Kind.EDIT,
            model=model_of(preset, self.studio.models.catalog, self.studio.default_model).id,
            more=preset.more,
            attachments=(attachment,),
            spoiler=spoiler,
            reaction=preset.emoji,
        )
        return await self._asked(given, (await self.studio.order(order)).job)

    async def again(self, request: Request, given: Given, job: Job) -> Job:
        """The same request as `job`, on the quota of whoever reacts. Raise a `Refusal`, nothing charged."""
        return await self._asked(given, (await self.studio.again(job, request, reaction=given.emoji)).job)

    async def _asked(self, given: Given, job: Job) -> Job:
        """A reaction that was taken back while its job was written takes the job back, too."""
        if not await self.store.write(reactions.note_job, given, job.id):
            await self.taken_back(given)
        return job

    # --- what judges pictures --------------------------------------------------------------------------------------

    async def stars(self, message_id: int) -> int:
        """How many members want this message in the gallery; its maker's own star is not kept."""
        return await self.store.read(reactions.count, message_id, plain(STARS))

    # --- what is known of messages ---------------------------------------------------------------------------------

    async def shown_in(self, message_id: int) -> Job | None:
        """The job whose image this message shows, or will show, to members."""
        return await self.store.read(messages.job_of, message_id, roles=SHOWING)

    # --- notes: short answers that go by themselves ------------------------------------------------------------------

    async def may_be_pointed(self, user_id: int) -> bool:
        """Whether a member may be told, unasked, how other people's pictures are edited: once a day."""
        return await self.store.write(reactions.first_in, f"pointed:{user_id}", _DAY_MS, self.clock())

    async def note_left(self, given: Given, *, channel_id: int, message_id: int) -> None:
        """A note was posted; it is taken away after two minutes, unless `take_note` comes first."""
        now = self.clock()
        where = {"channel_id": channel_id, "message_id": message_id}
        removal = OutboxItem(kind=ItemKind.REMOVE, due_at=now + _NOTE_MS, user_id=given.user_id, data=where)
        await self.store.write(reactions.keep_note, given, removal, now)

    async def take_note(self, given: Given) -> dict[str, Any] | None:
        """The note that stands for this reaction (channel_id, message_id): the caller is to take it away."""
        return await self.store.write(reactions.take_note, given, self.clock())
