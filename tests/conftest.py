"""Fixtures of all tests. Those of one package are in its own conftest.py."""

from __future__ import annotations

import gc
import logging
import signal
import sys
from collections.abc import Iterator
from types import FrameType

import pytest
import structlog

pytest_plugins = (
    "tests.env.image_api",
    "tests.env.databases",
    "tests.env.providers",
    "tests.env.app",
    "tests.env.command",
    "tests.env.catalogues",
    "tests.env.compiled_statements",
    "tests.env.described_commands",
)


def pytest_sessionstart() -> None:
    """Interrupt a test as usual, with a handler that asyncio leaves alone: replacing it for each run of a loop takes a millisecond."""
    signal.signal(signal.SIGINT, _interrupt)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    signal.default_int_handler(signum, frame)


def pytest_collection_finish() -> None:
    """Modules and tests stay until the end, so the garbage collector need not walk through them again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def _forget_cached_loggers() -> None:
    """Those that were first used while a command line had set them up would go on writing as it wanted."""
    for name, module in list(sys.modules.items()):
        logger = getattr(module, "log", None) if name.startswith(("bot.", "cogs.")) else None
        if logger is not None and hasattr(logger, "__dict__"):
            vars(logger).pop("bind", None)


@pytest.fixture(autouse=True)
def restore_loggers() -> Iterator[None]:
    """Undo what a command line that ran in this process set up: its handler writes to an output that is closed by then."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("bot", "cogs"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    if structlog.is_configured():
        _forget_cached_loggers()
    structlog.reset_defaults()
