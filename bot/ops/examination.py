"""What the doctor's checks share: the settings, a connection, and what several of them ask for, which is asked for once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Self

import aiohttp

from bot.core.config import Settings, SettingsReport
from bot.core.errors import EaselError
from bot.core.settings.complaints import Need
from bot.ops import doctor_images
from bot.ops.doctor_images import ApiReport
from bot.ops.findings import NotCheckedError
from bot.ops.portal import Portal
from bot.providers.http import open_session


@dataclass(frozen=True, kw_only=True)
class Examination:
    """One run of the doctor."""

    given: SettingsReport
    session: aiohttp.ClientSession
    _login: asyncio.Task[Portal] | None  # None without a token
    _apis: asyncio.Task[Sequence[ApiReport]]

    @classmethod
    @asynccontextmanager
    async def open(cls, given: SettingsReport) -> AsyncIterator[Self]:
        async with open_session() as session, AsyncExitStack() as stack:
            portal = stack.enter_async_context(Portal.open(given.settings)) if given.settings.discord_token else None
            login = asyncio.create_task(portal, name="login") if portal else None
            apis = asyncio.create_task(doctor_images.ask_apis(given.settings, session), name="image APIs")
            try:
                yield cls(given=given, session=session, _login=login, _apis=apis)
            finally:
                tasks = [task for task in (login, apis) if task is not None]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def settings(self) -> Settings:
        return self.given.settings

    async def login(self) -> Portal:
        """Discord, logged in. Raises `EaselError` if that failed, and `NotCheckedError` without a token."""
        if self._login is None:
            raise NotCheckedError("not checked without a DISCORD_TOKEN.")
        return await asyncio.shield(self._login)

    async def portal(self) -> Portal:
        """The same, for checks that leave it to another to report a failed login. Raises `NotCheckedError`."""
        try:
            return await self.login()
        except EaselError:
            raise NotCheckedError("not checked, because the bot can't log in to Discord.") from None

    async def is_logged_in(self) -> bool:
        try:
            await self.portal()
        except NotCheckedError:
            return False
        return True

    async def apis(self) -> Sequence[ApiReport]:
        """What each image API answered, in the order of the settings. Raises `NotCheckedError` without one."""
        if not self.settings.providers:
            raise NotCheckedError("not checked without the key of an image API.")
        return await asyncio.shield(self._apis)

    def lacks(self, need: Need) -> bool:
        """Whether a check should report that this is missing, because nothing else does."""
        return need in self.given.missing and not self.given.is_first_start
