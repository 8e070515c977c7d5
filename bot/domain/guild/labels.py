"""What people call the settings of a guild. Sentences name a setting by its label, never by its path in the document."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from bot.core.i18n import N_, _
from bot.domain.catalog.options import quoted

Naming = Callable[[str], str]

# The limits of everyone and of a role.
_RULE: Final[Mapping[str, str]] = {
    "models": N_("Models"),
    "aspect_ratios": N_("Aspect ratios"),
    "max_megapixels": N_("Megapixels per image"),
    "max_count": N_("Images per request"),
    "private": N_("Private images"),
    "purse.size": N_("Credit limit"),
    "purse.refill_per_day": N_("Daily refill of credits"),
    "running": N_("Images generating at once"),
    "waiting": N_("Images in the queue"),
}

# The others by path; `*` stands for a key that managers choose, and {name} for it in the label. List entries have no step of their own.
LABELS: Final[Mapping[str, str]] = {
    "version": N_("File version"),
    "pause.on": N_("Pause"),
    "pause.reason": N_("Reason for the pause"),
    "channels.allowed": N_("Allowed channels"),
    "channels.denied": N_("Blocked channels"),
    "roles": N_("Limits for roles"),
    "pool.size": N_("Size of the shared pool"),
    "pool.refill_per_day": N_("Daily refill of the shared pool"),
    "usd_per_month": N_("Monthly budget in US dollars"),
    "prices": N_("Prices"),
    "prices.*": N_("Price of {name} in credits"),
    "slow_lane.on": N_("Slow lane"),
    "slow_lane.share_percent": N_("Slow lane's share of the pool in percent"),
    "gifts.on": N_("Gifts between members"),
    "gifts.by_reaction.emoji": N_("Emoji for gifts by reaction"),
    "gifts.by_reaction.credits": N_("Credits per gift by reaction"),
    "sponsoring.on": N_("Sponsoring"),
    "newcomers.wait_hours": N_("Hours that new members wait"),
    "age_restricted.unspoilered": N_("Flagged images without a spoiler in age-restricted channels"),
    "age_restricted.unchecked": N_("Images without a safety checker in age-restricted channels"),
    "prompts.allow.words": N_("Allowed words"),
    "prompts.allow.exact_words": N_("Allowed exact words"),
    "prompts.allow.patterns": N_("Allowed patterns"),
    "prompts.flag.words": N_("Flagged words"),
    "prompts.flag.exact_words": N_("Flagged exact words"),
    "prompts.flag.patterns": N_("Flagged patterns"),
    "prompts.block.words": N_("Blocked words"),
    "prompts.block.exact_words": N_("Blocked exact words"),
    "prompts.block.patterns": N_("Blocked patterns"),
    "prompts.too_slow": N_("Action for prompts that take too long to check"),
    "checks.prompts": N_("Content check of prompts"),
    "checks.results": N_("Content check of images"),
    "checks.thresholds.flag": N_("Score for flagging"),
    "checks.thresholds.block": N_("Score for blocking"),
    "checks.categories": N_("Categories with their own scores"),
    "checks.categories.*": N_("Scores for {name}"),
    "checks.categories.*.flag": N_("Score for flagging {name}"),
    "checks.categories.*.block": N_("Score for blocking {name}"),
    "checks.on_down": N_("Action during an outage of the content check"),
    "known_bad.hashes": N_("Blocked images"),
    "known_bad.distance": N_("Tolerance for blocked images"),
    "strikes.weights": N_("Points for offences"),
    "strikes.weights.prompt_blocked": N_("Points for a blocked prompt"),
    "strikes.weights.result_blocked": N_("Points for a blocked image"),
    "strikes.weights.picture_deleted": N_("Points for a deleted image"),
    "strikes.weights.false_flag": N_("Points for a false flag"),
    "strikes.half_life_days": N_("Days until a strike counts half"),
    "strikes.ladder": N_("Lockouts"),
    "strikes.ladder.points": N_("Points for a lockout"),
    "strikes.ladder.hours": N_("Hours of a lockout"),
    "flags.on": N_("Flagging by members"),
    "flags.quorum": N_("Flags needed to hide an image"),
    "flags.after_days": N_("Days as a member before flags count"),
    "flags.role_ids": N_("Roles whose flags count right away"),
    "flags.locked": N_("Flag lock"),
    "gallery.channel_id": N_("Gallery channel"),
    "gallery.stars": N_("Stars needed for the gallery"),
    "gallery.reward": N_("Credits for an image in the gallery"),
    "log_channel_id": N_("Log channel"),
    "cases_channel_id": N_("Cases channel"),
    "moderator_role_ids": N_("Moderator roles"),
    "leaderboard": N_("Leaderboard"),
    "presets": N_("Presets"),
}


def _pattern(path: str) -> re.Pattern[str]:
    """Keys may contain dots: "flux-1.1-pro"."""
    return re.compile(re.escape(path).replace(r"\*", "(?P<name>.*)"), re.DOTALL)


_PATTERNS: Final = tuple((_pattern(path), text) for path, text in reversed([*LABELS.items()]) if "*" in path)


def role_in_words(role_id: str) -> str:
    """A role by its id: a mention shows nothing for a role of another server."""
    return _("role {id}").format(id=quoted(role_id))


def in_quotes(name: str) -> str:
    return f"“{quoted(name)}”"


def label(path: str, *, role: Naming = role_in_words, other: Naming = in_quotes) -> str:
    """The label of the setting with this path, such as "flags.quorum" or "roles.77.max_count"; empty if there is none.

    `role` and `other` show the id of a role and other keys of the path.
    """
    section, _dot, rest = path.partition(".")
    if section == "everyone" and rest in _RULE:
        return _("{setting} for everyone").format(setting=rule_label(rest))
    role_id, _dot, limit = rest.partition(".")
    if section == "roles" and limit in _RULE:
        return _("{setting} for {role}").format(setting=rule_label(limit), role=role(role_id))
    if path in LABELS:
        return _(LABELS[path])
    found = next(((match["name"], text) for pattern, text in _PATTERNS if (match := pattern.fullmatch(path))), None)
    return _(found[1]).format(name=other(found[0])) if found else ""


def rule_label(limit: str) -> str:
    """The label of a limit, such as "max_count", without whose limit it is."""
    return _(_RULE[limit])
