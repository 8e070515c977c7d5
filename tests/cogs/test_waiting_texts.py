"""A waiting message: who pays, and what delays it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.catalog.models import Catalog
from bot.domain.job import GenerationState, Job, Lane
from bot.domain.order import Receipt
from cogs.kit import job_texts
from tests.env.jobs import new_job

KLEIN = Catalog.read([{"id": "klein", "endpoint": "/images/generations"}], credit_usd=0.01, model_prices={"klein": 1.0}).models[0]
FREE = "You're out of credits. This is free, and starts when nobody else is waiting."
POOL = "This server's shared pool pays for this."
LATE = "⏳ Queued. The prompt check isn't responding right now."


def paid(**values: Any) -> Job:
    job = new_job()
    return replace(job, generations=tuple(replace(g, **values) for g in job.generations))


def waiting_text(job: Job, **more: Any) -> str:
    return job_texts.waiting(Receipt(**{"job": job, "model": KLEIN, "ahead": 0, "usual_ms": None, "is_next": True, **more}))


@pytest.mark.parametrize(
    ("values", "host_id", "lines"),
    [
        ({"account": "user:7"}, None, []),
        ({"account": "member:1:7"}, None, []),
        ({"account": "pool:1"}, None, [POOL]),
        ({"account": "pool:1", "lane": Lane.FREE}, None, [FREE]),
        ({"account": "sponsor:abc"}, 9, ["<@9> pays for this."]),
    ],
)
def test_it_names_the_payer_unless_the_member_pays(values: dict[str, Any], host_id: int | None, lines: list[str]) -> None:
    text = waiting_text(paid(**values), host_id=host_id)
    assert [line.removeprefix("-# ") for line in text.splitlines()[3:]] == lines


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({}, "⏳ Queued. You're next."),
        ({"left_ms": 12_000}, "⏳ Queued. You're next. Ready in about 15 s."),
        ({"is_next": False}, "⏳ Queued."),
        ({"ahead": 2, "is_next": False, "left_ms": 95_000}, "⏳ Queued. 2 images ahead of yours. Ready in about 2 min."),
        ({"waits_for_own": True, "is_next": False}, "⏳ Queued. Waits for your other image."),
    ],
)
def test_a_queued_job_says_what_it_waits_for_and_how_long(more: dict[str, Any], line: str) -> None:
    assert waiting_text(new_job(), **more).splitlines()[1] == line


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"left_ms": 12_000}, "🎨 Generating. `█░░░░░░░░░` Ready in about 15 s."),
        ({"left_ms": 0}, "🎨 Generating. `█░░░░░░░░░`"),
        ({"left_ms": 12_000, "is_slow": True}, "🎨 Generating. `█░░░░░░░░░` Taking longer than usual."),
    ],
)
def test_a_running_job_never_states_a_time_that_has_passed(more: dict[str, Any], line: str) -> None:
    receipt = Receipt(job=paid(state=GenerationState.RUNNING), model=KLEIN, ahead=0, usual_ms=9_000, **more)
    assert job_texts.waiting(receipt, steps=1).splitlines()[1] == line


def test_it_mentions_the_check_only_if_it_is_late() -> None:
    checked = replace(paid(account="user:7"), needs_check=True)
    late = replace(checked, generations=tuple(replace(g, not_before=5) for g in checked.generations))
    assert [LATE in waiting_text(job) for job in (checked, late)] == [False, True]
    assert "You're next." not in waiting_text(late)
