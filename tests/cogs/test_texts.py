"""Texts stay within Discord's limits for any input."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.job import GenerationState
from bot.domain.money.quota import DAY_MS, MICRO
from bot.domain.money.usage import GroupBy, UsageRow
from bot.domain.retention import KeepDays
from bot.services.money.accounts import UsageReport
from bot.services.pipeline.delivery.routes import ResultMessage
from bot.services.privacy import Retention
from cogs.kit import job_texts, texts
from cogs.members import privacy_texts
from cogs.money import usage_texts
from tests.env.jobs import generation, new_job


@given(st.text(max_size=2500))
def test_a_prompt_is_one_line_without_pings(prompt: str) -> None:
    line = texts.quoted(prompt)
    assert "\n" not in line
    assert "@everyone" not in line


@given(st.text(min_size=1, max_size=2500), st.integers(1, 4), st.sampled_from(list(GenerationState)))
def test_a_finished_message_fits_any_prompt(prompt: str, images: int, state: GenerationState) -> None:
    job = new_job(images=images, prompt=prompt)
    ended = tuple(generation(job_id=job.id, n=n, state=state, prompt=prompt, error="It failed. " * 40) for n in range(images))
    text = job_texts.finished(ResultMessage(job=replace(job, generations=ended), images=(), notes=("A note. " * 50,) * images), str)
    assert 0 < len(text) <= texts.CONTENT_MAX
    assert len(texts.alt(prompt)) <= texts.ALT_MAX


@pytest.mark.parametrize(
    ("available", "held", "bar"), [(10, 0, "█" * 20), (5, 5, "█" * 10 + "▒" * 10), (0, 0, "░" * 20), (30, 0, "█" * 20)]
)
def test_the_meter_shows_left_and_held(available: int, held: int, bar: str) -> None:
    assert texts.meter(available, held, 10) == f"`{bar}`"


def test_privacy_fits_a_panel_and_names_the_classifier() -> None:
    retention = Retention(keep=KeepDays(), services=("Oxen.ai",))
    alone, checked = privacy_texts.stored(retention), privacy_texts.stored(replace(retention, checker="api.example.com"))
    assert ("api.example.com: prompts and results" in checked, "api.example.com" in alone) == (True, False)
    assert len(checked) < texts.PANEL_MAX / 1.5  # other languages need more characters


def report(days: int, daily: list[UsageRow], by: GroupBy = GroupBy.MODEL) -> UsageReport:
    """A report of the last days, until the end of 20 November 2026 in UTC."""
    until = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp() * 1000)
    whole = UsageRow(images=1, failed=0, price=sum(each.price for each in daily), refunded=0, cost=sum(each.cost for each in daily))
    return UsageReport(
        since=until - days * DAY_MS, until=until, by=by, whole=whole, rows=(), daily=tuple(daily), budget=None, credit_usd=0.01
    )


@pytest.mark.parametrize(
    ("days", "columns", "first", "last"), [(7, 7, "11-14", "11-20"), (30, 30, "10-22", "11-20"), (90, 13, "08-23", "11-14")]
)
def test_a_chart_has_days_or_weeks_and_ends_today(days: int, columns: int, first: str, last: str) -> None:
    ends = [date(2026, 11, 20), date(2026, 11, 20) - timedelta(days=days - 1)]
    daily = [UsageRow(model="klein", day=day, images=1, failed=0, price=MICRO, refunded=0, cost=MICRO) for day in ends]
    chart = usage_texts.chart(report(days, daily), str, {})
    assert (len(chart.columns), chart.columns[0], chart.columns[-1]) == (columns, first, last)
    assert chart.series[0].values == (MICRO, *[0] * (columns - 2), MICRO)


def test_the_groups_after_the_first_eight_are_one_series_of_a_chart() -> None:
    used = [UsageRow(user_id=n, images=1, failed=0, price=n * MICRO, refunded=0, cost=n * MICRO) for n in range(10, 0, -1)]
    daily = [replace(each, day=date(2026, 11, 20)) for each in used[:8]]
    others = UsageRow(day=date(2026, 11, 20), images=2, failed=0, price=3 * MICRO, refunded=0, cost=3 * MICRO)
    chart = usage_texts.chart(replace(report(7, [*daily, others], GroupBy.MEMBER), rows=tuple(used)), str, {})
    assert (len(chart.series), chart.others, chart.others_count) == (8, (0, 0, 0, 0, 0, 0, 3 * MICRO), 2)


def test_a_member_without_a_known_name_has_none_in_the_chart() -> None:
    daily = [UsageRow(user_id=n, day=date(2026, 11, 20), images=1, failed=0, price=n * MICRO, refunded=0, cost=n * MICRO) for n in (2, 1)]
    chart = usage_texts.chart(report(7, daily, GroupBy.MEMBER), str, {1: "Ada"})
    assert [series.name for series in chart.series] == ["", "Ada"]
