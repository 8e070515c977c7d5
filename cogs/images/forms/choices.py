"""The menus of a form for a model's options: in the order in which people want them, and only what the model has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import discord

from bot.core.errors import EaselError
from bot.core.i18n import _, pgettext
from bot.core.numbers import number, with_point
from bot.domain.catalog.ideas import Choice, Idea
from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.options import show
from bot.domain.catalog.params import build_params, preview_params
from bot.domain.catalog.shapes.aspect_ratios import MATCHING, ratio_of
from bot.domain.catalog.shapes.edit_shape import AUTO
from bot.domain.job import JobKind
from cogs.kit import texts

Given = Mapping[Idea, str | int | float | None]
PriceOf = Callable[[ModelInfo, Mapping[str, Any]], int | None]  # of an image with these params, in microcredits

AS_USUAL: Final = "-"  # the value of the first choice: the option is left out
CHOICES_MAX: Final = 25  # of a menu; Discord shows no more
LABEL_MAX: Final = 100  # characters
# What is offered for each kind of order, the most wanted first.
_WANTED: Final[Mapping[JobKind, tuple[Idea, ...]]] = {
    JobKind.GENERATE: (Idea.ASPECT_RATIO, Idea.RESOLUTION, Idea.QUALITY, Idea.STEPS, Idea.GUIDANCE),
    JobKind.EDIT: (Idea.ASPECT_RATIO, Idea.RESOLUTION, Idea.QUALITY, Idea.STRENGTH, Idea.STEPS, Idea.GUIDANCE),
    JobKind.UPSCALE: (Idea.SCALE, Idea.FORMAT),
}
_LABELS: Final[Mapping[Idea, Callable[[], str]]] = {
    Idea.ASPECT_RATIO: lambda: pgettext("modal label", "Aspect ratio"),
    Idea.RESOLUTION: lambda: pgettext("modal label", "Size"),
    Idea.QUALITY: lambda: pgettext("modal label", "Quality"),
    Idea.STRENGTH: lambda: pgettext("modal label", "How much should change?"),
    Idea.STEPS: lambda: pgettext("modal label", "Steps (more take longer)"),
    Idea.GUIDANCE: lambda: pgettext("modal label", "How closely to follow the prompt"),
    Idea.FORMAT: lambda: pgettext("modal label", "File type"),
    Idea.SCALE: lambda: pgettext("modal label", "How many times larger"),
}
_SHAPES: Final[Mapping[int, Callable[[], str]]] = {
    1: lambda: pgettext("shape of an image", "wide"),
    0: lambda: pgettext("shape of an image", "square"),
    -1: lambda: pgettext("shape of an image", "tall"),
}


@dataclass(frozen=True, kw_only=True)
class OptionMenus:
    """The menus of one model."""

    model: ModelInfo
    kind: JobKind
    price_of: PriceOf
    given: Given = field(default_factory=dict)  # chosen before
    ratios: Collection[str] | None = None  # aspect ratios that the member may use; None: all

    @property
    def refused(self) -> list[Idea]:
        """What was chosen before and the model does not take."""
        return [idea for idea, value in self.given.items() if value not in (None, "") and not self._takes(idea, value)]

    def ideas(self, *, most: int) -> list[Idea]:
        """The options that get a menu: first what was refused, then what was chosen before, then at most `most` of the others."""
        wanted = _WANTED[self.kind]
        chosen = [idea for idea in (*wanted, *Idea) if self.given.get(idea) not in (None, "")]
        ahead = self._separate([*self.refused, *chosen])
        return self._separate([*ahead, *filter(self._is_useful, wanted)])[: max(most, len(ahead))]

    def rows(self, *, most: int) -> list[discord.ui.Label[Any]]:
        return [discord.ui.Label(text=_LABELS[idea](), component=self._menu(idea)) for idea in self.ideas(most=most)]

    def _is_useful(self, idea: Idea) -> bool:
        """A quality in numbers is that of the file, which few people want to choose."""
        option = self.model.option(idea)
        return idea is not Idea.QUALITY or (option is not None and bool(option.values))

    def _takes(self, idea: Idea, value: object) -> bool:
        if idea is Idea.ASPECT_RATIO and self.ratios is not None and value not in self.ratios:
            return False
        try:
            build_params(self.model, {idea: show(value)})
        except EaselError:
            return False
        return True

    def _separate(self, ideas: Iterable[Idea]) -> list[Idea]:
        """Those that the model has with a choice; of two for one of its parameters the first."""
        found: dict[str, Idea] = {}
        for idea in ideas:
            option = self.model.option(idea)
            if option is not None and idea in _LABELS and len(self._choices(idea)) > 1:
                found.setdefault(option.name, idea)
        return list(found.values())

    def _choices(self, idea: Idea) -> list[Choice]:
        """At most as many as a menu holds beside the first one; the value that was chosen before is among them."""
        found = self.model.choices(idea)
        chosen = self.given.get(idea)
        if chosen not in (None, "") and self._takes(idea, chosen):
            found = [*(self.model.choices(idea, show(chosen))[:1]), *found]
        unique = {choice.value: choice for choice in found if self._is_allowed(idea, choice)}
        return list(unique.values())[: CHOICES_MAX - 1]

    def _is_allowed(self, idea: Idea, choice: Choice) -> bool:
        return idea is not Idea.ASPECT_RATIO or self.ratios is None or choice.value in self.ratios

    def _menu(self, idea: Idea) -> discord.ui.Select[Any]:
        chosen = self.given.get(idea)
        offers: dict[str, str] = {AS_USUAL: self._usual(idea), **{each.value: _label(idea, each.value) for each in self._choices(idea)}}
        preset = next((value for value in offers if chosen not in (None, "") and value.casefold() == show(chosen).casefold()), AS_USUAL)
        prices = self._prices(idea, offers)
        options = [
            discord.SelectOption(label=label[:LABEL_MAX], value=value, description=prices.get(value), default=value == preset)
            for value, label in offers.items()
        ]
        return discord.ui.Select(custom_id=f"option-{idea}", options=options, required=False)

    def _usual(self, idea: Idea) -> str:
        option = self.model.option(idea)
        if idea is Idea.ASPECT_RATIO and self.kind is JobKind.EDIT:
            return _("Like the image")
        default = None if option is None else option.default
        return _("As the model does") if default is None else _("As the model does: {value}").format(value=_label(idea, show(default)))

    def _prices(self, idea: Idea, values: Iterable[str]) -> Mapping[str, str]:
        """What an image costs with each value, in words; empty if the price is always the same."""
        others = {str(each): value for each, value in self.given.items() if each is not idea}
        prices = {
            value: self.price_of(self.model, preview_params(self.model, others if value == AS_USUAL else {**others, str(idea): value}))
            for value in values
        }
        if len(set(prices.values())) < 2:
            return {}
        return {value: texts.amount_of(price)[:LABEL_MAX] for value, price in prices.items() if price is not None}


def chosen(fields: Mapping[str, Any]) -> dict[Idea, str | None]:
    """What was chosen in the menus of a submitted form; None: left to the model."""
    shown = {idea: fields[f"option-{idea}"] for idea in Idea if f"option-{idea}" in fields}
    values = {idea: next(iter(picked or ()), AS_USUAL) for idea, picked in shown.items()}
    return {idea: None if value == AS_USUAL else value for idea, value in values.items()}


def _label(idea: Idea, value: str) -> str:
    """A value as people read it."""
    if value in MATCHING:
        return _("Like the image")
    if value == AUTO:
        return _("Chosen by the model")
    if idea is Idea.ASPECT_RATIO:
        return _ratio(value)
    if idea is Idea.STRENGTH:
        return _percent(value)
    return show(value)


def _ratio(value: str) -> str:
    """Such as "16:9 (wide)"."""
    width, _colon, height = (ratio_of(value) or value).partition(":")
    try:
        difference = float(width) - float(height)
    except ValueError:
        return value
    return f"{value} ({_SHAPES[(difference > 0) - (difference < 0)]()})"


def _percent(value: str) -> str:
    try:
        share = float(with_point(value))
    except ValueError:
        return value
    return _("{percent} %").format(percent=number(share * 100, decimals=0)) if 0 <= share <= 1 else value
