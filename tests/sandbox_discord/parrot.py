"""A small bot that does what it is told, to see that the local Discord serves an ordinary discord.py client."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any, Literal

import discord
from discord import app_commands, ui
from PIL import Image

if TYPE_CHECKING:
    import re
    from collections.abc import Coroutine

COLOURS = ("red", "green", "blue")


def png(width_px: int = 40, height_px: int = 30, colour: str = "red") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width_px, height_px), colour).save(data, "PNG")
    return data.getvalue()


def picture(name: str = "picture.png", colour: str = "red") -> discord.File:
    return discord.File(io.BytesIO(png(colour=colour)), name, description=f"a {colour} picture")


class Again(ui.DynamicItem[ui.Button[Any]], template=r"v1:again:(?P<job>\d+)"):
    def __init__(self, job: int, *, disabled: bool = False) -> None:
        super().__init__(ui.Button(label="Again", custom_id=f"v1:again:{job}", disabled=disabled))
        self.job = job

    @classmethod
    async def from_custom_id(cls, _: discord.Interaction[Any], __: ui.Item[Any], match: re.Match[str], /) -> Again:
        return cls(int(match["job"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message(f"again {self.job}", ephemeral=True)


class Form(ui.Modal, title="A form"):
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


class Panel(ui.LayoutView):
    text: ui.TextDisplay[Any] = ui.TextDisplay("a panel")
    row: ui.ActionRow[Any] = ui.ActionRow()

    @row.select(custom_id="pick", options=[discord.SelectOption(label=c) for c in COLOURS])
    async def pick(self, interaction: discord.Interaction[Any], select: ui.Select[Any]) -> None:
        self.text.content = f"picked {select.values[0]}"
        await interaction.response.edit_message(view=self)

    buttons: ui.ActionRow[Any] = ui.ActionRow()

    @buttons.button(label="Later", custom_id="later")
    async def later(self, interaction: discord.Interaction[Any], _: ui.Button[Any]) -> None:
        await interaction.response.defer()
        self.text.content = "later"
        await interaction.edit_original_response(view=self)


class Parrot(discord.Client):
    def __init__(self, intents: discord.Intents | None = None) -> None:
        super().__init__(intents=intents or discord.Intents.default())
        self.tree = app_commands.CommandTree(self)
        self.held: asyncio.Queue[discord.Interaction[Any]] = asyncio.Queue()  # interactions that wait for a test to answer them
        self.connected = asyncio.Event()
        _teach(self)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """No pause before a new session."""

    async def setup_hook(self) -> None:
        self.add_dynamic_items(Again)
        await self.tree.sync()

    async def on_connect(self) -> None:
        self.connected.set()

    async def hear(self, interacting: Coroutine[Any, Any, str]) -> discord.Interaction[Any]:
        """Run what a person asks, defer it, and return the interaction once the person has been told."""
        asking = asyncio.create_task(interacting)
        held = await self.held.get()
        await held.response.defer(thinking=True)
        await asking
        return held

    def place(self, channel_id: str) -> discord.PartialMessageable:
        return self.get_partial_messageable(int(channel_id))


async def _suggest(_: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
    return [app_commands.Choice(name=f"{colour}!", value=colour) for colour in COLOURS if typed in colour]


def _teach(parrot: Parrot) -> None:
    _teach_answers(parrot.tree)
    _teach_holding(parrot)
    _teach_menus(parrot.tree)


def _teach_answers(tree: app_commands.CommandTree[Parrot]) -> None:
    admin = app_commands.Group(name="admin", description="a group", default_permissions=discord.Permissions(manage_guild=True))
    tree.add_command(admin)

    @tree.command(description="answers")
    async def echo(interaction: discord.Interaction[Any], text: str, quietly: bool = False) -> None:
        await interaction.response.send_message(text, ephemeral=quietly)

    @tree.command(description="paints")
    @app_commands.autocomplete(colour=_suggest)
    async def paint(
        interaction: discord.Interaction[Any],
        colour: str,
        style: Literal["oil", "ink"] = "oil",
        count: app_commands.Range[int, 1, 4] = 1,
        reference: discord.Attachment | None = None,
    ) -> None:
        await interaction.response.defer(thinking=True)
        size = f"{reference.width}x{reference.height} {len(await reference.read())}" if reference else "none"
        await interaction.edit_original_response(content=f"{colour} {style} {count} {size}", attachments=[picture(colour=colour)])

    @tree.command(description="asks")
    async def form(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_modal(Form())

    @tree.command(description="buttons")
    async def buttons(interaction: discord.Interaction[Any], quietly: bool = False) -> None:
        view = ui.View(timeout=None).add_item(Again(7)).add_item(ui.Button(label="Off", custom_id="off", disabled=True))
        await interaction.response.send_message("buttons", view=view, ephemeral=quietly)

    @tree.command(description="a panel of components")
    async def panel(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message(view=Panel(timeout=None))

    @admin.command(description="a subcommand")
    async def pause(interaction: discord.Interaction[Any], member: discord.Member) -> None:
        await interaction.response.send_message(f"paused {member.name}")


def _teach_holding(parrot: Parrot) -> None:
    tree = parrot.tree

    @tree.command(description="keeps the interaction for the test")
    async def hold(interaction: discord.Interaction[Any]) -> None:
        await parrot.held.put(interaction)

    @tree.command(description="keeps the interaction for the test, wherever it comes from")
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def anywhere(interaction: discord.Interaction[Any], member: discord.User | None = None) -> None:
        await parrot.held.put(interaction)

    @tree.command(description="keeps the interaction for the test", nsfw=True)
    async def rough(interaction: discord.Interaction[Any]) -> None:
        await parrot.held.put(interaction)


def _teach_menus(tree: app_commands.CommandTree[Parrot]) -> None:
    @tree.context_menu(name="Usage")
    @app_commands.allowed_installs(guilds=True, users=True)
    async def usage(interaction: discord.Interaction[Any], person: discord.Member | discord.User) -> None:
        await interaction.response.send_message(f"usage of {person.name}: {type(person).__name__}", ephemeral=True)

    @tree.context_menu(name="Inspect")
    async def inspect(interaction: discord.Interaction[Any], message: discord.Message) -> None:
        await interaction.response.send_message(f"{message.content} {len(message.attachments)}")
