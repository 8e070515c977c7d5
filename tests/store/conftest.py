"""Fixtures of the store's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.store.engine.base import Store
from bot.store.engine.opening import open_store
from tests.env.job_steps import check_ledger


@pytest.fixture
async def ledger_is_sound(store: Store) -> AsyncIterator[None]:
    """Check the ledger after the test."""
    yield
    await check_ledger(store)


@pytest.fixture
async def sqlite_store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:///{tmp_path}/new folder/easel.sqlite3") as store:
        yield store
