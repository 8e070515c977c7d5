"""The bot in its own process, with the tests' intervals, so that a test can kill it."""

from __future__ import annotations

import asyncio
import signal

from bot.app import assemble
from bot.core import config
from tests.env.timing import BRISK


async def main() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with assemble(config.load(env_file=None), timing=BRISK) as app:
        await app.serve(stop)


if __name__ == "__main__":
    asyncio.run(main())
