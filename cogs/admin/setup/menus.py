"""The menus of a setup step: of values, of channels and of roles."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import discord

from cogs.admin import posted
from cogs.admin.changing import ALL, Patch
from cogs.admin.setup.controls import LABEL_MAX, MENU_MAX, Patches, Reads, SettingControl, StepContext, too_old
from cogs.admin.setup.ids import CHOOSE
from cogs.kit import channels
from cogs.kit.panels import Part


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
                label=each.label[:LABEL_MAX],
                value=each.id,
                description=each.about[:LABEL_MAX] or None,
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
        options = [discord.SelectOption(label=each.label[:LABEL_MAX], value=each.value, default=each.value in now) for each in page]
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
