"""Copies all rows from one database to the other, and compares what both hold afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from sqlalchemy import Table

from bot.ops.move.progress import Compared, MoveProgress, ProgressShow
from bot.ops.move.sides import MoveSide
from bot.store.moving import target as filling
from bot.store.moving.rows import TABLES, RowBatch, Values, add, batch_after
from bot.store.moving.survey import Survey, survey


async def copy(source: MoveSide, target: MoveSide, before: Survey, *, lines: ProgressShow) -> Compared:
    """Copy everything and compare. The target must be empty."""
    sums = await _copied(source, target, MoveProgress(what="copied", total=before.rows, lines=lines))
    await target.write(filling.complete, before.last_ids)
    there = await _checksums(target, MoveProgress(what="compared", total=before.rows, lines=lines))
    after = await target.read_long(survey)
    return Compared(before=before, after=after, sums={name: (sums[name], there[name]) for name in sums})


async def _copied(source: MoveSide, target: MoveSide, progress: MoveProgress) -> Mapping[str, int]:
    """The checksums of what was read, by table."""
    sums = {}
    for table in TABLES:
        sums[table.name] = 0
        async with aclosing(_batches(source, table)) as batches:
            async for batch in batches:
                await target.write(filling.insert_rows, table, batch.rows)
                sums[table.name] = add(sums[table.name], [batch.checksum])
                progress.add(table.name, len(batch.rows))
    return sums


async def _checksums(side: MoveSide, progress: MoveProgress) -> Mapping[str, int]:
    sums = {}
    for table in TABLES:
        sums[table.name] = 0
        async with aclosing(_batches(side, table)) as batches:
            async for batch in batches:
                sums[table.name] = add(sums[table.name], [batch.checksum])
                progress.add(table.name, len(batch.rows))
    return sums


async def _batches(side: MoveSide, table: Table) -> AsyncGenerator[RowBatch, None]:
    """All rows of a table. The next batch is read while the caller has one."""

    def read_after(last: Values | None) -> asyncio.Task[RowBatch | None]:
        return asyncio.create_task(side.read(batch_after, table, last), name=f"read {table.name}")

    reading = read_after(None)
    try:
        while (batch := await reading) is not None:
            reading = read_after(batch.last)
            yield batch
    finally:
        reading.cancel()
