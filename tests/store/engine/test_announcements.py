"""Topics: which subscribers each kind of write wakes, and that they wake only after its commit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from bot.core.errors import TooManyWaiting
from bot.domain.gestures import Reaction
from bot.domain.guild.sections import GalleryRules
from bot.domain.job import Failure, Lane
from bot.domain.moderation.cases import Cause, Decision
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import delivery, gallery, history, jobs, kv, outbox, reactions, steps
from bot.store.cluster import processes
from bot.store.cluster.processes import Newcomer
from bot.store.engine.base import Store, Topic, announce
from bot.store.engine.postgres.store import PostgresStore
from bot.store.moderation import cases, screening, verdicts
from bot.store.moderation.screening import ScreeningVerdict
from bot.store.privacy import erase
from bot.store.steps import Fallback
from tests.env.job_steps import order, own, run
from tests.env.jobs import SUCCEEDED, TEN, new_job
from tests.store.engine.groups import break_at_commit, fail, together

Op = Callable[[Connection], Any]
PreparedOp = Callable[[Store], Awaitable[Op]]

NOW = 5000
ROUTE = Fallback(model="dev", api_model="dev", provider="oxen", seed=1, params={})
REMOVAL = OutboxItem(kind=ItemKind.REMOVE, due_at=NOW, data={"channel_id": 5, "message_id": 6})
QUEUE, CHECKS, LOST, RUNNING = Topic.QUEUE, Topic.CHECKS, Topic.LOST, Topic.RUNNING
RESULTS, MEMBERS, MODERATORS = Topic.RESULTS, Topic.MEMBERS, Topic.MODERATORS
PREFERENCES = Topic.PREFERENCES


async def woken(store: Store, write: Callable[[], Awaitable[Any]]) -> set[Topic]:
    """The topics whose subscribers are awake after the write."""
    waiting = {topic: store.subscribe(topic) for topic in Topic}
    await write()
    return {topic for topic, each in waiting.items() if await each.wait(timeout_s=0)}


# --- what each kind of write wakes -----------------------------------------------------------------------------------


def bind(op: Callable[..., Any], *args: Any, **kwargs: Any) -> Op:
    return lambda conn: op(conn, *args, **kwargs)


def waits(op: Callable[..., Any], *args: Any, images: int = 1, **kwargs: Any) -> PreparedOp:
    """The operation on a job whose generations are waiting."""

    async def prepared(store: Store) -> Op:
        return bind(op, (await order(store, new_job(images=images))).id, *args, **kwargs)

    return prepared


def sent(op: Callable[..., Any], *args: Any, **kwargs: Any) -> PreparedOp:
    """The operation on a job that is being submitted."""

    async def prepared(store: Store) -> Op:
        job = await order(store, new_job())
        await store.write(steps.start, job.id, 0, 2000)
        return bind(op, job.id, *args, **kwargs)

    return prepared


def made(op: Callable[..., Any], *args: Any, images: int = 1, answer_until: int = 0, **kwargs: Any) -> PreparedOp:
    """The operation on a job that is running at the provider."""

    async def prepared(store: Store) -> Op:
        job = await run(store, await order(store, replace(new_job(images=images), answer_until=answer_until)))
        return bind(op, job.id, *args, **kwargs)

    return prepared


def ended(op: Callable[..., Any], *args: Any, answer_until: int = 0, shown: bool = False, **kwargs: Any) -> PreparedOp:
    """The operation on a job that is deliverable, or delivered if `shown`."""

    async def prepared(store: Store) -> Op:
        job = await run(store, await order(store, replace(new_job(), answer_until=answer_until)))
        await store.write(steps.settle, job.id, 0, SUCCEEDED, 3000)
        if shown:
            await store.write(delivery.mark_delivered, job.id, channel_id=5, message_id=6, now=4000)
        return bind(op, job.id, *args, **kwargs)

    return prepared


def given(op: Op) -> PreparedOp:
    """The operation by itself."""

    async def prepared(_: Store) -> Op:
        return op

    return prepared


async def an_order(store: Store) -> Op:
    job = new_job()
    return bind(jobs.add, job, (), payment=own(7, TEN), max_waiting=8, now=1000)


async def a_refused_order(store: Store) -> Op:
    job = new_job(images=2)

    def refused(conn: Connection) -> None:
        with pytest.raises(TooManyWaiting):
            jobs.add(conn, job, (), payment=own(7, TEN), max_waiting=1, now=1000)

    return refused


async def a_start_in_the_slow_lane(store: Store) -> Op:
    job = new_job(price=0)
    await store.write(lambda conn: _slow(conn, jobs.add(conn, job, (), payment=own(7, TEN), max_waiting=8, now=1000).id))
    return bind(steps.start, job.id, 0, 2000)


def _slow(conn: Connection, job_id: str) -> None:
    conn.exec_driver_sql(f"UPDATE generations SET lane = '{Lane.FREE}' WHERE job_id = '{job_id}'")  # noqa: S608  an id of ours


async def a_reaction_taken_back(store: Store) -> Op:
    place = replace(new_job().place, reply_to=99)
    await order(store, new_job(place=place, reaction="🎨"))
    return bind(reactions.take_back, Reaction(message_id=99, user_id=7, emoji="🎨"), NOW)


async def a_refused_prompt(store: Store) -> Op:
    job = await order(store, new_job(needs_check=True))
    return bind(screening.refuse, job, ScreeningVerdict(sentence="No.", reason="violence"), failure=Failure.CONTENT, now=NOW)


async def an_appeal(store: Store) -> Op:
    case = await store.write(
        cases.open_case, guild_id=1, cause=Cause.REPORT, author_id=7, channel_id=5, message_id=6, job_id=None, reason="", now=NOW
    )
    assert case is not None
    await store.write(cases.decide, case.id, Decision.DELETE, by_id=9, now=NOW)
    return bind(verdicts.appeal, case.id, words="It is a fox.", now=NOW)


def _claimed(conn: Connection, _job_id: str) -> None:
    outbox.claim(conn, NOW, kinds=[ItemKind.DELIVER], free=1, pause_ms=lambda _item: 9000)


def _died(conn: Connection) -> None:
    """One process after the other, each alone."""
    for _ in range(2):
        processes.join(conn, Newcomer(name="test", home="", release="1", lease_ms=20_000), NOW, gone_homes=(), is_alone=True)


def _postponed(conn: Connection, job_id: str) -> None:
    outbox.postpone(conn, OutboxItem(id=job_id, kind=ItemKind.DELIVER, due_at=3000), due_at=9000)


def _given_up(conn: Connection, job_id: str) -> None:
    outbox.give_up(conn, OutboxItem(id=job_id, kind=ItemKind.DELIVER, due_at=3000))


KINDS: dict[str, tuple[PreparedOp, set[Topic]]] = {
    "an order": (an_order, {QUEUE}),
    "a refused order": (a_refused_order, set()),
    "a start": (waits(steps.start, 0, 2000), set()),
    "a start in the slow lane": (a_start_in_the_slow_lane, set()),
    "accepted": (sent(steps.accept, 0, "id"), {RUNNING}),
    "accepted too late": (waits(steps.accept, 0, "id"), set()),
    "put back": (sent(steps.put_back, 0, not_before=NOW, now=NOW), {QUEUE}),
    "sent again after a lost answer": (sent(steps.put_back_uncertain, 0, now=NOW), {QUEUE}),
    "lookup postponed": (sent(steps.postpone_lookup, 0, lookups=1, not_before=NOW), {LOST}),
    "another model": (waits(steps.reroute, 0, other=ROUTE), {QUEUE}),
    "one of two ends": (made(steps.settle, 0, SUCCEEDED, NOW, images=2), {QUEUE}),
    "the last one ends": (made(steps.settle, 0, SUCCEEDED, NOW), {QUEUE, RESULTS}),
    "an end reported twice": (ended(steps.settle, 0, SUCCEEDED, NOW), set()),
    "cancelled while it waits": (waits(steps.request_cancel, NOW), {QUEUE, RESULTS}),
    "cancelled while it is sent": (sent(steps.request_cancel, NOW), set()),
    "cancelled while it is made": (made(steps.request_cancel, NOW), {RUNNING}),
    "cancelled when it has ended": (ended(steps.request_cancel, NOW), set()),
    "a reaction taken back": (a_reaction_taken_back, {QUEUE, RESULTS}),
    "answered while it waits": (waits(jobs.mark_answered, 6, NOW), set()),
    "answered when it has ended": (ended(jobs.mark_answered, 6, NOW, answer_until=9000), {RESULTS}),
    "a process that is gone": (
        given(_died),
        {Topic.ADOPTED, QUEUE, CHECKS, LOST, RESULTS, MEMBERS, MODERATORS},
    ),
    "spoiled": (ended(steps.spoil, 0, "No image.", NOW), set()),
    "refunded": (ended(steps.refund, 0, NOW), set()),
    "a prompt allowed": (waits(screening.mark_passed), {QUEUE}),
    "a prompt check postponed": (waits(screening.postpone_check, 9000), set()),
    "a prompt refused": (a_refused_prompt, {QUEUE, RESULTS}),
    "about to be posted": (ended(delivery.set_posting_since, NOW), set()),
    "shown": (ended(delivery.mark_delivered, channel_id=5, message_id=6, now=NOW), set()),
    "shown, with a follow-up item": (ended(delivery.mark_delivered, channel_id=5, message_id=6, now=NOW, follows=[REMOVAL]), {MEMBERS}),
    "stranded": (ended(outbox.strand), set()),
    "tried": (ended(_claimed), set()),
    "postponed": (ended(_postponed), {RESULTS}),
    "done": (ended(outbox.done), set()),
    "given up": (ended(_given_up), set()),
    "a ping promised": (waits(delivery.promise_ping), set()),
    "a job deleted": (ended(history.take_away, NOW, shown=True), {MEMBERS}),
    "a message deleted by its author": (ended(history.message_deleted, 6, NOW, shown=True), set()),
    "a removal": (given(bind(outbox.add, REMOVAL)), {MEMBERS}),
    "a note": (given(bind(reactions.keep_note, Reaction(message_id=1, user_id=7, emoji="✏️"), REMOVAL, NOW)), {MEMBERS}),
    "an appeal": (an_appeal, {MODERATORS}),
    "a star below the threshold": (
        ended(gallery.show_if_starred, 6, guild_id=1, rules=GalleryRules(channel_id=8, stars=1), now=NOW),
        set(),
    ),
    "a member erased": (ended(lambda conn, _id: erase.erase(conn, 7, NOW), shown=True), {MEMBERS, PREFERENCES}),
    "an erased member's running job": (made(lambda conn, _id: erase.erase(conn, 7, NOW)), {RUNNING, PREFERENCES}),
    "a key-value entry": (given(bind(kv.put, "name", 1, NOW)), set()),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_write_wakes_the_subscribers_of_its_topics_only(store: Store, kind: str) -> None:
    prepare, topics = KINDS[kind]
    op = await prepare(store)
    assert await woken(store, lambda: store.write(op)) == topics


# --- when ------------------------------------------------------------------------------------------------------------


def announcing(*topics: Topic, then: Op = lambda _: None) -> Op:
    def op(conn: Connection) -> None:
        for topic in topics:
            announce(conn, topic)
        then(conn)

    return op


async def test_a_rolled_back_write_wakes_nobody_then_or_later(store: Store) -> None:
    async def written() -> None:
        with pytest.raises(LookupError):
            await store.write(announcing(QUEUE, then=fail))
        await store.write(announcing(MEMBERS))

    assert await woken(store, written) == {MEMBERS}


async def test_only_the_attempt_that_is_committed_counts(store: Store) -> None:
    if not isinstance(store, PostgresStore):
        pytest.skip("SQLite has one writer, so nothing conflicts")
    attempts = iter((QUEUE, RUNNING))

    def conflicting(conn: Connection) -> None:
        topic = next(attempts)
        announce(conn, topic)
        if topic is QUEUE:
            raise DBAPIError("", {}, _Conflict())

    assert await woken(store, lambda: store.write(conflicting)) == {RUNNING}


class _Conflict(Exception):
    sqlstate = "40001"


async def test_a_group_wakes_subscribers_of_its_successful_writes_only(sqlite_store: Store) -> None:
    group = (announcing(QUEUE), announcing(RUNNING, then=fail), announcing(MEMBERS), put_entry)
    assert await woken(sqlite_store, lambda: together(sqlite_store, *group)) == {QUEUE, MEMBERS}
    assert sqlite_store.commits == 2


async def test_a_group_that_is_rolled_back_wakes_nobody(sqlite_store: Store) -> None:
    group = (announcing(QUEUE), announcing(RUNNING, then=break_at_commit), announcing(MEMBERS))
    assert await woken(sqlite_store, lambda: together(sqlite_store, *group)) == set()


def put_entry(conn: Connection) -> None:
    kv.put(conn, "name", 1, NOW)


async def test_nobody_wakes_before_the_group_is_committed(sqlite_store: Store) -> None:
    """The first write of the group is done, the last one is still running."""
    waiting, last_began, may_end = sqlite_store.subscribe(QUEUE), threading.Event(), threading.Event()

    def last(_: Connection) -> None:
        last_began.set()
        may_end.wait(10)

    writing = asyncio.create_task(together(sqlite_store, announcing(QUEUE), last))
    await asyncio.to_thread(last_began.wait, 10)
    assert await waiting.wait(timeout_s=0.05) is False
    may_end.set()
    await writing
    assert await waiting.wait(timeout_s=0) is True


async def test_a_woken_subscriber_sees_the_write(store: Store) -> None:
    waiting = store.subscribe(QUEUE)

    async def read_when_woken() -> Any:
        await waiting.wait(timeout_s=10)
        return await store.read(kv.get, "name")

    reading = asyncio.create_task(read_when_woken())
    await store.write(announcing(QUEUE, then=put_entry))
    assert await reading == 1


async def test_all_subscribers_of_a_topic_wake_and_several_wake_ups_count_once(store: Store) -> None:
    first, second, both, other = (store.subscribe(*topics) for topics in ([QUEUE], [QUEUE], [RUNNING, QUEUE], [MEMBERS]))
    for _ in range(3):
        await store.write(announcing(QUEUE))
    assert [await each.wait(timeout_s=0) for each in (first, second, both, other)] == [True, True, True, False]
    assert [await each.wait(timeout_s=0) for each in (first, second, both)] == [False, False, False]
