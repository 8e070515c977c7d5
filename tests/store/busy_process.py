"""A process that writes to the store at argv[1] with many tasks, and prints each job id after its hold was written.

With `hold` as argv[2] it only opens the store, prints "open", and waits to be killed.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count

from bot.core.errors import StartError
from bot.domain.job import new_job_id
from bot.domain.money.quota import MICRO, Bucket
from bot.store.engine.base import Store
from bot.store.engine.opening import open_store
from tests.env.job_steps import hold, own

TASKS = 20
_BUCKET = Bucket(size=1_000_000 * MICRO, refill_per_day=0)


async def _write_forever(store: Store, member: int) -> None:
    for now in count():
        job_id = new_job_id()
        await store.write(hold, own(member, _BUCKET), [(job_id, 0, 1)], now)
        say(job_id)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _main(url: str, *, only_hold: bool) -> None:
    async with open_store(url) as store:
        if only_hold:
            say("open")
            await asyncio.Event().wait()
        async with asyncio.TaskGroup() as tasks:
            for member in range(TASKS):
                tasks.create_task(_write_forever(store, member % 5))


if __name__ == "__main__":
    try:
        asyncio.run(_main(sys.argv[1], only_hold="hold" in sys.argv))
    except StartError as error:
        sys.exit(error.sentence)
