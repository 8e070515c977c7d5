"""A small bot with one of everything that the page lets a person use."""

from __future__ import annotations

import io
from typing import Any

import discord
from discord import app_commands
from PIL import Image

STYLES = ("ink", "oil", "pencil", "watercolour")


def picture(colour: str = "#a4452a", width_px: int = 320, height_px: int = 200) -> bytes:
    """A PNG of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (width_px, height_px), colour).save(buffer, "PNG")
    return buffer.getvalue()


class SmallBot(discord.Client):
    """Answers at once; its commands are in place before the gateway says ready."""

    def __init__(self) -> None:
        # The library waits this long for servers that may still come; here there is one, and it is there.
        super().__init__(intents=discord.Intents.default(), guild_ready_timeout=0.05)
        self.tree: app_commands.CommandTree[SmallBot] = app_commands.CommandTree(self)
        self.tree.add_command(_paint)
        self.tree.add_command(_whisper)
        self.tree.add_command(_recipe)
        self.tree.add_command(_describe)

    async def setup_hook(self) -> None:
        await self.tree.sync()


class Rework(discord.ui.Modal, title="Rework this picture"):
    change: discord.ui.TextInput[Rework] = discord.ui.TextInput(label="What to change", min_length=3, max_length=80)

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message(f"Reworked: {self.change.value}")


class Result(discord.ui.View):
    def __init__(self) -> None:
        super().__init__(timeout=None)

    @discord.ui.button(label="Rework", style=discord.ButtonStyle.primary)
    async def rework(self, interaction: discord.Interaction[Any], _: discord.ui.Button[Result]) -> None:
        await interaction.response.send_modal(Rework())

    @discord.ui.button(label="Frame", style=discord.ButtonStyle.secondary)
    async def frame(self, interaction: discord.Interaction[Any], button: discord.ui.Button[Result]) -> None:
        button.disabled, button.label = True, "Framed"
        await interaction.response.edit_message(view=self)

    @discord.ui.select(placeholder="Paper", options=[discord.SelectOption(label=name) for name in ("Rough", "Smooth")])
    async def paper(self, interaction: discord.Interaction[Any], select: discord.ui.Select[Result]) -> None:
        await interaction.response.send_message(f"Paper: {select.values[0]}", ephemeral=True)


@app_commands.command(name="paint", description="Paint a picture")
@app_commands.describe(subject="What to paint", style="In which manner", count="How many", reference="A picture to start from")
async def _paint(
    interaction: discord.Interaction[Any],
    subject: str,
    style: str = "ink",
    count: app_commands.Range[int, 1, 4] = 1,
    reference: discord.Attachment | None = None,
) -> None:
    start = f" after {reference.filename}" if reference else ""
    file = discord.File(io.BytesIO(picture()), "picture.png", description=f"A picture of {subject}")
    await interaction.response.send_message(f"**{subject}** in {style} x{count}{start}", file=file, view=Result())


@_paint.autocomplete("style")
async def _styles(_: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
    return [app_commands.Choice(name=style.title(), value=style) for style in STYLES if typed.lower() in style]


@app_commands.command(name="whisper", description="Say something that only you hear")
async def _whisper(interaction: discord.Interaction[Any]) -> None:
    await interaction.response.send_message("Between the two of us.", ephemeral=True)


@app_commands.command(name="recipe", description="Show a panel")
async def _recipe(interaction: discord.Interaction[Any]) -> None:
    panel: discord.ui.LayoutView = discord.ui.LayoutView()
    button: discord.ui.Button[discord.ui.LayoutView] = discord.ui.Button(label="Later", disabled=True)
    section: discord.ui.Section[discord.ui.LayoutView] = discord.ui.Section("## Ochre", "-# a warm ground", accessory=button)
    panel.add_item(
        discord.ui.Container(section, discord.ui.Separator(), discord.ui.TextDisplay("Mix with ||linseed||."), accent_colour=0xA4452A)
    )
    await interaction.response.send_message(view=panel)


@app_commands.context_menu(name="Describe")
async def _describe(interaction: discord.Interaction[Any], message: discord.Message) -> None:
    await interaction.response.send_message(f"{message.author.display_name} wrote it.")
