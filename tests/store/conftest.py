"""What more than one test of the store asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.store.engine import Store
from tests.jobs.shelf import check_ledger


@pytest.fixture
async def ledger_is_sound(store: Store) -> AsyncIterator[None]:
    """Afterwards, whatever the test did."""
    yield
    await check_ledger(store)
