"""The spool: what it holds at a time is bounded, and it is emptied."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from bot.core.errors import MachineTrouble
from bot.core.running import machine
from bot.services.pipeline.delivery import spool
from bot.services.pipeline.delivery.spool import Spool

MB = 1_000_000


def names_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


async def test_two_large_jobs_come_one_after_the_other(tmp_path: Path) -> None:
    shared, order = Spool(tmp_path, limit_bytes=100 * MB), []

    async def use(name: str) -> None:
        async with shared.folder_for(name, size_bytes=60 * MB):
            order.append(f"{name} begins")
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    await asyncio.gather(use("a"), use("b"))
    assert order == ["a begins", "a ends", "b begins", "b ends"]


async def test_jobs_share_what_the_disk_has_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_free_bytes", lambda _folder: machine.LEAST_FREE_BYTES + 10 * MB)
    shared = Spool(tmp_path)
    async with shared.folder_for("a", size_bytes=6 * MB):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), shared.folder_for("b", size_bytes=6 * MB):
                raise AssertionError("both fit")


def test_nothing_is_written_that_the_database_needs_the_space_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LEAST_FREE_BYTES", 2**62)
    with pytest.raises(MachineTrouble):
        spool.write(tmp_path / "image", b"content")
    assert names_in(tmp_path) == []


async def test_a_folder_that_cannot_be_removed_is_removed_with_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = Spool(tmp_path)
    with monkeypatch.context() as short:
        short.setattr(shutil, "rmtree", lambda *_args, **_kwargs: None)  # as without a free descriptor
        async with shared.folder_for("a", size_bytes=1) as folder:
            spool.write(folder / "image", b"content")
    assert names_in(tmp_path)
    async with shared.folder_for("b", size_bytes=1):
        pass
    assert names_in(tmp_path) == []
