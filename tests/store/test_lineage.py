"""Changes from an image to the next, and the relatives of an image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.domain.job import Job
from bot.domain.lineage import Aspect, Change, changes, visible
from bot.store import jobs, lineage, steps
from bot.store.engine.base import Store
from tests.env.job_steps import own
from tests.env.jobs import SUCCEEDED, TEN, new_job


def test_changes_are_listed_in_a_fixed_order() -> None:
    parent = new_job(params={"steps": 4, "quality": "high"})
    child = new_job(model="dev", prompt="at night", params={"steps": 8, "guidance": 2.0})
    child = replace(child, generations=(replace(child.generations[0], seed=7),))
    assert changes(parent, child) == (
        Change(aspect=Aspect.MODEL, before="klein", after="dev"),
        Change(aspect=Aspect.PROMPT, before="a red fox", after="at night"),
        Change(aspect=Aspect.OPTION, name="guidance", before=None, after="2"),
        Change(aspect=Aspect.OPTION, name="quality", before="high", after=None),
        Change(aspect=Aspect.OPTION, name="steps", before="4", after="8"),
        Change(aspect=Aspect.SEED, before="100", after="7"),
    )


def test_the_seed_is_that_of_the_edited_image() -> None:
    parent, child = new_job(images=3), new_job(parent_n=2)
    assert changes(parent, child) == (Change(aspect=Aspect.SEED, before="102", after="100"),)


def test_the_same_request_has_no_changes() -> None:
    assert changes(new_job(), new_job()) == ()


async def made(store: Store, **more: Any) -> Job:
    """A job with its image."""
    job = new_job(**more)
    await store.write(jobs.add, job, (), payment=own(7, TEN), max_waiting=50, now=1000)
    await store.write(steps.start, job.id, 0, 1000)
    await store.write(steps.settle, job.id, 0, SUCCEEDED, 1000)
    return job


async def test_relatives_are_parent_siblings_and_children(store: Store) -> None:
    parent = await made(store)
    one, other = await made(store, parent_id=parent.id), await made(store, parent_id=parent.id)
    child, _unrelated = await made(store, parent_id=one.id), await made(store)
    found = visible(one, await store.read(lineage.relatives, one), lambda _job: True)
    assert [job.id for job in found.all] == [parent.id, child.id, other.id]


async def test_jobs_without_a_parent_are_not_siblings(store: Store) -> None:
    one, _other = await made(store), await made(store)
    found = visible(one, await store.read(lineage.relatives, one), lambda _job: True)
    assert (found.all, found.left_out) == ((), 0)


async def test_invisible_relatives_are_counted_and_jobs_without_an_image_are_not(store: Store) -> None:
    parent = await made(store)
    await made(store, parent_id=parent.id, member=8)
    await store.write(jobs.add, new_job(parent_id=parent.id), (), payment=own(7, TEN), max_waiting=50, now=1000)  # still waiting
    found = visible(parent, await store.read(lineage.relatives, parent), lambda job: job.place.user_id == 7)
    assert (found.all, found.left_out) == ((), 1)
