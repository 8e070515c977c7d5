"""Controls of what is checked, and of what breaking rules leads to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.core.i18n import _, pgettext
from bot.domain.guild.document import Policy
from bot.domain.guild.sections import Offence, OnDown, Strikes, StrikeStep
from bot.domain.prompts.rules import ListName
from cogs.admin import settings_texts
from cogs.admin.changing import Patch
from cogs.admin.conduct import lockouts_of
from cogs.admin.rules import take_over_automod
from cogs.admin.setup.controls import LABEL_MAX, MENU_MAX, ActionButton, Blank, FormButton, SettingControl, StepContext, at
from cogs.admin.setup.menus import Menu, SetupChoice

_WORDS_MAX = 1000  # characters of a form's field
_GENTLE = (StrikeStep(points=8, hours=1), StrikeStep(points=12, hours=24))
_STRICT = (StrikeStep(points=3, hours=1), StrikeStep(points=5, hours=24), StrikeStep(points=8, hours=168))


def _has_checks(place: StepContext) -> bool:
    return place.has_checks


# --- checks ----------------------------------------------------------------------------------------------------------


def _checked(policy: Policy) -> list[bool]:
    return [policy.checks.prompts, policy.checks.results]


def _check_choices(_place: StepContext) -> Sequence[SetupChoice]:
    return [
        SetupChoice(value=[False, False], label=pgettext("select option", "Check nothing")),
        SetupChoice(value=[True, False], label=pgettext("select option", "Check prompts")),
        SetupChoice(value=[False, True], label=pgettext("select option", "Check images")),
        SetupChoice(value=[True, True], label=pgettext("select option", "Check prompts and images")),
    ]


def _set_checks(_place: StepContext, value: Sequence[bool]) -> Patch:
    prompts, results = value
    return {"checks": {"prompts": prompts, "results": results}}


def _on_down(_place: StepContext) -> Sequence[SetupChoice]:
    labels = {each: pgettext("choice", name) for each, name in settings_texts.ON_DOWN_CHOICES.items()}
    about = pgettext("select placeholder", "If the check is unavailable")
    return [SetupChoice(value=each.value, key=each.value, label=labels[each], about=about) for each in OnDown]


def _fill_scores(_place: StepContext, typed: Any) -> Patch:
    return {"checks": {"thresholds": dict(typed)}}


CHECK_MENU = Menu(
    name="checks",
    placeholder=lambda: pgettext("select placeholder", "Content check"),
    choices=_check_choices,
    reads=lambda place: _checked(place.policy),
    patches=_set_checks,
    shown=_has_checks,
)
CHECKS: Sequence[SettingControl] = (
    CHECK_MENU,
    Menu(
        name="ondown",
        placeholder=lambda: pgettext("select placeholder", "If the check is unavailable"),
        choices=_on_down,
        reads=lambda place: place.policy.checks.on_down.value,
        patches=at("checks", "on_down"),
        shown=_has_checks,
    ),
    FormButton(
        name="scores",
        label=lambda: pgettext("button", "Scores"),
        title=lambda: pgettext("modal title", "Content check"),
        blanks=(
            Blank(
                name="flag",
                label=lambda: pgettext("modal label", "Score at which to flag, 0 to 1"),
                reads=lambda place: place.policy.checks.thresholds.flag,
            ),
            Blank(
                name="block",
                label=lambda: pgettext("modal label", "Score at which to block, 0 to 1"),
                reads=lambda place: place.policy.checks.thresholds.block,
            ),
        ),
        fills=_fill_scores,
        shown=_has_checks,
    ),
)


# --- strikes ---------------------------------------------------------------------------------------------------------


def _in_document(steps: Sequence[StrikeStep]) -> list[dict[str, float]]:
    return [{"points": each.points, "hours": each.hours} for each in steps]


def _lockouts(_place: StepContext) -> Sequence[SetupChoice]:
    labels = {
        "none": (pgettext("select option", "Strikes block nobody"), ()),
        "gentle": (pgettext("select option", "Strikes: gentle"), _GENTLE),
        "usual": (pgettext("select option", "Strikes: usual"), Strikes().steps),
        "strict": (pgettext("select option", "Strikes: strict"), _STRICT),
    }
    return [
        SetupChoice(key=key, value=_in_document(steps), label=label, about=settings_texts.lockouts(steps) if steps else "")
        for key, (label, steps) in labels.items()
    ]


def _fill_strikes(_place: StepContext, typed: Any) -> Patch:
    weights = {offence.value: typed[offence.value.replace("_", "")] for offence in Offence}
    return {"strikes": {"half_life_days": typed["halflife"], "weights": weights}}


def _weight(offence: Offence) -> Blank:
    names = settings_texts.OFFENCES
    return Blank(
        name=offence.value.replace("_", ""),
        label=lambda: pgettext("modal label", "Points: {offence}").format(offence=_(names[offence])),
        reads=lambda place: place.policy.strikes.weight(offence),
    )


def _fill_lockouts(_place: StepContext, typed: Any) -> Patch:
    return {"strikes": {"ladder": lockouts_of(typed["lockouts"] or "")}}


STRIKE_MENU = Menu(
    name="strikes",
    placeholder=lambda: pgettext("select placeholder", "When strikes block a member"),
    choices=_lockouts,
    reads=lambda place: _in_document(place.policy.strikes.steps),
    patches=at("strikes", "ladder"),
)
STRIKES: Sequence[SettingControl] = (
    STRIKE_MENU,
    FormButton(
        name="points",
        label=lambda: pgettext("button", "Points"),
        title=lambda: pgettext("modal title", "Strikes"),
        blanks=(
            Blank(
                name="halflife",
                label=lambda: pgettext("modal label", "Days until a strike counts half"),
                reads=lambda place: place.policy.strikes.half_life_days,
            ),
            *(_weight(offence) for offence in Offence),
        ),
        fills=_fill_strikes,
    ),
    FormButton(
        name="lockouts",
        label=lambda: pgettext("button", "Own lockouts"),
        title=lambda: pgettext("modal title", "Lockouts"),
        blanks=(
            Blank(
                name="lockouts",
                label=lambda: pgettext("modal label", "Lockouts"),
                about=lambda: _("Points and hours, such as 5:1, 8:24"),
                reads=lambda place: ", ".join(f"{each.points:g}:{each.hours}" for each in place.policy.strikes.steps),
                is_number=False,
            ),
        ),
        fills=_fill_lockouts,
    ),
)


# --- prompt rules ----------------------------------------------------------------------------------------------------


def _add_words(place: StepContext, typed: Any) -> Patch:
    """One entry per line; entries that are there already stay."""

    def added(name: ListName) -> list[str]:
        new = [line.strip() for line in (typed[name.value] or "").splitlines() if line.strip()]
        return list(dict.fromkeys([*place.policy.prompts.list(name).words, *new]))

    return {"prompts": {name.value: {"words": added(name)} for name in ListName if typed[name.value]}}


_HEADS = {ListName.BLOCK: "⛔", ListName.FLAG: "🚩", ListName.ALLOW: "✅"}
_KINDS = ("words", "exact_words", "patterns")


def _entries(place: StepContext) -> Sequence[SetupChoice]:
    """The first entries; those beyond a menu, or too long for one, are removed by command."""
    lists = {name: place.policy.prompts.list(name) for name in _HEADS}
    found = [
        SetupChoice(value=[name.value, kind, entry], key=f"{name.value}:{kind[0]}:{entry}", label=f"{head} {entry}")
        for name, head in _HEADS.items()
        for kind in _KINDS
        for entry in getattr(lists[name], kind)
    ]
    return [each for each in found if len(each.key) <= LABEL_MAX][:MENU_MAX]


def _remove_entry(place: StepContext, value: Sequence[str]) -> Patch:
    name, kind, entry = value
    return {"prompts": {name: {kind: [each for each in getattr(place.policy.prompts.list(ListName(name)), kind) if each != entry]}}}


WORDS = FormButton(
    name="words",
    label=lambda: pgettext("button", "Add words"),
    title=lambda: pgettext("modal title", "Add words"),
    blanks=tuple(
        Blank(name=name.value, label=label, about=lambda: _("One per line"), is_number=False, is_long=True, most=_WORDS_MAX)
        for name, label in (
            (ListName.BLOCK, lambda: pgettext("modal label", "Refuse prompts with")),
            (ListName.FLAG, lambda: pgettext("modal label", "Put images behind a spoiler for")),
            (ListName.ALLOW, lambda: pgettext("modal label", "Always allow")),
        )
    ),
    fills=_add_words,
)
AUTOMOD = ActionButton(
    name="automod",
    label=lambda: pgettext("button", "Import AutoMod's words"),
    emoji="📥",
    run=take_over_automod,
)
PROMPTS: Sequence[SettingControl] = (
    Menu(
        name="entries",
        placeholder=lambda: pgettext("select placeholder", "Remove a word or pattern"),
        choices=_entries,
        reads=lambda _place: None,
        patches=_remove_entry,
        shown=lambda place: bool(_entries(place)),
    ),
    WORDS,
    AUTOMOD,
)
