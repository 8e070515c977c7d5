"""Batches of a move."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from bot.store.engine.base import Store
from bot.store.moving import rows
from bot.store.moving.rows import Values, add, batch_after
from bot.store.tables import tray

IMAGE = {"user_id": 1, "added_at": 1, "content_type": "image/png", "width_px": 1, "height_px": 1}


async def test_batches_are_small_and_checksums_do_not_depend_on_them(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = [bytes(size) for size in (4, 4, 4, 30, 1)]
    await store.write(lambda conn: conn.execute(insert(tray), [{**IMAGE, "content": content} for content in contents]))
    whole = await store.read(batch_after, tray, None)
    assert whole is not None
    monkeypatch.setattr(rows, "_BYTES", 10)
    sizes, checksum = list[int](), 0
    after: Values | None = None
    while batch := await store.read(batch_after, tray, after):
        after = batch.last
        sizes.append(len(batch.rows))
        checksum = add(batch.checksum, [checksum])
    assert (sizes, checksum) == ([2, 1, 1, 1], whole.checksum)
