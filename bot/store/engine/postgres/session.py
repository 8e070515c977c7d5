"""The session of a process that stays open: it holds its advisory locks and hears what other processes announce.

Its locks are lost with it. It is opened again at once, and whoever held a lock is told that it may have passed to another process.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from typing import Any, Final

import structlog

from bot.core.errors import DatabaseInUse
from bot.store.engine import outage
from bot.store.engine.postgres.errors import SessionLost
from bot.store.engine.postgres.sessions import Sessions, end_sessions, where

log = structlog.get_logger(__name__)

IN_USE: Final = int.from_bytes(b"easel")  # advisory locks are integers, per database; versions before held this one alone
CHANNEL: Final = "easel"
_CHECK_S: Final = 5.0
_AGAIN_S: Final = 0.2


class Session:
    """A `Coordination` of all processes on one database, and its announcements.

    A process of many shares the database; a tool has it alone (`is_shared=False`), so neither runs beside the other.
    """

    def __init__(self, sessions: Sessions, *, is_shared: bool, hear: Callable[[str], None], missed: Callable[[], None]) -> None:
        """`hear` gets each announcement; `missed` is called when some may have been lost."""
        self._sessions = sessions
        self._is_shared = is_shared
        self._hear = hear
        self._missed = missed
        self._driver: Any = None
        self._own_key = secrets.randbits(62)
        self._turn = asyncio.Lock()  # the driver does one thing at a time
        self._held: set[str] = set()
        self._lost = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    async def ensure(self) -> None:
        """Open the session if it is not open. Raises `DatabaseInUse`, `SessionLost` and what asyncpg raises."""
        async with self._turn:
            if self._driver is not None and not self._driver.is_closed():
                return
            is_first = self._driver is None
            self._driver = await self._open()
        if not is_first:
            log.info("database session lost with its locks, opened again")
            self._missed()

    async def open(self) -> None:
        """Open it the first time. A process waits a while for whoever has the database alone; raises as `ensure`."""
        until = time.monotonic() + (outage.LIMITS.in_use_s if self._is_shared else 0)
        is_told = False
        while True:
            try:
                return await self.ensure()
            except DatabaseInUse as error:
                if time.monotonic() >= until:
                    raise
                if not is_told:
                    log.warning("database in use, waiting", reason=error.sentence, at_most_s=outage.LIMITS.in_use_s)
                is_told = True
            await asyncio.sleep(_AGAIN_S)

    def keep(self) -> None:
        """Keep it open in the background until `close`."""
        self._keeping = asyncio.create_task(self._keep(), name="store-session")

    async def close(self) -> None:
        """End it, and with it every lock."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
        driver, self._driver = self._driver, None
        self._lose()
        if driver is not None:
            with suppress(Exception):  # the server drops the locks of a lost connection too
                async with asyncio.timeout(outage.LIMITS.close_s):
                    await driver.close()
            driver.terminate()

    # --- coordination ------------------------------------------------------------------------------------------------

    async def try_lock(self, name: str) -> bool:
        """As `Coordination.try_lock`."""
        if name in self._held:
            return True
        asking = asyncio.create_task(self._lock(name), name=f"lock {name}")
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            if await asking:
                await self.unlock(name)  # nobody waits for it any more
            raise

    async def unlock(self, name: str) -> None:
        """As `Coordination.unlock`."""
        if name in self._held:
            self._held.discard(name)  # at once: who wants it meanwhile takes it anew
            async with self._turn:
                await self._ask("SELECT pg_advisory_unlock($1)", name)

    def is_held(self, name: str) -> bool:
        """As `Coordination.is_held`."""
        return name in self._held

    async def wait_lost(self) -> None:
        """As `Coordination.wait_lost`."""
        await self._lost.wait()

    async def _lock(self, name: str) -> bool:
        async with self._turn:  # the server counts how often a session takes a lock
            if name not in self._held and await self._ask("SELECT pg_try_advisory_lock($1)", name):
                self._held.add(name)
            return name in self._held

    async def _ask(self, query: str, name: str) -> Any:
        """In this process's turn. None if the session is lost."""
        driver = self._driver
        if driver is None or driver.is_closed():
            return None
        try:
            with self._sessions.bounded(driver, slow=0):
                return await driver.fetchval(query, _key_of(name))
        except Exception as error:  # noqa: BLE001  whatever it is, the locks of this session are not certain any more
            log.info("database session lost", reason=type(error).__name__)
            driver.terminate()
            return None

    # --- staying open ------------------------------------------------------------------------------------------------

    async def _open(self) -> Any:
        driver = await self._sessions.connect()
        try:
            with self._sessions.bounded(driver, slow=0):
                await self._set_up(driver)
        except BaseException:
            driver.terminate()
            raise
        driver.add_termination_listener(self._terminated)
        return driver

    async def _set_up(self, driver: Any) -> None:
        await end_sessions(driver, self._own_key)
        if await driver.fetchval("SELECT pg_is_in_recovery()"):
            raise SessionLost("the server is a standby, which cannot be written")
        await driver.fetchval("SELECT pg_advisory_lock($1)", self._own_key)
        lock = "pg_try_advisory_lock_shared" if self._is_shared else "pg_try_advisory_lock"
        if not await driver.fetchval(f"SELECT {lock}($1)", IN_USE):
            raise DatabaseInUse(f"Another Easel is using the database {where(self._sessions.engine.url)}; stop it first.")
        await driver.add_listener(CHANNEL, self._heard)

    def _heard(self, _driver: object, _pid: int, _channel: str, payload: object) -> None:
        self._hear(str(payload))

    def _terminated(self, driver: object) -> None:
        if driver is self._driver:
            self._lose()

    def _lose(self) -> None:
        self._held.clear()
        self._lost.set()
        self._lost = asyncio.Event()

    async def _keep(self) -> None:
        while True:
            try:
                await self.ensure()
            except Exception as error:  # noqa: BLE001  the writes meet the same, and say it
                log.debug("database session not opened", reason=type(error).__name__)
                await asyncio.sleep(_AGAIN_S)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(_CHECK_S):
                    await self._lost.wait()
            async with self._turn:
                await self._ask("SELECT $1::bigint", "")  # a dead server is noticed


def _key_of(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)
