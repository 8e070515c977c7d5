"""Components V2: what is sent, what is chosen in it, and how it changes in place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import discord
import pytest
from discord import ui

from sandbox.person import Message, Person

from .parrot import Parrot, picture, png

Press = Callable[[discord.Interaction[Any]], Awaitable[None]]


class Showroom(ui.LayoutView):
    """One of every part, with the picture that was asked for."""

    def __init__(self, name: str, press: Press) -> None:
        super().__init__(timeout=None)
        link = f"attachment://{name}"
        thumbnail: ui.Thumbnail[Showroom] = ui.Thumbnail(link, description="small")
        button: ui.Button[Showroom] = ui.Button(label="Next", custom_id="next")
        button.callback = press  # type: ignore[assignment]
        self.add_item(
            ui.Container(
                ui.Section("## Pictures", accessory=thumbnail),
                ui.MediaGallery(discord.MediaGalleryItem(link, description=f"the picture {name}", spoiler=True)),
                ui.Separator(spacing=discord.SeparatorSpacing.large),
                ui.File(link),
                ui.Section("more", accessory=button),
            )
        )


class Choices(ui.LayoutView):
    """Every kind of select menu in one panel; the last choice is kept."""

    def __init__(self) -> None:
        super().__init__(timeout=None)
        self.chosen: asyncio.Queue[list[Any]] = asyncio.Queue()
        kinds: list[ui.Select[Any] | ui.UserSelect[Any] | ui.RoleSelect[Any] | ui.MentionableSelect[Any] | ui.ChannelSelect[Any]] = [
            ui.Select(custom_id="string", options=[discord.SelectOption(label=c) for c in "abc"], max_values=2),
            ui.UserSelect(custom_id="user", max_values=2),
            ui.RoleSelect(custom_id="role"),
            ui.MentionableSelect(custom_id="mentionable", max_values=2),
            ui.ChannelSelect(custom_id="channel"),
        ]
        for select in kinds:
            select.callback = self._taker(select)  # type: ignore[assignment]
            self.add_item(ui.ActionRow(select))

    def _taker(self, select: Any) -> Press:
        async def take(interaction: discord.Interaction[Any]) -> None:
            await interaction.response.defer()
            await self.chosen.put(select.values)

        return take


class Survey(ui.Modal, title="A survey"):
    kind: ui.Label[Any] = ui.Label(
        text="Kind", component=ui.RadioGroup(custom_id="kind", options=[discord.RadioGroupOption(label=c, value=c) for c in "ab"])
    )
    extras: ui.Label[Any] = ui.Label(
        text="Extras",
        component=ui.CheckboxGroup(custom_id="extras", options=[discord.CheckboxGroupOption(label=c, value=c) for c in "xyz"]),
    )
    agree: ui.Label[Any] = ui.Label(text="Agree", component=ui.Checkbox(custom_id="agree"))

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        kind, extras, agree = (label.component for label in (self.kind, self.extras, self.agree))
        await interaction.response.send_message(f"{kind.value} {extras.values} {agree.value}")  # type: ignore[attr-defined]


async def _replace_at_once(interaction: discord.Interaction[Any]) -> None:
    view = Showroom("second.png", _replace_at_once)
    await interaction.response.edit_message(view=view, attachments=[picture("second.png", "green")])


async def _replace_later(interaction: discord.Interaction[Any]) -> None:
    await interaction.response.defer()
    view = Showroom("second.png", _replace_later)
    await interaction.edit_original_response(view=view, attachments=[picture("second.png", "green")])


def _links(message: Message) -> set[str]:
    media = [c[key] for c in message.components for key in ("media", "file") if key in c]
    media += [item["media"] for c in message.components if c["type"] == 12 for item in c["items"]]
    return {one["url"] for one in media}


@pytest.mark.parametrize("press", [_replace_at_once, _replace_later])
@pytest.mark.parametrize("quietly", [True, False])
async def test_a_panel_changes_its_picture_in_place(bot: Parrot, ada: Person, press: Press, quietly: bool) -> None:
    asking = asyncio.create_task(ada.slash("hold"))
    held = await bot.held.get()
    await held.response.send_message(view=Showroom("first.png", press), file=picture("first.png"), ephemeral=quietly)
    await asking
    first = await ada.message(lambda m: "Next" in m.buttons)
    assert (first.ephemeral, [await ada.fetch(link) for link in _links(first)]) == (quietly, [png()])
    await ada.click(first, "Next")
    second = await ada.message(lambda m: bool(m.attachments) and m.attachments[0]["filename"] == "second.png")
    assert (second.id, [await ada.fetch(link) for link in _links(second)]) == (first.id, [png(colour="green")])


async def test_every_kind_of_select_menu_gives_what_was_chosen(bot: Parrot, ada: Person, ben: Person) -> None:
    view = Choices()
    await bot.place(ada.channel("studio")).send(view=view)
    panel = await ada.message(lambda m: len(m.components) > 5)
    wanted = {
        "string": (["a", "c"], ["a", "c"]),
        "user": ([ben.id, ada.id], ["Ben", "Ada"]),
        "role": ([ada.roles["Artists"]], ["Artists"]),
        "mentionable": ([ada.roles["Artists"], ben.id], ["Artists", "Ben"]),
        "channel": ([ada.channel("gallery")], ["gallery"]),
    }
    for custom_id, (values, names) in wanted.items():
        await ada.select(panel, custom_id, *values)
        assert sorted(getattr(one, "name", one) for one in await view.chosen.get()) == sorted(names)


async def test_radio_buttons_and_checkboxes_go_round_in_a_form(bot: Parrot, ada: Person) -> None:
    asking = asyncio.create_task(ada.slash("hold"))
    await (await bot.held.get()).response.send_modal(Survey())
    await asking
    await ada.submit(await ada.modal(), kind="b", extras=["x", "z"], agree=True)
    assert (await ada.message(lambda m: m.author == "Easel")).content == "b ['x', 'z'] True"
