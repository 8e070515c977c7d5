"""The running bot behind the chat page, which can be restarted while pages stay open; and what a member does on the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from playwright.async_api import Locator, Page, expect

from bot.app import App
from sandbox import discord, images
from sandbox.faults import Switchboard
from sandbox.person import Message, Person
from tests.env.app import Env, with_picture
from tests.services.conftest import Hands

DESCRIBE = "Describe the edit"
QUICK = ("✏️", "🔁", "✉️", "❌", "🙈", "🚩", "⭐", "🎨", "🌙", "❄️", "🕹️", "🎬", "🧸", "🗿")  # the page's palette; other emoji are typed


class Home:
    """A bot with its stand-ins, and Ada, who has pictures made without a page."""

    def __init__(self, env: Env, clock: Hands) -> None:
        self.env = env
        self.clock = clock
        self.url = env.discord.url
        self.app: App
        self.ada: Person
        self._leave = asyncio.Event()
        self._living: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """In a task of its own, since another task may close it."""
        self._leave.clear()
        opened: asyncio.Future[App] = asyncio.get_running_loop().create_future()
        self._living = asyncio.create_task(self._live(opened), name="home")
        self._living.add_done_callback(lambda _living: opened.done() or opened.cancel())
        try:
            self.app = await opened
        except asyncio.CancelledError:
            await self.close()  # says why
            raise

    async def close(self) -> None:
        """Politely, with the grace that running work is given. Raise what went wrong in the bot."""
        self._leave.set()
        if self._living is not None:
            await self._living

    async def restart(self, *pages: Page) -> None:
        """Restart the bot while these pages stay open."""
        await self.close()
        for page in pages:
            await expect(page.locator("#bot")).to_contain_text("offline")
        await self.open()
        for page in pages:
            await expect(page.locator("#bot")).to_contain_text("online")

    @contextmanager
    def slow_pictures(self) -> Iterator[None]:
        """Nothing is finished within the block."""
        self.env.switchboard.turn_on("generation-stuck")
        try:
            yield
        finally:
            self.env.switchboard.turn_off("generation-stuck")

    async def picture(self, prompt: str, channel: str = "studio", /, **options: object) -> Message:
        """Have a picture of Ada's made; its finished message."""
        await self.ada.slash("generate", channel, prompt=prompt, **options)
        return await self.ada.message(lambda m: with_picture(m) and prompt in m.content, channel)

    async def edit(self, message: Message, prompt: str) -> Message:
        """Have a picture edited by Ada; the finished message."""
        await self.ada.click(message, "Edit")
        await self.ada.submit(await self.ada.modal(), prompt=prompt)
        return await self.ada.message(lambda m: with_picture(m) and prompt in m.content)

    async def _live(self, opened: asyncio.Future[App]) -> None:
        async with self.env.app(clock=self.clock) as app:
            opened.set_result(app)
            await self._leave.wait()


@asynccontextmanager
async def open_home(folder: Path) -> AsyncIterator[Home]:
    """As in the demo, other people's pictures may be read."""
    board = Switchboard()
    async with (
        images.serve(switchboard=board, timing=images.FAST, draft=True) as pictures,
        discord.serve(switchboard=board, privileged_intents=frozenset({"message_content"})) as chat,
        Person.connect(chat.url, "Ada") as ada,
    ):
        overrides = {"MESSAGE_CONTENT_INTENT": "true"}
        home = Home(Env(switchboard=board, images=pictures, discord=chat, folder=folder, overrides=overrides), Hands())
        home.ada = ada
        await home.open()
        try:
            await ada.until(lambda: (ada.bot_online and "generate" in ada.commands) or None)
            yield home
        finally:
            await home.close()


# --- what a member sees ----------------------------------------------------------------------------------------------


def shown(page: Page, message: Message) -> Locator:
    """A message that is known by its id."""
    return page.locator(f"#message-{message.id}")


def finished(page: Page, words: str) -> Locator:
    """The latest message with a picture and these words."""
    return page.locator("article.message:has(.image img)", has_text=words).last


def panel(page: Page, words: str) -> Locator:
    """The latest message for this member alone with these words."""
    return page.locator("article.message.ephemeral", has_text=words).last


async def kept(page: Page, message: Locator) -> Locator:
    """The same message, whatever it says later and whatever comes after it."""
    return page.locator(f"#{await message.get_attribute('id')}")


def reaction(message: Locator, emoji: str) -> Locator:
    return message.get_by_role("button", name=f"{emoji}, 1")


def form(page: Page, title: str) -> Locator:
    return page.get_by_role("dialog", name=title)


# --- what a member's hands do ----------------------------------------------------------------------------------------


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
        await field.blur()  # closes its suggestions, which may lie over what comes next
    await sheet.get_by_role("button", name="Run").click()
    await expect(sheet).to_have_count(0)


async def react(page: Page, message: Locator, emoji: str) -> None:
    """From the message's menu; what is not in its palette is typed."""
    await message.get_by_role("button", name="Message actions").click(force=True)
    if emoji in QUICK:
        await page.get_by_role("button", name=f"React with {emoji}").click()
    else:
        await page.get_by_label("Another emoji").fill(emoji)
        await page.get_by_role("button", name="React", exact=True).click()


async def choose(page: Page, message: Locator, item: str) -> None:
    """A command in the message's menu."""
    await message.get_by_role("button", name="Message actions").click(force=True)
    await page.get_by_role("menuitem", name=item).click()


async def press(message: Locator, button: str) -> None:
    await message.get_by_role("button", name=button, exact=True).click()


async def pick(place: Locator, menu: str | int, option: str) -> None:
    """One option of a select menu, which is given by its name, or by its place where several have the same."""
    menus = place.get_by_role("combobox")
    await (menus.nth(menu) if isinstance(menu, int) else place.get_by_role("combobox", name=menu)).click()
    await place.get_by_role("option", name=option).click()


async def send(dialog: Locator) -> None:
    await press(dialog, "Submit")
    await expect(dialog).to_have_count(0)
