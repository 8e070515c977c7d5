"""Classification of a moderations endpoint's scores by a guild's thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.domain.guild.sections import Checks, OnDown
from bot.domain.prompts.judge import Level


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The endpoint's score for each category, 0 to 1."""

    by_category: Mapping[str, float] = field(default_factory=dict)

    @property
    def category(self) -> str:
        """The category with the highest score; empty if there is none."""
        return max(self.by_category, key=self.by_category.__getitem__, default="")

    @property
    def score(self) -> float:
        """The highest score."""
        return self.by_category.get(self.category, 0.0)


@dataclass(frozen=True, kw_only=True)
class Classification:
    """The result for one text or image. `category` and `score` decided the level."""

    level: Level  # NONE, FLAG or BLOCK
    category: str = ""
    score: float = 0.0
    hold: bool = False  # the endpoint is down: check again before continuing
    unread: bool = False  # nothing was checked, and that will stay so: the image cannot be read


def classify(scores: Scores, checks: Checks) -> Classification:
    """The strictest level of all categories, from the highest score among equals."""
    return max(
        (_finding(category, score, checks) for category, score in scores.by_category.items()),
        key=lambda finding: (_STRICTNESS[finding.level], finding.score),
        default=Classification(level=Level.NONE),
    )


def classify_when_down(checks: Checks) -> Classification:
    """The result that the guild's managers chose for when the endpoint is down."""
    return Classification(level=Level.BLOCK if checks.on_down is OnDown.REFUSE else Level.NONE, hold=checks.on_down is OnDown.HOLD)


def classify_unread(checks: Checks) -> Classification:
    """As `classify_when_down`, for what the endpoint will never read: to wait would be for ever."""
    return Classification(level=Level.NONE if checks.on_down is OnDown.ALLOW else Level.BLOCK, unread=True)


_STRICTNESS = {level: number for number, level in enumerate(Level)}


def _finding(category: str, score: float, checks: Checks) -> Classification:
    thresholds = checks.categories.get(category, checks.thresholds)
    if score >= thresholds.block:
        return Classification(level=Level.BLOCK, category=category, score=score)
    return Classification(level=Level.FLAG if score >= thresholds.flag else Level.NONE, category=category, score=score)
