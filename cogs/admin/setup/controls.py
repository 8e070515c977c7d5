"""The controls of a setup step: menus, switches and forms. Each makes a patch of the settings from what was chosen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import discord

from bot.core.errors import InvalidRequest, NotFound
from bot.core.i18n import _, pgettext
from bot.core.numbers import with_point
from bot.core.settings.field_types import ManagersMay
from bot.domain.catalog.models import ModelInfo
from bot.domain.guild.document import Policy
from bot.domain.request import Request
from bot.services.admin import Overview
from cogs.admin.changing import Patch
from cogs.admin.setup.ids import ASK, SET, Mode
from cogs.kit import texts
from cogs.kit.panels import Part, button
from cogs.kit.request import Interaction, services_of

MENU_MAX: Final = 25  # options of a menu; Discord takes no more
LABEL_MAX: Final = 100  # characters of a label, or of an option's value
_TYPED_MAX: Final = 300  # characters of a form's value

Path = tuple[str, ...]  # in the settings document


@dataclass(frozen=True, kw_only=True)
class StepContext:
    """Where a step is shown, and what its texts and controls need."""

    request: Request
    interaction: Interaction
    overview: Overview
    mode: Mode
    step: str
    role_id: int | None = None  # whose limits the step shows

    @property
    def policy(self) -> Policy:
        return self.request.policy

    @property
    def has_checks(self) -> bool:
        """Whether the bot's operator has a content check."""
        return services_of(self.interaction).admin.has_checks

    @property
    def guild(self) -> discord.Guild | None:
        return self.interaction.guild

    @property
    def models(self) -> Sequence[ModelInfo]:
        return services_of(self.interaction).orders.models.offered

    def title(self, model_id: str) -> str:
        return services_of(self.interaction).orders.models.title(model_id)

    @property
    def ids(self) -> dict[str, Any]:
        """What the ids of its controls carry."""
        return {"mode": self.mode, "step": self.step, "role": self.role_id}


Reads = Callable[[StepContext], Any]  # a value of the settings, as in the document
Patches = Callable[[StepContext, Any], Patch]


def at(*path: str) -> Patches:
    """A patch of the value at this path."""

    def patch(_place: StepContext, value: Any) -> Patch:
        return nested(path, value)

    return patch


def nested(path: Path, value: Any) -> Patch:
    for name in reversed(path):
        value = {name: value}
    return dict(value)


@dataclass(frozen=True, kw_only=True)
class SettingControl:
    """One control. `needs`: what the operator must let managers set; without it the control is not shown."""

    name: str
    needs: ManagersMay | None = None
    shown: Callable[[StepContext], bool] = field(default=lambda _place: True)

    def parts(self, place: StepContext) -> list[Part]:
        raise NotImplementedError

    def patch(self, place: StepContext, values: Sequence[str]) -> Patch:
        """From the chosen values. Raises `NotFound` for one that is not offered any more."""
        raise NotImplementedError


def too_old() -> NotFound:
    return NotFound(_("This message is too old. Start again."))


# --- buttons ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Switch(SettingControl):
    """A button that sets a state: two managers who press it at once get the same result."""

    on: Callable[[], str]  # the button's labels: what it does
    off: Callable[[], str]
    reads: Reads
    patches: Patches
    emoji: str | None = None
    warns: bool = False  # turning it on is urgent: a red button

    def parts(self, place: StepContext) -> list[Part]:
        is_on = bool(self.reads(place))
        style = discord.ButtonStyle.danger if self.warns and not is_on else discord.ButtonStyle.secondary
        custom_id = SET(**place.ids, control=self.name, value="off" if is_on else "on")
        return [button(self.off() if is_on else self.on(), custom_id, emoji=self.emoji, style=style)]

    def patch(self, place: StepContext, values: Sequence[str]) -> Patch:
        return self.patches(place, "on" in values)


