"""One browser for all page tests, one local Discord for each file of them, a fresh page for each viewer."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Literal

import discord.gateway
import discord.http
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, ViewportSize, WebSocketRoute, async_playwright, expect
from playwright.async_api import TimeoutError as PatienceError
from yarl import URL

from sandbox.discord.server import DiscordServer, serve
from sandbox.faults import Switchboard
from sandbox.person import Person
from tests.browser.bot import SmallBot
from tests.browser.running_bot import RunningBot, open_bot

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}
PATIENCE_MS = 8_000
SCREENSHOTS = os.environ.get("SCREENSHOTS")  # a folder; without it none are written
VIEWS: dict[str, tuple[ViewportSize, Literal["light", "dark"]]] = {
    "light": (DESKTOP, "light"),
    "dark": (DESKTOP, "dark"),
    "phone": (PHONE, "light"),
    "phone-dark": (PHONE, "dark"),
}
# What reaches over the right edge of the window, by its class; lists that scroll sideways by themselves do not count.
_CUT = """() => [...document.querySelectorAll("article *, dialog *, form *, header *")]
    .filter(each => each.checkVisibility() && each.getBoundingClientRect().right > innerWidth + 1 && !each.closest(".scrolls, [hidden]"))
    .map(each => `${each.tagName} ${each.className}`)"""


class Line:
    """The connection between a page and the server, which a test can cut and restore."""

    def __init__(self) -> None:
        self._is_cut = False
        self._open: list[WebSocketRoute] = []

    async def carry(self, route: WebSocketRoute) -> None:
        if self._is_cut:
            await route.close(code=1012)
            return
        self._open.append(route)
        route.connect_to_server()

    async def cut(self) -> None:
        self._is_cut = True
        while self._open:
            await self._open.pop().close(code=1012)

    def mend(self) -> None:
        self._is_cut = False


OpenPage = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def chat() -> AsyncIterator[DiscordServer]:
    """The local Discord with the small bot in it, online."""
    with pytest.MonkeyPatch.context() as patch:
        async with serve(switchboard=Switchboard(), first_answer_s=1.5) as server:
            patch.setattr(discord.http.Route, "BASE", server.api_url)
            patch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", URL(server.gateway_url))
            async with SmallBot() as bot:
                running = asyncio.create_task(bot.start(server.token), name="small bot")
                async with asyncio.timeout(10):
                    await bot.wait_until_ready()
                yield server
            await asyncio.wait([running])


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def running_bot(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningBot]:
    async with open_bot(tmp_path_factory.mktemp("bot")) as running:
        yield running


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (on Debian: apt-get install chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="package")
async def open_page(chat: DiscordServer, browser: Browser) -> AsyncIterator[OpenPage]:
    """`await open_page("Ada")` opens the page as that person, over a `line` if the test cuts it. A script error fails the test."""
    async with pages_at(browser, chat.url) as open_page:
        yield open_page


@pytest_asyncio.fixture(loop_scope="package")
async def visit(running_bot: RunningBot, browser: Browser) -> AsyncIterator[OpenPage]:
    """The same page with the complete bot."""
    async with pages_at(browser, running_bot.url) as open_page:
        yield open_page


@asynccontextmanager
async def pages_at(browser: Browser, url: str) -> AsyncIterator[OpenPage]:
    """Open pages at this address; they close with the block."""
    errors: list[str] = []
    async with AsyncExitStack() as stack:

        async def open_page(name: str, *, viewport: ViewportSize = DESKTOP, line: Line | None = None) -> Page:
            context = await stack.enter_async_context(await browser.new_context(viewport=viewport, reduced_motion="reduce"))
            context.set_default_timeout(PATIENCE_MS)
            page = await context.new_page()
            page.on("pageerror", lambda error: errors.append(str(error)))
            if line is not None:
                await page.route_web_socket("**/people/socket*", line.carry)
            await page.goto(f"{url}/?as={name}")
            await page.locator("#people [aria-current]", has_text=name).wait_for(state="attached")
            await page.locator("#bot.online").wait_for()
            return page

        yield open_page
    assert errors == []


@pytest_asyncio.fixture(loop_scope="package")
async def ada(chat: DiscordServer) -> AsyncIterator[Person]:
    """Ada without a page, to send messages and run commands."""
    async with Person.connect(chat.url, "Ada") as person:
        yield person


async def check_views(page: Page, name: str) -> None:
    """Show the page in light, dark and on a phone: nothing may be cut off at the side. Screenshots go to the folder SCREENSHOTS, if set."""
    for view, (size, scheme) in VIEWS.items():
        await page.set_viewport_size(size)
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        with suppress(PatienceError):  # lists over the page follow the window a moment later
            await page.wait_for_function(f"() => ({_CUT})().length === 0")
        if SCREENSHOTS:
            await page.screenshot(path=Path(SCREENSHOTS) / f"{name}-{view}.png")
        assert await page.evaluate(_CUT) == [], view
    await page.set_viewport_size(DESKTOP)
    await page.emulate_media(color_scheme="light", reduced_motion="reduce")


def last(page: Page) -> Locator:
    return page.locator("article.message").last


def saying(page: Page, text: str) -> Locator:
    return page.locator("article.message", has_text=text)


async def run(page: Page, command: str) -> None:
    """Run a command without options."""
    await page.locator("#draft").fill(f"/{command}")
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Run").click()
    await expect(page.locator("form.command")).to_have_count(0)
