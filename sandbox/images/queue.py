"""The queue: takes orders, runs them, and keeps their rows."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from sandbox.faults import Gate
from sandbox.images.generations import ACTIVE, Generation, Order, Status
from sandbox.images.oxen_errors import Kind, Refusal
from sandbox.images.renderer import CannotPaint, Workshop

if TYPE_CHECKING:
    from sandbox.faults import Switchboard
    from sandbox.images.account import Account
    from sandbox.images.timing import Timing

KEPT_ROWS_BYTES = 64 * 2**20


class Queue:
    """Every generation from the order to the end. `announce` is called once for each that succeeds or fails."""

    def __init__(self, *, workshop: Workshop, switchboard: Switchboard, timing: Timing, announce: Callable[[Generation], None]) -> None:
        self._workshop = workshop
        self._switchboard = switchboard
        self._timing = timing
        self._announce = announce
        self._rows: dict[str, Generation] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._rows_bytes = 0
        self._stuck = Gate(switchboard, "generation-stuck")
        self.enqueued = 0  # ever taken by the queue
        self.paid = 0  # ever charged for good, synchronous ones too

    def take(self, order: Order, *, count: int, in_queue: bool = True) -> list[Generation]:
        """Hold the cost and begin `count` generations. Raise `Refusal` where the credit does not cover them."""
        cost_usd = order.model.cost_usd * count
        if self._switchboard.strikes("out-of-credit") or not order.account.can_pay(cost_usd):
            raise Refusal(402, Kind.INVALID_PARAMS, "Insufficient credits")
        order.account.credit_usd -= cost_usd
        taken = [Generation(order=order, seed=_seed(order), in_queue=in_queue) for _ in range(count)]
        self.enqueued += count if in_queue else 0
        for generation in taken:
            self._keep(generation)
            self._begin(generation)
        return taken

    def find(self, generation_id: str, account: Account | None = None) -> Generation | None:
        """A generation; of that account only, where one is named."""
        generation = self._rows.get(generation_id)
        return generation if generation and (account is None or generation.order.account is account) else None

    def rows(self, account: Account | None = None) -> list[Generation]:
        """Oldest first."""
        return [each for each in self._rows.values() if account is None or each.order.account is account]

    def cancel(self, generation: Generation) -> bool:
        """Stop an active one and give its cost back; True if it was active."""
        if generation.status not in ACTIVE:
            return False
        self._tasks[generation.id].cancel()
        self._end(generation, Status.CANCELLED)
        return True

    async def close(self) -> None:
        """Cancel what is under way; whoever waits for it is answered."""
        tasks = list(self._tasks.values())
        for generation in list(self._rows.values()):
            self.cancel(generation)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, generation: Generation) -> None:
        task = asyncio.create_task(self._run(generation), name=f"generation {generation.id}")
        self._tasks[generation.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(generation.id))

    async def _run(self, generation: Generation) -> None:
        try:
            self._end(generation, await self._work(generation))
        except CannotPaint as error:
            self._end(generation, Status.FAILED, str(error))
        finally:
            if generation.status in ACTIVE:  # an accident of the sandbox itself: nobody shall wait for ever
                self._end(generation, Status.FAILED, "Something went wrong")

    async def _work(self, generation: Generation) -> Status:
        """How it ended. Raise `CannotPaint`."""
        await asyncio.sleep(self._timing.queue_s)
        generation.begin()
        if self._switchboard.strikes("generation-cancelled"):
            return Status.CANCELLED
        await self._stuck.passed()
        if self._switchboard.strikes("generation-fails"):
            raise CannotPaint("The model ran out of memory")
        now = asyncio.get_running_loop().time
        due = now() + self._timing.picture_s(str(generation.order.prompt), generation.seed)
        await self._workshop.picture(generation)
        await asyncio.sleep(due - now())
        return Status.SUCCEEDED

    def _end(self, generation: Generation, status: Status, error: str | None = None) -> None:
        if status is Status.SUCCEEDED:
            self.paid += 1
            generation.first_link_is_stale = self._switchboard.strikes("result-expired")
        else:
            generation.order.account.credit_usd += generation.order.model.cost_usd
        generation.end(status, error)
        if status is not Status.CANCELLED:
            self._announce(generation)

    def _keep(self, generation: Generation) -> None:
        """Memory is bounded: the oldest ended rows are forgotten first."""
        self._rows[generation.id] = generation
        self._rows_bytes += generation.weight_bytes
        while self._rows_bytes > KEPT_ROWS_BYTES:
            oldest = next((each for each in self._rows.values() if each.status not in ACTIVE), None)
            if oldest is None:
                return
            del self._rows[oldest.id]
            self._rows_bytes -= oldest.weight_bytes


def _seed(order: Order) -> int:
    submitted = order.body.get("seed")
    return int(submitted) if isinstance(submitted, int | float) else random.getrandbits(31)