@dataclass(frozen=True, kw_only=True)
class ActionButton(SettingControl):
    """A button that changes the settings by itself. `run` returns the request with the new ones, and what was done."""

    label: Callable[[], str]
    emoji: str
    run: Callable[[Request, Interaction], Awaitable[tuple[Request, str]]]

    def parts(self, place: StepContext) -> list[Part]:
        return [button(self.label(), SET(**place.ids, control=self.name, value="on"), emoji=self.emoji)]


@dataclass(frozen=True, kw_only=True)
class Blank:
    """A text field of a form. What it shows at first is the current value, unless it only adds."""

    name: str
    label: Callable[[], str]
    reads: Reads = field(default=lambda _place: None)
    about: Callable[[], str] = field(default=lambda: "")
    needs: ManagersMay | None = None
    is_number: bool = True
    is_long: bool = False
    most: int = _TYPED_MAX  # characters

    def part(self, place: StepContext) -> discord.ui.Label[Any]:
        now = self.reads(place)
        style = discord.TextStyle.paragraph if self.is_long else discord.TextStyle.short
        shown = "" if now is None else f"{now:g}" if isinstance(now, float) else str(now)
        typed = discord.ui.TextInput[Any](custom_id=self.name, required=False, default=shown or None, max_length=self.most, style=style)
        return discord.ui.Label(text=self.label(), description=self.about()[:LABEL_MAX] or None, component=typed)

    def read(self, given: Mapping[str, Any]) -> Any:
        """What was typed; None: nothing. Raises `InvalidRequest` for a number that is none."""
        typed = str(given.get(self.name) or "").strip()
        if not typed:
            return None
        if not self.is_number:
            return typed
        try:
            number = float(with_point(typed))
        except ValueError:
            sentence = _("{name} must be a number, such as 5 or 2.5; “{given}” isn't.")
            raise InvalidRequest(sentence.format(name=self.label(), given=texts.quoted(typed))) from None
        return int(number) if number.is_integer() else number


@dataclass(frozen=True, kw_only=True)
class FormButton(SettingControl):
    """A button that opens a form. `fills`: the patch of what was typed, by field; None: the field was left empty."""

    label: Callable[[], str]
    title: Callable[[], str]
    blanks: Sequence[Blank]
    fills: Patches
    models: bool = False  # also asks for a model

    def parts(self, place: StepContext) -> list[Part]:
        return [button(self.label(), ASK(**place.ids, control=self.name), emoji="✏️")]

    def open_blanks(self, place: StepContext) -> list[Blank]:
        return [each for each in self.blanks if may(place, each.needs)]

    def modal(self, place: StepContext, custom_id: str) -> discord.ui.Modal:
        modal = discord.ui.Modal(title=self.title(), custom_id=custom_id)
        for number, page in enumerate(_pages(place) if self.models else ()):
            menu = discord.ui.Select[Any](custom_id=f"model{number}", options=page, required=False, min_values=0)
            modal.add_item(discord.ui.Label(text=pgettext("modal label", "Model"), component=menu))
        for blank in self.open_blanks(place):
            modal.add_item(blank.part(place))
        return modal

    def filled(self, place: StepContext, given: Mapping[str, Any]) -> Patch:
        """Raises `InvalidRequest` for what cannot be read."""
        typed = {each.name: each.read(given) for each in self.open_blanks(place)}
        if self.models:
            chosen = [value for name, values in given.items() if name.startswith("model") for value in values or ()]
            if len(chosen) != 1:
                raise InvalidRequest(_("Choose one model."))
            typed["model"] = chosen[0]
        return self.fills(place, typed)


def _pages(place: StepContext) -> list[list[discord.SelectOption]]:
    """The models in up to three menus: a form takes five fields."""
    options = [
        discord.SelectOption(label=each.title[:LABEL_MAX], value=each.id, description=texts.price(each)[:LABEL_MAX])
        for each in place.models[: 3 * MENU_MAX]
    ]
    return [options[start : start + MENU_MAX] for start in range(0, len(options), MENU_MAX)]


def may(place: StepContext, needs: ManagersMay | None) -> bool:
    """Whether the operator lets managers set this."""
    return needs is None or needs in services_of(place.interaction).admin.managers_may
