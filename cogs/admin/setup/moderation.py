"""Controls of the channels that Easel posts in, of moderators, and of flags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.core.i18n import ngettext, pgettext
from bot.core.settings.field_types import ManagersMay
from cogs.admin.changing import Patch
from cogs.admin.setup.controls import Blank, FormButton, SettingControl, StepContext, Switch, at
from cogs.admin.setup.menus import ChannelMenu, IdsMenu, Menu, SetupChoice

_FLAGS_OFF = 0

# --- channels --------------------------------------------------------------------------------------------------------

CASES: Sequence[SettingControl] = (
    ChannelMenu(
        name="cases",
        placeholder=lambda: pgettext("select placeholder", "Channel for cases"),
        reads=lambda place: place.policy.cases_channel_id,
        patches=at("cases_channel_id"),
    ),
)
LOG: Sequence[SettingControl] = (
    ChannelMenu(
        name="log",
        placeholder=lambda: pgettext("select placeholder", "Channel for the log"),
        reads=lambda place: place.policy.log_channel_id,
        patches=at("log_channel_id"),
    ),
)
MODERATORS: Sequence[SettingControl] = (
    IdsMenu(
        name="roles",
        placeholder=lambda: pgettext("select placeholder", "Roles that moderate images"),
        reads=lambda place: place.policy.moderator_role_ids,
        patches=at("moderator_role_ids"),
        roles=True,
    ),
)


def _stars(_place: StepContext) -> Sequence[SetupChoice]:
    return [
        SetupChoice(value=count, label=ngettext("{count} star is needed", "{count} stars are needed", count).format(count=count))
        for count in (1, 2, 3, 5, 10, 20)
    ]


def _fill_gallery(_place: StepContext, typed: Any) -> Patch:
    return {"gallery": {name: typed[name] for name in typed}}


GALLERY: Sequence[SettingControl] = (
    ChannelMenu(
        name="gallery",
        placeholder=lambda: pgettext("select placeholder", "Channel for the gallery"),
        reads=lambda place: place.policy.gallery.channel_id,
        patches=at("gallery", "channel_id"),
    ),
    Menu(
        name="stars",
        placeholder=lambda: pgettext("select placeholder", "Stars needed"),
        choices=_stars,
        reads=lambda place: place.policy.gallery.stars,
        patches=at("gallery", "stars"),
    ),
    FormButton(
        name="other",
        label=lambda: pgettext("button", "Other amounts"),
        title=lambda: pgettext("modal title", "Gallery"),
        blanks=(
            Blank(name="stars", label=lambda: pgettext("modal label", "Stars needed"), reads=lambda place: place.policy.gallery.stars),
            Blank(
                name="reward",
                label=lambda: pgettext("modal label", "Credits for the author"),
                reads=lambda place: place.policy.gallery.reward,
                needs=ManagersMay.GRANTS,
            ),
        ),
        fills=_fill_gallery,
    ),
)


# --- flags -----------------------------------------------------------------------------------------------------------


def _quorums(_place: StepContext) -> Sequence[SetupChoice]:
    def label(count: int) -> str:
        return ngettext("{count} flag hides an image", "{count} flags hide an image", count).format(count=count)

    off = SetupChoice(value=_FLAGS_OFF, label=pgettext("select option", "Flags are off"))
    return [*(SetupChoice(value=count, label=label(count)) for count in (1, 2, 3, 5, 10)), off]


def _set_quorum(_place: StepContext, count: int) -> Patch:
    return {"flags": {"on": False} if count == _FLAGS_OFF else {"on": True, "quorum": count}}


def _fill_flags(_place: StepContext, typed: Any) -> Patch:
    return {"flags": dict(typed)}


QUORUM = Menu(
    name="quorum",
    placeholder=lambda: pgettext("select placeholder", "Flags needed"),
    choices=_quorums,
    reads=lambda place: place.policy.flags.quorum if place.policy.flags.on else _FLAGS_OFF,
    patches=_set_quorum,
)
FLAGS: Sequence[SettingControl] = (
    QUORUM,
    IdsMenu(
        name="roles",
        placeholder=lambda: pgettext("select placeholder", "Roles whose flags count right away"),
        reads=lambda place: place.policy.flags.role_ids,
        patches=at("flags", "role_ids"),
        roles=True,
    ),
    Switch(
        name="locked",
        on=lambda: pgettext("button", "Lock flags"),
        off=lambda: pgettext("button", "Unlock flags"),
        reads=lambda place: place.policy.flags.locked,
        patches=at("flags", "locked"),
        emoji="🔒",
    ),
    FormButton(
        name="other",
        label=lambda: pgettext("button", "Other amounts"),
        title=lambda: pgettext("modal title", "Flags"),
        blanks=(
            Blank(name="quorum", label=lambda: pgettext("modal label", "Flags needed"), reads=lambda place: place.policy.flags.quorum),
            Blank(
                name="after_days",
                label=lambda: pgettext("modal label", "Days as a member before flags count"),
                reads=lambda place: place.policy.flags.after_days,
            ),
        ),
        fills=_fill_flags,
    ),
)
