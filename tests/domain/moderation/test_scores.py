"""Classification of scores by a guild's thresholds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.guild.sections import Checks, OnDown, Thresholds
from bot.domain.moderation.scores import Classification, Scores, classify, classify_when_down
from bot.domain.prompts.judge import Level

CHECKS = Checks(thresholds=Thresholds(flag=0.5, block=0.9), categories={"hate": Thresholds(flag=0.1, block=0.2)})


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({}, Classification(level=Level.NONE)),
        ({"violence": 0.49}, Classification(level=Level.NONE, category="violence", score=0.49)),
        ({"violence": 0.5}, Classification(level=Level.FLAG, category="violence", score=0.5)),
        ({"violence": 0.9, "sexual": 0.95}, Classification(level=Level.BLOCK, category="sexual", score=0.95)),
        ({"violence": 0.8, "hate": 0.2}, Classification(level=Level.BLOCK, category="hate", score=0.2)),
    ],
)
def test_the_strictest_outcome_counts(scores: dict[str, float], expected: Classification) -> None:
    assert classify(Scores(by_category=scores), CHECKS) == expected


def test_the_highest_score_has_a_name() -> None:
    scores = Scores(by_category={"a": 0.1, "b": 0.7})
    assert (scores.category, scores.score, Scores().category, Scores().score) == ("b", 0.7, "", 0.0)


@given(st.dictionaries(st.sampled_from(["hate", "violence", "sexual"]), st.floats(0, 1)), st.floats(0, 1))
def test_a_higher_score_is_never_milder(scores: dict[str, float], more: float) -> None:
    order = list(Level)
    raised = {name: max(score, more) for name, score in scores.items()}
    mild, strict = (classify(Scores(by_category=each), CHECKS).level for each in (scores, raised))
    assert order.index(mild) <= order.index(strict)


@pytest.mark.parametrize(
    ("on_down", "level", "hold"), [(OnDown.HOLD, Level.NONE, True), (OnDown.ALLOW, Level.NONE, False), (OnDown.REFUSE, Level.BLOCK, False)]
)
def test_the_guild_chooses_what_happens_while_the_endpoint_is_down(on_down: OnDown, level: Level, hold: bool) -> None:
    assert classify_when_down(Checks(on_down=on_down)) == Classification(level=level, hold=hold)
