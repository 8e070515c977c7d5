"""The steps about the gallery, members, age-restricted channels, and the pause."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bot.core.i18n import _, ngettext, pgettext
from cogs.admin import settings_texts
from cogs.admin.changing import Patch, given
from cogs.admin.setup import moderation
from cogs.admin.setup.controls import Blank, FormButton, StepContext, Switch, at
from cogs.admin.setup.menus import Menu, SetupChoice
from cogs.admin.setup.step import SetupStep

_WAITS = (0, 1, 24, 72, 168)  # hours

GALLERY = SetupStep(
    key="gallery",
    emoji="⭐",
    title=lambda: _("Gallery"),
    about=lambda: _("Images that members like, with ⭐ as a reaction, are shown there."),
    now=lambda place: settings_texts.gallery(place.policy),
    controls=moderation.GALLERY,
    posts=("gallery",),
)


def _waits(_place: StepContext) -> Sequence[SetupChoice]:
    def label(hours: int) -> str:
        if not hours:
            return pgettext("select option", "New members can create images right away")
        return ngettext("New members wait {count} hour", "New members wait {count} hours", hours).format(count=hours)

    return [SetupChoice(value=hours, label=label(hours)) for hours in _WAITS]


def _fill_members(_place: StepContext, typed: Any) -> Patch:
    gift = given(emoji=typed["emoji"], credits=typed["credits"])
    return {"newcomers": {"wait_hours": typed["wait"]}, "gifts": {"by_reaction": gift or None}}


def _gift(name: str) -> Callable[[StepContext], Any]:
    def read(place: StepContext) -> Any:
        by = place.policy.gifts.by_reaction
        return None if by is None else getattr(by, name)

    return read


MEMBERS = SetupStep(
    key="members",
    emoji="🎁",
    title=lambda: _("Members"),
    about=lambda: _("New members, gifts of credits, sponsors and the leaderboard."),
    now=lambda place: settings_texts.members(place.policy),
    controls=(
        Menu(
            name="wait",
            placeholder=lambda: pgettext("select placeholder", "New members"),
            choices=_waits,
            reads=lambda place: place.policy.newcomers.wait_hours,
            patches=at("newcomers", "wait_hours"),
        ),
        Switch(
            name="gifts",
            on=lambda: pgettext("button", "Allow gifts"),
            off=lambda: pgettext("button", "Forbid gifts"),
            reads=lambda place: place.policy.gifts.on,
            patches=at("gifts", "on"),
        ),
        Switch(
            name="sponsoring",
            on=lambda: pgettext("button", "Allow sponsors"),
            off=lambda: pgettext("button", "Forbid sponsors"),
            reads=lambda place: place.policy.sponsoring.on,
            patches=at("sponsoring", "on"),
        ),
        Switch(
            name="leaderboard",
            on=lambda: pgettext("button", "Show a leaderboard"),
            off=lambda: pgettext("button", "Hide the leaderboard"),
            reads=lambda place: place.policy.leaderboard,
            patches=at("leaderboard"),
        ),
        FormButton(
            name="other",
            label=lambda: pgettext("button", "Other amounts"),
            title=lambda: pgettext("modal title", "Members"),
            blanks=(
                Blank(
                    name="wait",
                    label=lambda: pgettext("modal label", "Hours before new members can create images"),
                    reads=lambda place: place.policy.newcomers.wait_hours,
                ),
                Blank(
                    name="emoji",
                    label=lambda: pgettext("modal label", "Emoji that gives credits as a reaction"),
                    reads=_gift("emoji"),
                    is_number=False,
                ),
                Blank(name="credits", label=lambda: pgettext("modal label", "Credits it gives"), reads=_gift("credits")),
            ),
            fills=_fill_members,
        ),
    ),
)
AGE = SetupStep(
    key="age",
    emoji="🔞",
    title=lambda: _("Age-restricted channels"),
    about=lambda: _("What is allowed there and nowhere else."),
    now=lambda place: settings_texts.age_restricted(place.policy),
    controls=(
        Switch(
            name="spoiler",
            on=lambda: pgettext("button", "Show flagged images there"),
            off=lambda: pgettext("button", "Hide flagged images there"),
            reads=lambda place: place.policy.age_restricted.unspoilered,
            patches=at("age_restricted", "unspoilered"),
        ),
        Switch(
            name="unchecked",
            on=lambda: pgettext("button", "Let members turn off safety checkers"),
            off=lambda: pgettext("button", "Keep safety checkers on"),
            reads=lambda place: place.policy.age_restricted.unchecked,
            patches=at("age_restricted", "unchecked"),
        ),
    ),
)


def _fill_reason(_place: StepContext, typed: Any) -> Patch:
    return {"pause": {"on": True, "reason": typed["reason"] or ""}}


PAUSE = SetupStep(
    key="pause",
    emoji="⏸️",
    title=lambda: _("Pause"),
    about=lambda: _("Stops all new images at once, for managers too. Images in progress still arrive."),
    now=lambda place: settings_texts.paused(place.policy),
    controls=(
        Switch(
            name="pause",
            on=lambda: pgettext("button", "Pause"),
            off=lambda: pgettext("button", "Resume"),
            reads=lambda place: place.policy.pause.on,
            patches=lambda _place, is_on: {"pause": {"on": True} if is_on else None},
            warns=True,
        ),
        FormButton(
            name="reason",
            label=lambda: pgettext("button", "Pause with a reason"),
            title=lambda: pgettext("modal title", "Pause"),
            blanks=(
                Blank(
                    name="reason",
                    label=lambda: pgettext("modal label", "Reason to show members"),
                    reads=lambda place: place.policy.pause.reason or None,
                    is_number=False,
                ),
            ),
            fills=_fill_reason,
        ),
    ),
)
