"""The two commands: moving the database, and going back to the one that was moved."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection

from bot.core.clock import Clock, system
from bot.core.config import Settings
from bot.core.errors import EaselError, StartError
from bot.core.running import patience
from bot.ops.findings import some
from bot.ops.move.copying import copy
from bot.ops.move.progress import ProgressShow, Show
from bot.ops.move.sides import MoveSide, is_default, opened_source, opened_target, refuse_full_disk, refuse_same, target_address
from bot.store import kv
from bot.store.engine import moves
from bot.store.engine.moves import MOVED, UNFINISHED
from bot.store.engine.opening import open_store
from bot.store.engine.sqlite_copy import COPY_KEY
from bot.store.moving import target as filling
from bot.store.moving.survey import Survey, survey

_PATIENCE_S: Final = 600.0  # for a database that is away meanwhile

Mark = dict[str, Any]


async def move(settings: Settings, to: str, *, show: Show, lines: ProgressShow, clock: Clock = system) -> bool:
    """Move the database of the settings to the address `to`; whether all is there. Raises `EaselError`."""
    to = target_address(to, settings.database_password.get_secret_value())
    refuse_same(settings.database, to)
    with patience.limited(_PATIENCE_S):
        async with opened_source(settings.database, settings.database_direct) as source, opened_target(to) as target:
            if (mark := await _mark_of_complete(source, target)) is None:
                mark = {"from": source.place, "to": target.place, "at": clock()}
                if not await _copy(source, target, mark, show=show, lines=lines):
                    return False
            await source.write(kv.put, MOVED, mark, clock())  # before the next one: never may a bot start on both
            await target.write(filling.release, clock())
            for line in _what_to_do(settings, source, target, to):
                show(line)
    return True


async def undo(settings: Settings) -> str:
    """Let bots start again on the database of the settings, which was moved; what to say of it. Raises `StartError`."""
    async with open_store(settings.database, direct=settings.database_direct, even_if_moved=True) as store:
        mark = await store.read(moves.mark_of, MOVED)
        if mark is None:
            raise StartError("The database of the settings was not moved, so there is nothing to undo.")
        await store.write(_take_back, mark["at"])
    return (
        f"Bots can start on this database again. It is as it was when it was moved, on {moves.date_of(mark)}:"
        f" what happened since then is in {mark['to']} only, where no bot must run any more."
    )


def _take_back(conn: Connection, moved_at: int) -> None:
    """From now on it is an older copy: what waits in it may have been made from the other database."""
    moves.forget(conn, MOVED)
    kv.put(conn, COPY_KEY, moved_at, moved_at)


async def _mark_of_complete(source: MoveSide, target: MoveSide) -> Mark | None:
    """The mark of a move between them that was ended after everything was copied and compared. Raises `StartError`."""
    left, half = await source.read(moves.mark_of, MOVED), await target.read(moves.mark_of, UNFINISHED)
    if left is not None and left == half:
        return left
    await source.read(moves.refuse)
    if half is None and (tables := await target.read(filling.tables_with_rows)):
        raise StartError(f"{target.place} is not empty: there are rows in {some(tables)}. --to takes an empty database.")
    return None


async def _copy(source: MoveSide, target: MoveSide, mark: Mark, *, show: Show, lines: ProgressShow) -> bool:
    await refuse_full_disk(source, target)
    show(f"Checking {source.place}.")
    before = await source.read_long(survey)
    _refuse_wrong(before)
    show(f"Copying {before.rows:,} rows to {target.place}.")
    await target.write(filling.begin, mark)
    with _ended(source, target, show):
        compared = await copy(source, target, before, lines=lines)
    for line in compared.lines():
        show(line)
    if not compared.agree:
        show(f"The copy differs from {source.place}, so it must not be used. {_state(source, target)}")
    return compared.agree


def _refuse_wrong(before: Survey) -> None:
    if wrong := before.proof.wrong:
        raise StartError(f"The books do not add up, so nothing was moved: {some(wrong, most=3)} See `python -m bot doctor --ledger`.")


@contextmanager
def _ended(source: MoveSide, target: MoveSide, show: Show) -> Iterator[None]:
    """Say how both databases are left if the move ends midway."""
    try:
        yield
    except asyncio.CancelledError:
        show(_state(source, target))
        raise
    except EaselError as error:
        raise EaselError(f"{error.sentence} {_state(source, target)}") from error


def _state(source: MoveSide, target: MoveSide) -> str:
    return f"{source.place} is as it was. No bot starts on {target.place}; run the same command again to begin anew."


def _what_to_do(settings: Settings, source: MoveSide, target: MoveSide, to: str) -> Iterator[str]:
    yield f"Moved {source.place} to {target.place}. What to do now:"
    if is_default(to, settings.data_dir):
        yield "- Remove DATABASE_URL and DATABASE_DIRECT_URL from the settings."
    else:
        yield "- Set DATABASE_URL (or DATABASE_URL_FILE) to the address after --to."
    if settings.backup_dir is not None and to.startswith("postgresql:"):
        yield "- Install pg_dump where the bot runs: BACKUP_DIR needs it from now on."
    yield "- Run `python -m bot doctor`, then start the bot."
    yield f"- Keep {source.place} until all is well. No bot starts on it, unless you run `python -m bot move --undo`. Then delete it."
