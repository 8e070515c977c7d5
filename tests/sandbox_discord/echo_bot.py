"""A small bot that shows that the local Discord serves an ordinary discord.py client."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands, ui
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Coroutine

COLOURS = ("red", "green", "blue")


def png(width_px: int = 40, height_px: int = 30, colour: str = "red") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width_px, height_px), colour).save(data, "PNG")
    return data.getvalue()


def image_file(name: str = "image.png", colour: str = "red") -> discord.File:
    return discord.File(io.BytesIO(png(colour=colour)), name, description=f"a {colour} image")


class EchoForm(ui.Modal, title="A form"):
    words: ui.Label[Any] = ui.Label(text="Words", component=ui.TextInput(custom_id="words", min_length=2))
    colour: ui.Label[Any] = ui.Label(
        text="Colour", component=ui.Select(custom_id="colour", options=[discord.SelectOption(label=c, value=c) for c in COLOURS])
    )
    files: ui.Label[Any] = ui.Label(text="Files", component=ui.FileUpload(custom_id="files", required=False, max_values=2))

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        words, colour, files = self.words.component, self.colour.component, self.files.component
        assert isinstance(words, ui.TextInput)
        assert isinstance(colour, ui.Select)
        assert isinstance(files, ui.FileUpload)
        sizes = [len(await file.read()) for file in files.values]
        await interaction.response.send_message(f"{words.value} {colour.values} {sizes}")


class EchoBot(discord.Client):
    def __init__(self, intents: discord.Intents | None = None) -> None:
        super().__init__(intents=intents or discord.Intents.default(), guild_ready_timeout=0.05)
        self.tree = app_commands.CommandTree(self)
        self.held: asyncio.Queue[discord.Interaction[Any]] = asyncio.Queue()  # interactions that a test will answer
        self.connected = asyncio.Event()
        _add_answers(self.tree)
        _add_hold(self)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """No pause before a new session."""

    async def setup_hook(self) -> None:
        await self.tree.sync()

    async def on_connect(self) -> None:
        self.connected.set()

    async def hear(self, interacting: Coroutine[Any, Any, str]) -> discord.Interaction[Any]:
        """Run a person's command, defer it, and return the interaction once the person sees that."""
        asking = asyncio.create_task(interacting)
        held = await self.held.get()
        await held.response.defer(thinking=True)
        await asking
        return held

    def place(self, channel_id: str) -> discord.PartialMessageable:
        return self.get_partial_messageable(int(channel_id))


def _add_answers(tree: app_commands.CommandTree[EchoBot]) -> None:
    @tree.command(description="answers")
    async def echo(interaction: discord.Interaction[Any], text: str, quietly: bool = False) -> None:
        await interaction.response.send_message(text, ephemeral=quietly)

    @tree.command(description="asks")
    async def form(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_modal(EchoForm())


def _add_hold(echo_bot: EchoBot) -> None:
    tree = echo_bot.tree

    @tree.command(description="keeps the interaction for the test")
    async def hold(interaction: discord.Interaction[Any]) -> None:
        await echo_bot.held.put(interaction)
