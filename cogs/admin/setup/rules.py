"""Controls of what is checked, flagged and punished, and of the moderators' channels and roles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.core.i18n import _, ngettext, pgettext
from bot.core.settings.field_types import ManagersMay
from bot.domain.guild.document import Policy
from bot.domain.guild.sections import Offence, OnDown, Strikes, StrikeStep
from bot.domain.prompts.rules import ListName
from cogs.admin import settings_texts
from cogs.admin.changing import Patch
from cogs.admin.conduct import lockouts_of
from cogs.admin.setup.controls import (
    MENU_MAX,
    Blank,
    ChannelMenu,
    FormButton,
    IdsMenu,
    Menu,
    SettingControl,
    SetupChoice,
    StepContext,
    Switch,
    at,
)

_FLAGS_OFF = 0
_WORDS_MAX = 1000  # characters of a form's field
_GENTLE = (StrikeStep(points=8, hours=1), StrikeStep(points=12, hours=24))
_STRICT = (StrikeStep(points=3, hours=1), StrikeStep(points=5, hours=24), StrikeStep(points=8, hours=168))


def _has_checks(place: StepContext) -> bool:
    return place.has_checks


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


def _entries(place: StepContext) -> Sequence[SetupChoice]:
    """The words that are listed; those of /imageadmin rules list beyond these are removed by command."""
    heads = {ListName.BLOCK: "⛔", ListName.FLAG: "🚩", ListName.ALLOW: "✅"}
    return [
        SetupChoice(value=[name.value, word], key=f"{name.value}:{word}", label=f"{heads[name]} {word}")
        for name in heads
        for word in place.policy.prompts.list(name).words
    ][:MENU_MAX]


def _remove_word(place: StepContext, value: Sequence[str]) -> Patch:
    name, word = value
    return {"prompts": {name: {"words": [each for each in place.policy.prompts.list(ListName(name)).words if each != word]}}}


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
PROMPTS: Sequence[SettingControl] = (
    Menu(
        name="entries",
        placeholder=lambda: pgettext("select placeholder", "Remove a word"),
        choices=_entries,
        reads=lambda _place: None,
        patches=_remove_word,
        shown=lambda place: bool(_entries(place)),
    ),
    WORDS,
)
