"""The two databases of a move, each open for this process alone."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from bot.core.config import with_password
from bot.core.errors import DatabaseAway, DatabaseInUse, EaselError, NoSchema, OtherSchema, StartError
from bot.store.engine.base import Store
from bot.store.engine.opening import migrate, open_store, read_once, sqlite_file
from bot.store.engine.schema import head

P = ParamSpec("P")
T = TypeVar("T")

_WRITTEN: Final = (
    "--to is written sqlite:///path/to/file or postgresql://user:password@host/name. In a user or password, @ is written %40, and / is %2F."
)
_SPARE_BYTES: Final = 64 * 2**20
_PORT: Final = 5432


@dataclass(frozen=True, kw_only=True)
class MoveSide:
    url: str = field(repr=False)
    place: str  # the file, or the database and its server
    store: Store

    async def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises `EaselError` if the database does not answer."""
        with self._answering():
            return await self.store.read(query, *args, **kwargs)

    async def read_long(self, query: Callable[[Connection], T]) -> T:
        """The same, however long it takes."""
        with self._answering():
            return await read_once(self.url, query)

    async def write(self, op: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self._answering():
            return await self.store.write(op, *args, **kwargs)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except DatabaseAway as error:
            raise EaselError(f"The database {self.place} does not answer any more.") from error
        except SQLAlchemyError as error:
            raise EaselError(f"The database {self.place} cannot be read ({getattr(error, 'orig', error)}).") from error


def place_of(url: str) -> str:
    """What an address names, without user and password. Raises `StartError` if it cannot be an address."""
    if url.startswith("sqlite:///") and (file := sqlite_file(url)) is not None:
        return str(file.absolute())
    parsed = _parsed(url)
    port = f":{parsed.port}" if parsed.port not in (None, _PORT) else ""
    return f"{parsed.database} on {_host(parsed)}{port}"


def target_address(to: str, password: str) -> str:
    """The address with the password of the settings, unless it has its own. Raises `StartError` if it cannot be one."""
    place_of(to)
    try:
        return with_password(to, password)
    except ValueError:
        raise StartError(_WRITTEN) from None


def refuse_same(source: str, target: str) -> None:
    """Raises `StartError` if both addresses name one database, as far as can be told from them."""
    files = [sqlite_file(url) for url in (source, target)]
    if all(files):
        first, second = (each.resolve() for each in files if each is not None)
        is_same = first == second or (first.exists() and second.exists() and first.samefile(second))
    else:
        is_same = not any(files) and _identity(source) == _identity(target)
    if is_same:
        raise StartError("--to names the database that the settings name: let DATABASE_URL name the old one, and --to the new one.")


@asynccontextmanager
async def opened_source(url: str, direct: str) -> AsyncIterator[MoveSide]:
    """Raises `StartError` if it is not there, in use, damaged, or of another version."""
    file = sqlite_file(url)
    if file is not None and not await asyncio.to_thread(file.exists):
        raise StartError(f"There is no database at {file.absolute()} yet.")
    async with open_store(url, direct=direct, migrate=False, even_if_moved=True) as store:
        _refuse_newer(store)
        yield MoveSide(url=url, place=place_of(url), store=store)


@asynccontextmanager
async def opened_target(url: str) -> AsyncIterator[MoveSide]:
    """It gets its tables if it has none. Raises `StartError` if it cannot be used."""
    place = place_of(url)
    with _about(place):
        await _make_tables(url)
    async with open_store(url, migrate=False, even_if_moved=True) as store:
        yield MoveSide(url=url, place=place, store=store)


async def refuse_full_disk(source: MoveSide, target: MoveSide) -> None:
    """Raises `StartError` if the file would not fit on its disk. Of another machine nothing is known."""
    file = sqlite_file(target.url)
    if file is None:
        return
    needed = _SPARE_BYTES + sum((await source.store.sizes()).values())
    free = (await asyncio.to_thread(shutil.disk_usage, file.absolute().parent)).free
    if free < needed:
        raise StartError(f"{target.place} needs up to {needed // 10**6:,} MB, and its disk has {free // 10**6:,} MB free: make room first.")


async def _make_tables(url: str) -> None:
    try:
        async with open_store(url, migrate=False, even_if_moved=True) as store:
            _refuse_newer(store)
    except NoSchema:
        await migrate(url, backup=False)


def _refuse_newer(store: Store) -> None:
    """This version can work with some newer schemas, but does not know all that is in them."""
    if store.migration.after != head():
        raise OtherSchema(f"The database was upgraded by a newer Easel (schema {store.migration.after}); use that version to move it.")


@contextmanager
def _about(place: str) -> Iterator[None]:
    """Errors name this database instead of the setting, which names the other one."""
    try:
        yield
    except DatabaseInUse:
        raise StartError(f"{place} is in use: a bot runs on it, or it is the database that the settings name.") from None
    except OtherSchema:
        raise StartError(f"{place} has the tables of another version of Easel; --to takes an empty database.") from None
    except StartError as error:
        raise StartError(f"{place} cannot be moved to. {error.sentence.replace('DATABASE_URL', '--to')}") from error


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StartError(_WRITTEN) from None  # the cause may contain a password
    if parsed.drivername != "postgresql" or not parsed.database or "@" in _host(parsed):
        raise StartError(_WRITTEN)
    return parsed


def _host(url: URL) -> str:
    return str(url.host or url.query.get("host") or "localhost")


def _identity(url: str) -> tuple[object, ...]:
    parsed = _parsed(url)
    return _host(parsed).lower(), parsed.port or parsed.query.get("port") or _PORT, parsed.database


def is_default(url: str, data_dir: Path) -> bool:
    """Whether the bot uses this database without DATABASE_URL."""
    file = sqlite_file(url)
    return file is not None and file.resolve() == (data_dir / "easel.sqlite3").resolve()
