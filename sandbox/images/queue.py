"""Oxen's queue: accepts requests, runs generations and keeps their rows."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from sandbox.faults import FaultHold
from sandbox.images.generations import ACTIVE, GenerationRequest, OxenGeneration, OxenStatus
from sandbox.images.oxen_errors import OxenApiError, OxenErrorType
from sandbox.images.renderer import GenerationFailed, Renderer

if TYPE_CHECKING:
    from sandbox.faults import Switchboard
    from sandbox.images.account import ApiAccount
    from sandbox.images.timing import ApiTiming

KEPT_ROWS_BYTES = 64 * 2**20


class OxenQueue:
    """Runs every generation. `announce` is called once for each that succeeds or fails."""

    def __init__(
        self, *, renderer: Renderer, switchboard: Switchboard, timing: ApiTiming, announce: Callable[[OxenGeneration], None]
    ) -> None:
        self._renderer = renderer
        self._switchboard = switchboard
        self._timing = timing
        self._announce = announce
        self._rows: dict[str, OxenGeneration] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._rows_bytes = 0
        self._stuck = FaultHold(switchboard, "generation-stuck")
        self.enqueued = 0  # in total
        self.paid = 0  # charged and not refunded, in total, including synchronous calls

    def submit(self, request: GenerationRequest, *, count: int, in_queue: bool = True) -> list[OxenGeneration]:
        """Charge the cost and start `count` generations. Raises `OxenApiError` if the credit does not cover them."""
        cost_usd = request.cost_usd * count
        if self._switchboard.fires("out-of-credit") or not request.account.can_pay(cost_usd):
            raise OxenApiError(402, OxenErrorType.INVALID_PARAMS, "Insufficient credits")
        request.account.credit_usd -= cost_usd
        taken = [OxenGeneration(request=request, seed=_seed(request), in_queue=in_queue) for _ in range(count)]
        self.enqueued += count if in_queue else 0
        for generation in taken:
            generation.added_words = ", highly detailed" if self._switchboard.fires("rows-rewritten") else ""
            self._add_row(generation)
            self._begin(generation)
        return taken

    def find(self, generation_id: str, account: ApiAccount | None = None) -> OxenGeneration | None:
        """A generation by id, optionally only of one account."""
        generation = self._rows.get(generation_id)
        return generation if generation and (account is None or generation.request.account is account) else None

    def rows(self, account: ApiAccount | None = None) -> list[OxenGeneration]:
        """Oldest first."""
        return [each for each in self._rows.values() if account is None or each.request.account is account]

    @property
    def in_work(self) -> int:
        """How many generations have not ended."""
        return sum(each.status in ACTIVE for each in self._rows.values())

    def cancel(self, generation: OxenGeneration) -> bool:
        """Stop an active generation and refund its cost. False if it had already ended."""
        if generation.status not in ACTIVE:
            return False
        self._tasks[generation.id].cancel()
        self._end(generation, OxenStatus.CANCELLED)
        return True

    async def close(self) -> None:
        """Cancel all active generations, so that waiting calls are answered."""
        tasks = list(self._tasks.values())
        for generation in list(self._rows.values()):
            self.cancel(generation)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, generation: OxenGeneration) -> None:
        task = asyncio.create_task(self._run(generation), name=f"generation {generation.id}")
        self._tasks[generation.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(generation.id))

    async def _run(self, generation: OxenGeneration) -> None:
        try:
            self._end(generation, await self._generate(generation))
        except GenerationFailed as error:
            self._end(generation, OxenStatus.FAILED, str(error))
        finally:
            if generation.status in ACTIVE:  # an error in the sandbox itself must not leave callers waiting forever
                self._end(generation, OxenStatus.FAILED, "Something went wrong")

    async def _generate(self, generation: OxenGeneration) -> OxenStatus:
        """Run one generation and return its final status. Raises `GenerationFailed`."""
        await asyncio.sleep(self._timing.queue_s)
        generation.begin()
        if self._switchboard.fires("generation-cancelled"):
            return OxenStatus.CANCELLED
        await self._stuck.wait()
        if self._switchboard.fires("generation-fails"):
            raise GenerationFailed("The model ran out of memory")
        link = generation.request.reference_link
        if link is not None and self._switchboard.fires("reference-unread"):
            raise GenerationFailed(f"403 Client Error: Forbidden for url: {link}")
        now = asyncio.get_running_loop().time
        due = now() + self._timing.image_s(str(generation.request.prompt), generation.seed)
        await self._renderer.image_of(generation)
        await asyncio.sleep(due - now())
        return OxenStatus.SUCCEEDED

    def _end(self, generation: OxenGeneration, status: OxenStatus, error: str | None = None) -> None:
        has_begun = generation.status is OxenStatus.PROCESSING
        generation.is_charged = status is OxenStatus.SUCCEEDED or (
            status is OxenStatus.CANCELLED and has_begun and self._switchboard.fires("cancel-charged")
        )
        self.paid += generation.is_charged
        if generation.is_charged and self._switchboard.fires("charge-doubled"):
            generation.charges = 2
            generation.request.account.credit_usd -= generation.request.cost_usd
        if status is OxenStatus.SUCCEEDED:
            generation.first_link_is_stale = self._switchboard.fires("result-expired")
        if not generation.is_charged:
            generation.request.account.credit_usd += generation.request.cost_usd
        generation.end(status, error)
        if status is not OxenStatus.CANCELLED:
            self._announce(generation)

    def _add_row(self, generation: OxenGeneration) -> None:
        """Keep the row. Memory is bounded: the oldest ended rows are dropped first."""
        self._rows[generation.id] = generation
        self._rows_bytes += generation.size_bytes
        while self._rows_bytes > KEPT_ROWS_BYTES:
            oldest = next((each for each in self._rows.values() if each.status not in ACTIVE), None)
            if oldest is None:
                return
            del self._rows[oldest.id]
            self._rows_bytes -= oldest.size_bytes


def _seed(request: GenerationRequest) -> int:
    submitted = request.body.get("seed")
    return int(submitted) if isinstance(submitted, int | float) else random.getrandbits(31)
