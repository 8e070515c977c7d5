"""What every test may ask for. Each suite's own fixtures stand beside it."""

from __future__ import annotations

import gc

pytest_plugins = ("tests.env.image_api", "tests.env.databases", "tests.env.providers", "tests.env.app")


def pytest_collection_finish() -> None:
    """Modules and tests stay until the end, so the garbage collector need not walk through them again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
