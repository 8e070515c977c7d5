"""Claims on both databases: what is due is claimed once, in fair order, and nothing more is read."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest
from sqlalchemy import select

from bot.domain.job import GenerationState, Job
from bot.domain.queueing.rate import Rate
from bot.domain.scheduling import Caps
from bot.store import claims, rows, steps
from bot.store.claims import Place, ToSubmit
from bot.store.engine.base import Store
from bot.store.tables import generations
from tests.env.job_steps import order, restart, run
from tests.env.jobs import new_job

WIDE = Caps(per_user=100, per_guild=100, total=100)
NOW = 9000
SECOND_US = 1_000_000


def oxen(*, burst: int = 100, max_running: int = 100) -> dict[str, Place]:
    return {"oxen": Place(max_running=max_running, rate=Rate(interval_us=SECOND_US, burst=burst), queued=True)}


async def claimed(
    store: Store, *, free: int = 10, caps: Caps = WIDE, places: dict[str, Place] | None = None, now: int = NOW
) -> list[ToSubmit]:
    return (await store.write(claims.to_submit, now, free=free, caps=caps, places=oxen() if places is None else places))[0]


async def waiting_jobs(store: Store, count: int, **more: Any) -> list[Job]:
    return [await order(store, new_job(now=1000 + n, **more)) for n in range(count)]


async def test_simultaneous_claims_never_share_work(store: Store) -> None:
    ordered = await waiting_jobs(store, 6)
    found = [*await asyncio.gather(*(claimed(store, free=2) for _ in range(8))), await claimed(store)]
    ids = [each.generation.job_id for claim in found for each in claim]
    assert sorted(ids) == sorted(job.id for job in ordered)


async def test_a_claim_takes_the_oldest_first_and_marks_it(store: Store) -> None:
    first, _ = await waiting_jobs(store, 2)
    (taken,) = await claimed(store, free=1)
    assert (taken.generation.job_id, taken.generation.state, taken.has_references) == (first.id, GenerationState.SUBMITTING, False)
    assert taken.generation.submitted_at == NOW


@pytest.mark.parametrize(
    ("places", "count"), [(oxen(burst=2), 2), (oxen(max_running=3), 3), ({}, 0)], ids=["rate limit", "running at once", "unavailable"]
)
async def test_a_claim_takes_what_the_image_api_takes(store: Store, places: dict[str, Place], count: int) -> None:
    await waiting_jobs(store, 5)
    assert len(await claimed(store, places=places)) == count


async def test_the_rate_of_an_image_api_holds_for_all_claims_together(store: Store) -> None:
    await waiting_jobs(store, 8)
    counts = [len(found) for found in await asyncio.gather(*(claimed(store, free=2, places=oxen(burst=5)) for _ in range(4)))]
    assert sum(counts) == 5
    found, wait_ms = await store.write(claims.to_submit, NOW + 400, free=9, caps=WIDE, places=oxen(burst=5))
    assert (found, wait_ms) == ([], 600)
    assert [len(await claimed(store, places=oxen(burst=5), now=NOW + ms)) for ms in (999, 1000, 1001, 3000)] == [0, 1, 0, 2]


async def test_a_job_whose_prompt_is_not_checked_waits(store: Store) -> None:
    job = await order(store, new_job(needs_check=True))
    assert await claimed(store) == []
    assert await store.read(claims.to_check, NOW, owner=None, free=5, active=()) == [job.id]
    assert await store.read(claims.to_check, NOW, owner=None, free=5, active=[job.id]) == []
    assert await store.read(claims.to_check, NOW, owner=99, free=5, active=()) == []


async def test_a_submission_is_looked_up_by_one_process_once_the_one_that_sent_it_is_gone(store: Store) -> None:
    await restart(store, NOW)
    await waiting_jobs(store, 2)
    sent = [(each.generation.job_id, 0) for each in await claimed(store)]

    async def lost(free: int) -> list[tuple[str, int]]:
        return [(each.job_id, each.n) for each in await store.write(claims.lost, NOW, free=free)]

    assert await lost(5) == []
    await restart(store, NOW)
    assert await lost(1) + await lost(5) + await lost(5) == sent


async def test_a_running_generation_is_read_when_it_is_due_and_then_later(store: Store) -> None:
    job = await run(store, await order(store, new_job()))
    await store.write(steps.read_running_at, "oxen", NOW)

    async def due(now: int) -> list[str]:
        times = {"free": 5, "new_since": 0, "soon": now + 50, "later": now + 500}
        return [each.job_id for each in await store.write(claims.to_read, "oxen", now, **times)]

    assert [await due(now) for now in (NOW, NOW + 49, NOW + 50)] == [[job.id], [], [job.id]]


async def test_of_what_must_be_read_the_longest_due_is_claimed_first(store: Store) -> None:
    running = [await run(store, job) for job in await waiting_jobs(store, 4)]
    for due_at, job in zip((30, 10, 40, 20), running, strict=True):
        await store.write(steps.read_now, [(job.id, 0)], due_at)

    async def claim() -> set[str]:
        return {each.job_id for each in await store.write(claims.to_read, "oxen", NOW, free=2, new_since=0, soon=NOW + 1, later=NOW + 1)}

    assert [await claim() for _ in range(3)] == [{running[1].id, running[3].id}, {running[0].id, running[2].id}, set()]


async def test_a_claim_reads_a_bounded_part_of_a_long_queue(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    job = await order(store, new_job())
    row = await store.read(lambda conn: dict(conn.execute(select(generations).where(generations.c.job_id == job.id)).mappings().one()))
    copies = [{**row, "n": n, "created_at": 2000 + n} for n in range(1, 2000)]
    await store.write(lambda conn: conn.execute(generations.insert(), copies))
    read = Mock(wraps=rows.generation_of)
    for module in (rows, steps, claims):
        monkeypatch.setattr(module, "generation_of", read)
    queue = await store.read(claims.queue_of, NOW)
    assert len(queue.waiting) == 500
    assert len(await claimed(store, free=3)) == read.call_count == 3
