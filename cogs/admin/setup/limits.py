"""Controls of what members can create: for everyone, and for a role. Both have the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.core.i18n import _, ngettext, pgettext
from bot.core.settings.field_types import ManagersMay
from bot.domain.guild.sections import COUNT_MAX, Everyone, RoleRule
from cogs.admin.changing import ALL, Patch, given, within
from cogs.admin.setup.controls import Blank, FormButton, Path, SettingControl, StepContext, Switch, nested
from cogs.admin.setup.menus import ManyMenu, Menu, SetupChoice

_RATIOS = ("1:1", "4:3", "3:4", "3:2", "2:3", "5:4", "4:5", "16:9", "9:16", "21:9", "9:21")


def _rule(place: StepContext) -> Everyone | RoleRule:
    """The rule that the step is about."""
    return place.policy.everyone if place.role_id is None else place.policy.roles.get(place.role_id, RoleRule())


def _path(place: StepContext, *names: str) -> Path:
    start = ("everyone",) if place.role_id is None else ("roles", str(place.role_id))
    return (*start, *names)


def _at(*names: str) -> Any:
    return lambda place, value: nested(_path(place, *names), value)


def _chosen(name: str) -> Any:
    """None chosen means all for everyone, and nothing of its own for a role."""

    def patch(place: StepContext, value: Sequence[str]) -> Patch:
        return nested(_path(place, name), list(value) or (ALL if place.role_id is None else None))

    return patch


def _models(place: StepContext) -> Sequence[SetupChoice]:
    return [SetupChoice(value=each.id, label=each.title) for each in place.models]


def _ratios(place: StepContext) -> Sequence[SetupChoice]:
    own = _rule(place).aspect_ratios
    more = [] if own in (None, "all") or own is None else [each for each in own if each not in _RATIOS]
    return [SetupChoice(value=each, label=each) for each in (*_RATIOS, *more)]


def _counts(_place: StepContext) -> Sequence[SetupChoice]:
    def label(count: int) -> str:
        return ngettext("Up to {count} image per request", "Up to {count} images per request", count).format(count=count)

    return [SetupChoice(value=count, label=label(count)) for count in range(1, COUNT_MAX + 1)]


def _bucket(name: str) -> Any:
    def read(place: StepContext) -> Any:
        bucket = _rule(place).bucket
        return None if bucket is None else getattr(bucket, name)

    return read


def _fill(place: StepContext, typed: Any) -> Patch:
    """Empty fields go back to the default; without both amounts there are no credits of its own."""
    sizes = {name: typed[name] for name in ("max_megapixels", "running", "waiting")}
    if "size" not in typed:  # the operator decides about credits
        return nested(_path(place), sizes)
    amounts = given(size=typed["size"], refill_per_day=typed["refill_per_day"])
    return nested(_path(place), {**sizes, "purse": amounts or None})


OPEN_MODELS = ManyMenu(
    name="models",
    placeholder=lambda: pgettext("select placeholder", "Only these models"),
    choices=_models,
    reads=lambda place: _rule(place).models or (),
    patches=_chosen("models"),
)

CONTROLS: Sequence[SettingControl] = (
    Menu(
        name="count",
        placeholder=lambda: pgettext("select placeholder", "Images per request"),
        choices=_counts,
        reads=lambda place: _rule(place).max_count,
        patches=_at("max_count"),
    ),
    ManyMenu(
        name="ratios",
        placeholder=lambda: pgettext("select placeholder", "Only these aspect ratios"),
        choices=_ratios,
        reads=lambda place: _rule(place).aspect_ratios or (),
        patches=_chosen("aspect_ratios"),
    ),
    Switch(
        name="private",
        on=lambda: pgettext("button", "Allow private images"),
        off=lambda: pgettext("button", "Forbid private images"),
        reads=lambda place: _rule(place).private,
        patches=_at("private"),
        emoji="🔒",
    ),
    FormButton(
        name="sizes",
        label=lambda: pgettext("button", "Size, credits and queue"),
        title=lambda: pgettext("modal title", "Size, credits and queue"),
        blanks=(
            Blank(
                name="max_megapixels",
                label=lambda: pgettext("modal label", "Most megapixels per image"),
                about=lambda: _("Leave a field empty for no limit of this server."),
                reads=lambda place: _rule(place).max_megapixels,
            ),
            Blank(
                name="size",
                label=lambda: pgettext("modal label", "Most credits a member can have"),
                reads=_bucket("size"),
                needs=ManagersMay.QUOTAS,
            ),
            Blank(
                name="refill_per_day",
                label=lambda: pgettext("modal label", "Credits refilled per day"),
                reads=_bucket("refill_per_day"),
                needs=ManagersMay.QUOTAS,
            ),
            Blank(
                name="running",
                label=lambda: pgettext("modal label", "Most images generating at once"),
                reads=lambda place: _rule(place).running,
            ),
            Blank(
                name="waiting",
                label=lambda: pgettext("modal label", "Most images queued at once"),
                reads=lambda place: _rule(place).waiting,
            ),
        ),
        fills=_fill,
    ),
)


def clear_role(place: StepContext, _is_on: bool) -> Patch:
    return within("roles", {str(place.role_id): None})


ROLE_CONTROLS: Sequence[SettingControl] = (
    OPEN_MODELS,
    *CONTROLS,
    Switch(
        name="remove",
        on=lambda: pgettext("button", "Remove this role's limits"),
        off=lambda: pgettext("button", "Remove this role's limits"),
        reads=lambda place: place.role_id in place.policy.roles,
        patches=clear_role,
        emoji="🗑️",
        shown=lambda place: place.role_id in place.policy.roles,
    ),
)
