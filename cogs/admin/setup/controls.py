"""The controls of a setup step: menus, switches and forms. Each makes a patch of the settings from what was chosen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
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
from cogs.admin import posted
from cogs.admin.changing import ALL, Patch
from cogs.admin.setup.ids import ASK, CHOOSE, SET, Mode
from cogs.kit import channels, texts
from cogs.kit.panels import Part, button
from cogs.kit.request import Interaction, services_of

MENU_MAX: Final = 25  # options of a menu; Discord takes no more
_LABEL_MAX: Final = 100  # characters
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


# --- menus -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SetupChoice:
    """An option of a menu. `value` is as in the settings document; `key` stands for it in the message."""

    value: Any
    label: str
    about: str = ""
    key: str = ""

    @property
    def id(self) -> str:
        return self.key or json.dumps(self.value)


@dataclass(frozen=True, kw_only=True)
class Menu(SettingControl):
    """A choice of one of some values. A value that is not among them is shown by its placeholder."""

    placeholder: Callable[[], str]
    choices: Callable[[StepContext], Sequence[SetupChoice]]
    reads: Reads
    patches: Patches

    def parts(self, place: StepContext) -> list[Part]:
        now = self.reads(place)
        options = [
            discord.SelectOption(
                label=each.label[:_LABEL_MAX],
                value=each.id,
                description=each.about[:_LABEL_MAX] or None,
                default=each.value == now,
            )
            for each in self.choices(place)
        ]
        return [discord.ui.Select(custom_id=CHOOSE(**place.ids, control=self.name), placeholder=self.placeholder(), options=options)]

    def patch(self, place: StepContext, values: Sequence[str]) -> Patch:
        found = next((each for each in self.choices(place) if each.id in values), None)
        if found is None:
            raise too_old()
        return self.patches(place, found.value)


@dataclass(frozen=True, kw_only=True)
class ManyMenu(SettingControl):
    """A choice of several texts, in as many menus as Discord needs. Nothing is chosen while all are allowed."""

    placeholder: Callable[[], str]
    choices: Callable[[StepContext], Sequence[SetupChoice]]
    reads: Reads  # "all", or the chosen ones
    patches: Patches

    def parts(self, place: StepContext) -> list[Part]:
        offered = self.choices(place)
        return [self._menu(place, start, offered[start : start + MENU_MAX]) for start in range(0, len(offered), MENU_MAX)]

    def _menu(self, place: StepContext, start: int, page: Sequence[SetupChoice]) -> Part:
        now = self._now(place)
        options = [discord.SelectOption(label=each.label[:_LABEL_MAX], value=each.value, default=each.value in now) for each in page]
        return discord.ui.Select(
            custom_id=CHOOSE(**place.ids, control=f"{self.name}{start // MENU_MAX or ''}"),
            placeholder=self.placeholder(),
            options=options,
            min_values=0,
            max_values=len(options),
        )

    def patch_page(self, place: StepContext, values: Sequence[str], page: int) -> Patch:
        """From one of its menus; what the others show stays."""
        here = {each.value for each in self.choices(place)[page * MENU_MAX : (page + 1) * MENU_MAX]}
        chosen = [each for each in self._now(place) if each not in here] + [each for each in values if each in here]
        return self.patches(place, chosen)

    def _now(self, place: StepContext) -> Sequence[str]:
        now = self.reads(place)
        return () if now == ALL else now


@dataclass(frozen=True, kw_only=True)
class ChannelMenu(SettingControl):
    """A channel to post in; None turns it off."""

    placeholder: Callable[[], str]
    reads: Reads
    patches: Patches

    def parts(self, place: StepContext) -> list[Part]:
        now = self.reads(place)
        known = [] if now is None or place.guild is None or place.guild.get_channel(now) is None else [_channel(now)]
        return [
            discord.ui.ChannelSelect(
                custom_id=CHOOSE(**place.ids, control=self.name),
                placeholder=self.placeholder(),
                channel_types=list(channels.POSTABLE_TYPES),
                default_values=known,
                min_values=0,
            )
        ]

    def patch(self, place: StepContext, values: Sequence[str]) -> Patch:
        if not values:
            return self.patches(place, None)
        return self.patches(place, posted.postable_id(place.guild, _id(values[0])))


@dataclass(frozen=True, kw_only=True)
class IdsMenu(SettingControl):
    """A choice of several channels, or roles. Ids that the menu cannot show are kept."""

    placeholder: Callable[[], str]
    reads: Reads
    patches: Patches
    roles: bool = False

    def parts(self, place: StepContext) -> list[Part]:
        more: dict[str, Any] = {"custom_id": CHOOSE(**place.ids, control=self.name), "placeholder": self.placeholder()}
        shown = self._shown(place)
        if self.roles:
            preset: list[Any] = [discord.SelectDefaultValue(id=each, type=discord.SelectDefaultValueType.role) for each in shown]
            return [discord.ui.RoleSelect(**more, default_values=preset, min_values=0, max_values=MENU_MAX)]
        return [discord.ui.ChannelSelect(**more, default_values=[_channel(each) for each in shown], min_values=0, max_values=MENU_MAX)]

    def _shown(self, place: StepContext) -> list[int]:
        if place.guild is None:
            return []
        find = place.guild.get_role if self.roles else place.guild.get_channel_or_thread
        return [each for each in self.reads(place) if find(each) is not None][:MENU_MAX]

    def patch(self, place: StepContext, values: Sequence[str]) -> Patch:
        shown = self._shown(place)
        kept = [each for each in self.reads(place) if each not in shown]
        return self.patches(place, [str(each) for each in dict.fromkeys([*kept, *map(_id, values)])])


def _channel(channel_id: int) -> discord.SelectDefaultValue:
    return discord.SelectDefaultValue(id=channel_id, type=discord.SelectDefaultValueType.channel)


def _id(value: str) -> int:
    if not value.isdecimal():
        raise too_old()
    return int(value)


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
        return discord.ui.Label(text=self.label(), description=self.about()[:_LABEL_MAX] or None, component=typed)

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
        discord.SelectOption(label=each.title[:_LABEL_MAX], value=each.id, description=texts.price(each)[:_LABEL_MAX])
        for each in place.models[: 3 * MENU_MAX]
    ]
    return [options[start : start + MENU_MAX] for start in range(0, len(options), MENU_MAX)]


def may(place: StepContext, needs: ManagersMay | None) -> bool:
    """Whether the operator lets managers set this."""
    return needs is None or needs in services_of(place.interaction).admin.managers_may
