"""When a job will be done, and whether it is next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.job import GenerationState, Job, Lane
from bot.domain.queueing.forecast import Capacity, QueueStanding, RunningImage, is_next, is_slow, left_ms, waits_for_own, whole_seconds
from tests.env.jobs import new_job

NOW, TOOK = 1_000_000, 10_000
ONE = Capacity(provider=1, member=1, turns=99, turn_ms=0)
TWO = Capacity(provider=2, member=2, turns=99, turn_ms=0)


def running(*elapsed_ms: int, member: int = 8, job_id: str = "other", model: str = "klein") -> tuple[RunningImage, ...]:
    one = RunningImage(job_id=job_id, user_id=member, guild_id=1, provider="oxen", model=model, submitted_at=NOW)
    return tuple(replace(one, submitted_at=NOW - each) for each in elapsed_ms)


def started(images: int, *elapsed_ms: int) -> Job:
    """A job whose first images are being made for these times."""
    waiting = new_job(images=images, model="klein").generations
    first = [replace(g, state=GenerationState.RUNNING, submitted_at=NOW - ms) for g, ms in zip(waiting, elapsed_ms, strict=False)]
    return replace(new_job(model="klein"), generations=(*first, *waiting[len(first) :]))


def forecast(job: Job, capacity: Capacity = ONE, **standing: object) -> int | None:
    known = QueueStanding(**standing)  # type: ignore[arg-type]
    return left_ms(job, known, capacity, usual={"klein": TOOK, "slow": 60_000}, now=NOW)


@pytest.mark.parametrize(
    ("images", "capacity", "standing", "expected"),
    [
        (1, ONE, {}, TOOK),
        (4, ONE, {}, 4 * TOOK),
        (4, TWO, {}, 2 * TOOK),
        (4, replace(TWO, member=1), {}, 4 * TOOK),
        (1, ONE, {"ahead": 3}, 4 * TOOK),
        (1, TWO, {"ahead": 3_001}, 1_501 * TOOK),
        (1, ONE, {"running": running(4_000)}, 6_000 + TOOK),
        (1, ONE, {"running": running(4_000, model="slow")}, 56_000 + TOOK),
        (1, TWO, {"running": running(4_000)}, TOOK),
        (1, replace(TWO, member=1), {"running": running(4_000, member=7)}, 6_000 + TOOK),
        (3, replace(TWO, provider=9, member=9, turns=1, turn_ms=7_000), {}, 14_000 + TOOK),
    ],
)
def test_the_time_is_that_of_the_queue_and_all_images(images: int, capacity: Capacity, standing: dict[str, object], expected: int) -> None:
    assert forecast(new_job(images=images, model="klein"), capacity, **standing) == expected


def test_the_time_goes_by_and_is_never_negative() -> None:
    def left(*elapsed_ms: int) -> int | None:
        job = started(2, *elapsed_ms)
        return forecast(job, running=running(*elapsed_ms, member=7, job_id=job.id))

    assert [left(0), left(4_000), left(12_000), left(12_000, 12_000)] == [2 * TOOK, 16_000, TOOK, 0]
    assert left_ms(new_job(), QueueStanding(), ONE, usual={}, now=NOW) is None


def test_nobody_knows_how_long_an_image_takes_that_is_slow() -> None:
    waiting = new_job(model="klein")
    assert forecast(waiting, running=running(15_000)) == TOOK
    assert forecast(waiting, running=running(15_001)) is None
    assert forecast(waiting, TWO, running=running(15_001)) == TOOK  # another place is free


def test_an_image_is_slow_once_its_usual_time_has_clearly_passed() -> None:
    usual = {"klein": 40_000}
    assert [is_slow(started(1, each).open, usual=usual, now=NOW) for each in (40_000, 50_000, 50_001)] == [False, False, True]
    assert not is_slow(new_job(model="klein").open, usual=usual, now=NOW)


def test_it_waits_for_its_members_other_image_only_if_nothing_else_is_in_the_way() -> None:
    job = new_job(model="klein")
    standings = [
        QueueStanding(running=running(1, member=7)),
        QueueStanding(own_ahead=1),
        QueueStanding(ahead=1, own_ahead=1),
        QueueStanding(running=running(1)),
    ]
    assert [waits_for_own(job, each, ONE) for each in standings] == [True, True, False, False]
    assert not waits_for_own(started(1, 0), standings[0], ONE)


def test_only_the_first_that_will_be_sent_is_next() -> None:
    job = new_job(model="klein")
    mine = (job.place.guild_id, job.place.user_id)
    free = replace(job, generations=tuple(replace(g, lane=Lane.FREE) for g in job.generations))
    assert is_next(job, QueueStanding())
    assert is_next(job, QueueStanding(rivals=frozenset({(2, 9), mine})))
    assert not is_next(job, QueueStanding(ahead=1))
    assert not is_next(free, QueueStanding(rivals=frozenset({(2, 9)})))
    busy = running(1, member=job.place.user_id)
    assert not is_next(job, QueueStanding(rivals=frozenset({(2, 9)}), running=busy))
    assert is_next(job, QueueStanding(rivals=frozenset({mine}), running=busy))


def test_a_forecast_is_told_in_steps_and_rounded_up() -> None:
    assert [whole_seconds(each) for each in (1, 5_000, 5_001, 30_000, 30_001, 90_001, 120_001)] == [5, 5, 10, 30, 40, 120, 180]
