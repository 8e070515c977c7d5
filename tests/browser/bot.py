"""A small bot with one of each thing that the chat page supports."""

from __future__ import annotations

import io
from types import MappingProxyType
from typing import Any

import discord
from discord import app_commands
from PIL import Image

AnyCommand = app_commands.Command[Any, Any, Any] | app_commands.ContextMenu
STYLES = ("ink", "oil", "pencil", "watercolour")


def image_bytes(colour: str = "#a4452a", width_px: int = 320, height_px: int = 200) -> bytes:
    """A PNG of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (width_px, height_px), colour).save(buffer, "PNG")
    return buffer.getvalue()


class SmallBot(discord.Client):
    """Answers at once; its commands are in place before the gateway says ready."""

    def __init__(self) -> None:
        # discord.py waits this long for more guilds; here there is only one.
        super().__init__(intents=discord.Intents.default(), guild_ready_timeout=0.05)
        self.tree: app_commands.CommandTree[SmallBot] = app_commands.CommandTree(self)
        commands: tuple[AnyCommand, ...] = (
            *(_paint, _ephemeral, _recipe, _display, _choices, _fields, _anywhere),
            *(_describe, _portrait),
        )
        for command in commands:
            self.tree.add_command(command)

    async def setup_hook(self) -> None:
        await self.tree.set_translator(German())
        await self.tree.sync()


class German(app_commands.Translator):
    """A few command names in German."""

    WORDS = MappingProxyType(
        {"paint": "malen", "subject": "motiv", "What to paint": "Was gemalt werden soll", "Portrait": "Porträt", "Describe": "Beschreiben"}
    )

    async def translate(
        self, string: app_commands.locale_str, locale: discord.Locale, _: app_commands.TranslationContextTypes, /
    ) -> str | None:
        return self.WORDS.get(string.message) if locale is discord.Locale.german else None


class Rework(discord.ui.Modal, title="Rework this image"):
    change: discord.ui.TextInput[Rework] = discord.ui.TextInput(label="What to change", min_length=3, max_length=80)

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message(f"Reworked: {self.change.value}")


class PickResult(discord.ui.View):
    def __init__(self) -> None:
        super().__init__(timeout=None)

    @discord.ui.button(label="Rework", style=discord.ButtonStyle.primary)
    async def rework(self, interaction: discord.Interaction[Any], _: discord.ui.Button[PickResult]) -> None:
        await interaction.response.send_modal(Rework())

    @discord.ui.button(label="Frame", style=discord.ButtonStyle.secondary)
    async def frame(self, interaction: discord.Interaction[Any], button: discord.ui.Button[PickResult]) -> None:
        button.disabled, button.label = True, "Framed"
        await interaction.response.edit_message(view=self)

    @discord.ui.select(placeholder="Paper", options=[discord.SelectOption(label=name) for name in ("Rough", "Smooth")])
    async def paper(self, interaction: discord.Interaction[Any], select: discord.ui.Select[PickResult]) -> None:
        await interaction.response.send_message(f"Paper: {select.values[0]}", ephemeral=True)


@app_commands.command(name="paint", description="Paint an image")
@app_commands.describe(subject="What to paint", style="In which manner", count="How many", reference="An image to start from")
async def _paint(
    interaction: discord.Interaction[Any],
    subject: str,
    style: str = "ink",
    count: app_commands.Range[int, 1, 4] = 1,
    reference: discord.Attachment | None = None,
) -> None:
    start = f" after {reference.filename}" if reference else ""
    file = discord.File(io.BytesIO(image_bytes()), "image.png", description=f"An image of {subject}")
    await interaction.response.send_message(f"**{subject}** in {style} x{count}{start}", file=file, view=PickResult())


@_paint.autocomplete("style")
async def _styles(_: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
    return [app_commands.Choice(name=style.title(), value=style) for style in STYLES if typed.lower() in style]


@app_commands.command(name="whisper", description="Say something that only you hear")
async def _ephemeral(interaction: discord.Interaction[Any], lines: int = 0) -> None:
    said = ["Between the two of us.", *(f"Line {number + 1}" for number in range(lines))]
    await interaction.response.send_message("\n".join(said), ephemeral=True)


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


@app_commands.context_menu(name="Portrait")
async def _portrait(interaction: discord.Interaction[Any], person: discord.Member | discord.User) -> None:
    await interaction.response.send_message(f"A portrait of {person.display_name}.", ephemeral=True)


@app_commands.command(name="anywhere", description="Say where we are")
@app_commands.allowed_installs(guilds=True, users=True)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
async def _anywhere(interaction: discord.Interaction[Any]) -> None:
    here = "a server" if interaction.context.guild else "private"
    await interaction.response.send_message(f"We are in {here}.")


# -------------------------------------------------------------- Components V2


class EveryDisplayComponent(discord.ui.LayoutView):
    """One of every display component; the button shows the next page."""

    def __init__(self, number: int = 1) -> None:
        super().__init__(timeout=None)
        self.number = number
        turn: discord.ui.Button[EveryDisplayComponent] = discord.ui.Button(label="Turn the page", custom_id="turn")
        turn.callback = self._turn  # type: ignore[method-assign]
        link = f"attachment://page-{number}.png"
        container: discord.ui.Container[EveryDisplayComponent] = discord.ui.Container(accent_colour=0x4F6D8F)
        container.add_item(discord.ui.Section(f"## Page {number}", "A small image beside it", accessory=discord.ui.Thumbnail(link)))
        container.add_item(discord.ui.Separator(spacing=discord.SeparatorSpacing.large))
        images = [discord.MediaGalleryItem(link, description=f"image {number}-{n}", spoiler=n == 2) for n in (1, 2)]
        container.add_item(discord.ui.MediaGallery(*images))
        container.add_item(discord.ui.File(link))
        self.add_item(container).add_item(discord.ui.Section("-# There is more.", accessory=turn))

    def file(self) -> discord.File:
        colour = ("#a4452a", "#4f6d8f")[self.number % 2]
        return discord.File(io.BytesIO(image_bytes(colour)), f"page-{self.number}.png", description=f"page {self.number}")

    async def _turn(self, interaction: discord.Interaction[Any]) -> None:
        following = EveryDisplayComponent(self.number + 1)
        await interaction.response.edit_message(view=following, attachments=[following.file()])


class Choices(discord.ui.LayoutView):
    """Every kind of select menu; the text above shows the last choice."""

    def __init__(self) -> None:
        super().__init__(timeout=None)
        self.text: discord.ui.TextDisplay[Choices] = discord.ui.TextDisplay("Nothing chosen yet")
        self.add_item(self.text)
        options = [discord.SelectOption(label=name, description=f"a {name} one") for name in ("rough", "smooth")]
        self._offer(discord.ui.Select(custom_id="paper", placeholder="Paper", options=options))
        self._offer(discord.ui.UserSelect(custom_id="person", placeholder="Person"))
        self._offer(discord.ui.RoleSelect(custom_id="role", placeholder="Role"))
        self._offer(discord.ui.MentionableSelect(custom_id="anybody", placeholder="Anybody"))
        self._offer(discord.ui.ChannelSelect(custom_id="place", placeholder="Place"))

    def _offer(self, select: Any) -> None:
        async def show(interaction: discord.Interaction[Any]) -> None:
            self.text.content = f"Chosen: {', '.join(getattr(value, 'name', value) for value in select.values)}"
            await interaction.response.edit_message(view=self)

        select.callback = show
        self.add_item(discord.ui.ActionRow(select))


class EveryFormField(discord.ui.Modal, title="A survey"):
    """The modal controls other than text and files."""

    medium: discord.ui.Label[EveryFormField] = discord.ui.Label(
        text="Medium",
        component=discord.ui.RadioGroup(
            custom_id="medium", options=[discord.RadioGroupOption(label=name, value=name, description=f"all {name}") for name in STYLES[:3]]
        ),
    )
    extras: discord.ui.Label[EveryFormField] = discord.ui.Label(
        text="Extras",
        component=discord.ui.CheckboxGroup(
            custom_id="extras",
            required=False,
            options=[discord.CheckboxGroupOption(label=name, value=name) for name in ("frame", "signature")],
        ),
    )
    role: discord.ui.Label[EveryFormField] = discord.ui.Label(
        text="For whom", component=discord.ui.RoleSelect(custom_id="role", required=False)
    )
    agree: discord.ui.Label[EveryFormField] = discord.ui.Label(text="I agree", component=discord.ui.Checkbox(custom_id="agree"))
    sketch: discord.ui.Label[EveryFormField] = discord.ui.Label(
        text="Sketch", description="A first idea", component=discord.ui.FileUpload(custom_id="sketch", required=False)
    )

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        medium, extras, agree, sketch = (label.component for label in (self.medium, self.extras, self.agree, self.sketch))
        names = [file.filename for file in sketch.values]  # type: ignore[attr-defined]
        said = f"{medium.value} {extras.values} {agree.value} {names}"  # type: ignore[attr-defined]
        await interaction.response.send_message(said)


@app_commands.command(name="display", description="Show a page of images")
async def _display(interaction: discord.Interaction[Any], quietly: bool = True) -> None:
    view = EveryDisplayComponent()
    await interaction.response.send_message(view=view, file=view.file(), ephemeral=quietly)


@app_commands.command(name="choices", description="Show every kind of menu")
async def _choices(interaction: discord.Interaction[Any]) -> None:
    await interaction.response.send_message(view=Choices())


@app_commands.command(name="fields", description="Ask with every kind of control")
async def _fields(interaction: discord.Interaction[Any]) -> None:
    await interaction.response.send_modal(EveryFormField())
