"""How the process stops: gracefully at the first signal, at once at the second, and in any case in time."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Coroutine
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)

_MORE_S: Final = 8.0  # after the grace time: for closing connections and the database
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def stop_at_signals(stop: asyncio.Event, *, grace_s: float) -> None:
    """Set `stop` at SIGINT or SIGTERM.

    From then on another signal ends the process at once, and so does whatever keeps it a few seconds longer than `grace_s`: a thread that
    waits for a name server, or a peer that does not answer. What was written is safe, as after a crash.
    """
    loop = asyncio.get_running_loop()

    def begin() -> None:
        stop.set()
        for signum in _SIGNALS:
            loop.remove_signal_handler(signum)
            signal.signal(signum, signal.SIG_DFL)
        timer = threading.Timer(grace_s + _MORE_S, _end)
        timer.daemon = True
        timer.start()

    for signum in _SIGNALS:
        loop.add_signal_handler(signum, begin)


async def unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Whether the work was done; at `stop` it is cancelled. Raises what the work raises."""
    working, stopping = asyncio.create_task(work, name="start"), asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        return working.done()
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.wait({working, stopping})


def _end() -> None:
    log.error("stop took too long, ended")
    os._exit(1)
