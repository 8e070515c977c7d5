"""The complete bot behind the chat page, which can restart while pages stay open, and steps on the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Locator, Page, expect

from bot.app import App
from bot.core.clock import Clock, system
from sandbox import discord, images
from sandbox.faults import Switchboard
from sandbox.person import Person
from tests.env.app import Env
from tests.env.timing import BRISK

QUICK = ("✏️", "🔁", "✉️", "❌", "🙈", "🚩", "⭐", "🎨", "🌙", "❄️", "🕹️", "🎬", "🧸", "🗿")  # the page's palette; other emoji are typed


class RunningBot:
    """A bot with its own stand-in servers, and Ada without a page."""

    def __init__(self, env: Env) -> None:
        self.env = env
        self.clock: Clock = system  # of the next start
        self.url = env.discord.url
        self.timing = BRISK
        self.app: App
        self.ada: Person
        self._leave = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Run the bot in its own task, since another task may close it."""
        self._leave.clear()
        opened: asyncio.Future[App] = asyncio.get_running_loop().create_future()
        self._running = asyncio.create_task(self._run(opened), name="running bot")
        self._running.add_done_callback(lambda _: opened.done() or opened.cancel())
        try:
            self.app = await opened
        except asyncio.CancelledError:
            await self.close()  # raises the reason
            raise

    async def close(self) -> None:
        """Stop gracefully within the grace time. Raises the bot's error if it failed."""
        self._leave.set()
        if self._running is not None:
            await self._running

    async def restart(self, *pages: Page) -> None:
        """Restart the bot while these pages stay open."""
        await self.close()
        for page in pages:
            await expect(page.locator("#bot")).to_contain_text("offline")
        await self.open()
        for page in pages:
            await expect(page.locator("#bot")).to_contain_text("online")

    async def _run(self, opened: asyncio.Future[App]) -> None:
        async with self.env.app(clock=self.clock, timing=self.timing) as app:
            opened.set_result(app)
            await self._leave.wait()


@asynccontextmanager
async def open_bot(folder: Path) -> AsyncIterator[RunningBot]:
    board = Switchboard()
    async with (
        images.serve(switchboard=board, timing=images.FAST, draft=True) as image_apis,
        discord.serve(switchboard=board) as chat,
        Person.connect(chat.url, "Ada") as ada,
    ):
        running = RunningBot(Env(switchboard=board, images=image_apis, discord=chat, folder=folder))
        running.ada = ada
        await running.open()
        try:
            await ada.until(lambda: (ada.bot_online and "generate" in ada.commands) or None)
            yield running
        finally:
            await running.close()


# --- what a member sees ----------------------------------------------------------------------------------------------


def finished(page: Page, words: str) -> Locator:
    """The latest message with an image and these words."""
    return page.locator("article.message:has(.image img)", has_text=words).last


def panel(page: Page, words: str) -> Locator:
    """The latest ephemeral message with these words."""
    return page.locator("article.message.ephemeral", has_text=words).last


def form(page: Page, title: str) -> Locator:
    return page.get_by_role("dialog", name=title)


# --- what a member does ----------------------------------------------------------------------------------------------


async def go_to(page: Page, channel: str) -> None:
    await page.locator("#channels button").filter(has=page.get_by_text(channel, exact=True)).click()


async def command(page: Page, name: str, /, **options: str) -> None:
    """Run a slash command from the message box; options are texts as they are typed."""
    await page.locator("#draft").fill(f"/{name} ")
    sheet = page.locator("form.command")
    for option, value in options.items():
        field = sheet.get_by_label(option, exact=True)
        if not await field.count():
            await sheet.locator(f'[data-option="{option}"]').click()
        await field.fill(value)
        await field.blur()  # closes the suggestions, which may cover the next control
    await sheet.get_by_role("button", name="Run").click()
    await expect(sheet).to_have_count(0)


async def react(page: Page, message: Locator, emoji: str) -> None:
    """React from the message's menu; an emoji that is not in the palette is typed."""
    await message.get_by_role("button", name="Message actions").click(force=True)
    if emoji in QUICK:
        await page.get_by_role("button", name=f"React with {emoji}").click()
    else:
        await page.get_by_label("Another emoji").fill(emoji)
        await page.get_by_role("button", name="React", exact=True).click()


async def press(message: Locator, button: str) -> None:
    await message.get_by_role("button", name=button, exact=True).click()


async def press_more(page: Page, message: Locator, button: str) -> None:
    """Press a button in the private panel behind More."""
    panels = page.locator("article.message.ephemeral")
    known = await panels.count()
    await press(message, "More")
    await press(panels.nth(known), button)


async def send(dialog: Locator) -> None:
    await press(dialog, "Submit")
    await expect(dialog).to_have_count(0)
