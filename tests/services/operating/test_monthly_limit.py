"""The operator is told once when the month's limit is near, and once when it is reached."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from bot.services.operating.monthly_limit import MonthlyLimit


@pytest.mark.parametrize(
    ("used", "events"),
    [
        ((1, 15.9), []),
        ((15.9, 16, 17), ["monthly limit near"]),
        ((16, 19.9, 20, 25), ["monthly limit near", "monthly limit reached"]),
        ((20, 20), ["monthly limit reached"]),
        ((20, 0, 16), ["monthly limit reached", "monthly limit reached is over", "monthly limit near is over", "monthly limit near"]),
    ],
)
def test_each_is_told_once_and_its_end_too(used: tuple[float, ...], events: list[str]) -> None:
    limit = MonthlyLimit()
    with capture_logs() as logs:
        for usd in used:
            limit.tell(usd, of_usd=20)
    assert [line["event"] for line in logs] == events


def test_a_limit_of_nothing_is_the_operators_own_choice() -> None:
    with capture_logs() as logs:
        MonthlyLimit().tell(0, of_usd=0)
    assert logs == []
