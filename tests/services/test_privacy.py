"""The files of a member's export."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Event

import pytest

from bot.core.running import patience
from bot.core.running.executors import BoundedExecutor
from bot.domain.retention import KeepDays
from bot.services.members import Members
from bot.services.privacy import Privacy, Retention
from bot.store.engine.base import Store
from bot.store.engine.opening import open_store
from bot.store.privacy.export_files import ExportFiles
from tests.store.privacy.traces import ADA, fill_every_table

RETENTION = Retention(keep=KeepDays(), services=())


@pytest.fixture
async def exporting() -> AsyncIterator[BoundedExecutor]:
    async with BoundedExecutor("exporting", per_key=2, total=2) as executor:
        yield executor


def privacy_of(store: Store, exporting: BoundedExecutor, spool: Path, file_max_bytes: int) -> Privacy:
    members = Members(store=store, clock=lambda: 0)
    return Privacy(
        store=store,
        members=members,
        retention=RETENTION,
        exporting=exporting,
        spool=spool,
        clock=lambda: 0,
        file_max_bytes=file_max_bytes,
    )


async def test_a_small_export_is_one_file_that_can_be_read(store: Store, exporting: BoundedExecutor, tmp_path: Path) -> None:
    await fill_every_table(store)
    async with privacy_of(store, exporting, tmp_path, 100_000).export(ADA) as exported:
        (path,) = exported.paths
        assert path.name == "easel-1970-01-01.json"
        assert len(json.loads(path.read_bytes())["tables"]["ledger"]) == exported.counts["ledger"] == 8
    assert not await asyncio.to_thread(path.exists)


async def test_a_large_export_comes_in_numbered_files(store: Store, exporting: BoundedExecutor, tmp_path: Path) -> None:
    await fill_every_table(store)
    async with privacy_of(store, exporting, tmp_path, 1).export(ADA) as exported:
        assert [path.name for path in exported.paths[:2]] == [f"easel-1970-01-01-{n}-of-{len(exported.paths)}.json.gz" for n in (1, 2)]
        documents = [json.loads(gzip.decompress(path.read_bytes())) for path in exported.paths]
    assert sum(len(document["tables"].get("ledger", [])) for document in documents) == exported.counts["ledger"] == 8


async def test_an_export_may_take_longer_than_other_answers(
    exporting: BoundedExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member with many images, or a slow machine, must not be told that the database is away."""
    may_end = Event()

    class SlowFiles(ExportFiles):
        def end(self) -> None:
            may_end.wait(30)
            super().end()

    monkeypatch.setattr("bot.services.privacy.ExportFiles", SlowFiles)
    async with open_store(f"sqlite:///{tmp_path}/data/easel.sqlite3") as store:
        with patience.limited(1):
            export = privacy_of(store, exporting, tmp_path, 100_000).export(ADA)
            begun = asyncio.create_task(export.__aenter__())
        await asyncio.wait([begun], timeout=1.5)
        may_end.set()
        assert len((await begun).paths) == 1
        await export.__aexit__(None, None, None)
