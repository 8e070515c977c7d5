"""The table of steps. Setup shows some of them in turn; the panel opens each from its section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from bot.core.i18n import _, pgettext
from cogs.admin import settings_texts
from cogs.admin.changing import Patch
from cogs.admin.setup import limits, members, moderation, money, rules
from cogs.admin.setup.controls import StepContext
from cogs.admin.setup.menus import IdsMenu
from cogs.admin.setup.step import SetupStep

# --- images ----------------------------------------------------------------------------------------------------------


def _listed(place: StepContext, name: str, ids: Sequence[str]) -> Patch:
    """A channel is in one of both lists: the one that it was chosen for last."""
    other = "denied" if name == "allowed" else "allowed"
    kept = [str(each) for each in getattr(place.policy.channels, other) if str(each) not in ids]
    return {"channels": {name: list(ids), other: kept}}


_CHANNELS = SetupStep(
    key="channels",
    emoji="📍",
    title=lambda: _("Channels for images"),
    about=lambda: _("Choose channels or categories. If you choose none, images can be created in every channel."),
    now=lambda place: settings_texts.channels(place.policy),
    controls=(
        IdsMenu(
            name="allowed",
            placeholder=lambda: pgettext("select placeholder", "Only in these channels"),
            reads=lambda place: place.policy.channels.allowed,
            patches=lambda place, ids: _listed(place, "allowed", ids),
        ),
        IdsMenu(
            name="denied",
            placeholder=lambda: pgettext("select placeholder", "Not in these channels"),
            reads=lambda place: place.policy.channels.denied,
            patches=lambda place, ids: _listed(place, "denied", ids),
        ),
    ),
)
_EVERYONE = SetupStep(
    key="everyone",
    emoji="👥",
    title=lambda: _("Limits for everyone"),
    about=lambda: _("What every member can create. Roles can add to it."),
    now=lambda place: settings_texts.everyone(place.policy, place.title),
    controls=limits.CONTROLS,
)
_MODELS = SetupStep(
    key="models",
    emoji="🧠",
    title=lambda: _("Models for everyone"),
    about=lambda: _("The models that every member can use."),
    now=lambda place: settings_texts.models(place.policy, place.title),
    controls=(limits.OPEN_MODELS,),
)


def _of_role(place: StepContext) -> str:
    if place.role_id is None:
        return settings_texts.roles(place.policy, place.title) or _("No role has limits of its own.")
    return settings_texts.role(place.policy, place.role_id, place.title)


_ROLES = SetupStep(
    key="roles",
    emoji="🎭",
    title=lambda: _("Limits for a role"),
    about=lambda: _("What members with a role can do beyond the limits for everyone."),
    now=_of_role,
    controls=limits.ROLE_CONTROLS,
    of_role=True,
)


# --- moderation ------------------------------------------------------------------------------------------------------

_CASES = SetupStep(
    key="cases",
    emoji="🛡️",
    title=lambda: _("Cases channel"),
    about=lambda: _("Reports, flagged images and appeals are posted there for your moderators."),
    now=lambda place: settings_texts.cases(place.policy),
    controls=moderation.CASES,
    posts=("cases",),
)
_LOG = SetupStep(
    key="log",
    emoji="🧾",
    title=lambda: _("Image log"),
    about=lambda: _("Every image is posted there with who made it and buttons to hide or delete it."),
    now=lambda place: settings_texts.log(place.policy),
    controls=moderation.LOG,
    posts=("log",),
)
_MODERATORS = SetupStep(
    key="moderators",
    emoji="🧑‍⚖️",
    title=lambda: _("Moderators"),
    about=lambda: _("Who decides cases and can hide or delete images."),
    now=lambda place: settings_texts.moderators(place.policy),
    controls=moderation.MODERATORS,
)
_FLAGS = SetupStep(
    key="flags",
    emoji="🚩",
    title=lambda: _("Flags"),
    about=lambda: _("Members flag an image with 🚩. Enough flags hide it and open a case."),
    now=lambda place: settings_texts.flags(place.policy),
    controls=moderation.FLAGS,
)


def _checks(place: StepContext) -> str:
    return (
        settings_texts.checks(place.policy) if place.has_checks else "🔧 " + _("This bot has no content check. Its operator can add one.")
    )


_PROMPTS = SetupStep(
    key="prompts",
    emoji="📏",
    title=lambda: _("Prompt rules"),
    about=lambda: _("Words that refuse a prompt, or put its image behind a spoiler."),
    now=lambda place: settings_texts.rules(place.policy),
    controls=rules.PROMPTS,
)
_CHECKS = SetupStep(
    key="checks",
    emoji="🔎",
    title=lambda: _("Content check"),
    about=lambda: _("An automatic check of prompts and images."),
    now=_checks,
    controls=rules.CHECKS,
)
_STRIKES = SetupStep(
    key="strikes",
    emoji="⚖️",
    title=lambda: _("Strikes"),
    about=lambda: _("Members who break rules get points, and are blocked for a time when they have too many."),
    now=lambda place: settings_texts.strikes(place.policy),
    controls=rules.STRIKES,
)


def _all_rules(place: StepContext) -> str:
    flags, lockouts = settings_texts.flags(place.policy).partition("\n")[0], settings_texts.lockouts(place.policy.strikes.steps)
    return "\n".join([settings_texts.rules(place.policy), flags, f"⚖️ {lockouts}", _checks(place)])


_RULES = SetupStep(
    key="rules",
    emoji="📏",
    title=lambda: _("Rules"),
    about=lambda: _("Which prompts are refused, when flags hide an image, and when strikes block a member."),
    now=_all_rules,
    controls=(rules.WORDS, rules.AUTOMOD, moderation.QUORUM, rules.STRIKE_MENU, rules.CHECK_MENU),
)

# --- the table -----------------------------------------------------------------------------------------------------------

STEPS: Final[Mapping[str, SetupStep]] = {
    each.key: each
    for each in (
        *(money.BUDGET, money.POOL, money.PRICES, _CHANNELS, _EVERYONE, _MODELS, _ROLES),
        *(_CASES, _LOG, _MODERATORS, _FLAGS, _PROMPTS, _CHECKS, _STRIKES, _RULES),
        *(members.GALLERY, members.MEMBERS, members.AGE, members.PAUSE),
    )
}
WALK: Final = ("budget", "channels", "cases", "gallery", "rules", "pause")
SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "money": ("budget", "pool", "prices"),
    "images": ("channels", "everyone", "models", "roles"),
    "moderation": ("cases", "log", "moderators", "flags"),
    "rules": ("prompts", "checks", "strikes"),
    "more": ("gallery", "members", "age", "pause"),
}
