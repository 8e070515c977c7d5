"""The rows of the forms that order an image, and their menus of images and models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import discord

from bot.core.i18n import _, ngettext, pgettext
from bot.domain.catalog.models import ModelInfo
from bot.domain.money.quota import in_credits
from bot.domain.order import PROMPT_MAX
from cogs.images.forms.choices import CHOICES_MAX, LABEL_MAX
from cogs.kit import texts

ROWS_MAX: Final = 5  # of a modal; Discord's limit
REFERENCES_MAX: Final = 3  # beside the image itself, as in /edit

Row = discord.ui.Label[Any]


def modal(title: str, custom_id: str, rows: Iterable[Row]) -> discord.ui.Modal:
    """A form with as many of the rows as Discord shows."""
    built = discord.ui.Modal(title=title, custom_id=custom_id)
    for row in list(rows)[:ROWS_MAX]:
        built.add_item(row)
    return built


def image(images: int) -> Row:
    """Which of several images."""
    label = pgettext("select option", "Image {number}")
    options = [discord.SelectOption(label=label.format(number=n + 1), value=str(n), default=n == 0) for n in range(images)]
    menu = discord.ui.Select[Any](custom_id="picture", options=options[:CHOICES_MAX])
    return discord.ui.Label(text=pgettext("modal label", "Image"), component=menu)


def prompt(label: str, *, written: str = "", placeholder: str = "", note: str | None = None, required: bool = True) -> Row:
    field = discord.ui.TextInput[Any](
        custom_id="prompt",
        style=discord.TextStyle.paragraph,
        max_length=PROMPT_MAX,
        placeholder=placeholder[:LABEL_MAX] or None,
        default=written or None,
        required=required,
    )
    return discord.ui.Label(text=label, description=note and note[:LABEL_MAX], component=field)


def model(models: Sequence[ModelInfo], preset: ModelInfo, *, command: str, left: int) -> Row:
    """The preset comes first, so that the limit never cuts it off. `command` offers all; `left`: microcredits that the member has."""
    ordered = [preset, *(each for each in models if each.id != preset.id)][:CHOICES_MAX]
    options = [
        discord.SelectOption(
            label=each.title[:LABEL_MAX],
            value=each.id,
            description=price_and_left(texts.price(each), each.price_microcredits or 0, left=left),
            default=each is preset,
        )
        for each in ordered
    ]
    menu = discord.ui.Select[Any](custom_id="model", options=options, required=False)
    return discord.ui.Label(text=pgettext("modal label", "Model"), description=_others(models, command), component=menu)


def _others(models: Sequence[ModelInfo], command: str) -> str | None:
    """Says that the menu does not list all models."""
    count = len(models) - CHOICES_MAX
    listed = ngettext("{count} more model with {command}.", "{count} more models with {command}.", count)
    return listed.format(count=count, command=command)[:LABEL_MAX] if count > 0 else None


def price_and_left(price: str, micro: int, *, left: int) -> str:
    """The description of an option that costs `micro` microcredits, or `price` in words, for a member who has `left` microcredits."""
    sentence = _("{price} · you only have {amount}") if left < micro else _("{price} · you have {amount}")
    return sentence.format(price=price, amount=in_credits(left))[:LABEL_MAX]


def references(most: int) -> Row:
    """More images beside those that the form is for."""
    sentence = ngettext("Up to {count} more image.", "Up to {count} more images.", most).format(count=most)
    return _upload(pgettext("modal label", "More reference images"), sentence, most=most)


def images_instead(most: int, *, kept: int) -> Row:
    """Images in place of those that were attached before."""
    if not kept:
        return _upload(pgettext("modal label", "Image"), None, most=most)
    sentence = ngettext("Leave empty to keep the image.", "Leave empty to keep the {count} images.", kept).format(count=kept)
    return _upload(pgettext("modal label", "Other images instead"), sentence, most=most)


def _upload(label: str, note: str | None, *, most: int) -> Row:
    field = discord.ui.FileUpload[Any](custom_id="references", required=False, min_values=0, max_values=max(1, most))
    return discord.ui.Label(text=label, description=note and note[:LABEL_MAX], component=field)
