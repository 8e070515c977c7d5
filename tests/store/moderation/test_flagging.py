"""Flags: who is enough, what follows, and that a brigade gets no further than the rules allow."""

from __future__ import annotations

import asyncio

from bot.domain.guild.sections import Flags
from bot.domain.moderation.cases import CaseState, Cause, Decision
from bot.domain.outbox import ItemKind
from bot.store import outbox
from bot.store.engine.base import Store
from bot.store.moderation import cases, flagging, reports
from tests.store.moderation.flagged import ADA, HERE, MESSAGE, MO, NOW, RULES, decide, flag, flagged, known, picture

LOCKED = Flags(quorum=3, locked=True)


async def kinds(store: Store) -> list[ItemKind]:
    return sorted(item.kind for item in await store.read(outbox.due, NOW + 100))


async def test_a_quorum_hides_the_picture_and_opens_a_case(store: Store) -> None:
    job = await picture(store)
    heard = [await flag(store, job, user_id) for user_id in (20, 21, 22)]
    assert [each.opened is not None for each in heard] == [False, False, True]
    assert (await known(store, job)).spoiler
    assert await kinds(store) == [ItemKind.CASE, ItemKind.COVER]


async def test_the_same_member_is_counted_once(store: Store) -> None:
    job = await picture(store)
    heard = [await flag(store, job, 20) for _ in range(3)]
    assert [each.is_new for each in heard] == [True, False, False]
    assert await store.read(cases.waiting, HERE) == []


async def test_of_twenty_flags_at_once_one_opens_a_case(store: Store) -> None:
    job = await picture(store)
    heard = await asyncio.gather(*(flag(store, job, user_id) for user_id in range(20, 40)))
    assert sum(each.opened is not None for each in heard) == 1
    assert len(await store.read(cases.waiting, HERE)) == 1


async def test_flags_that_do_not_count_are_kept_without_effect(store: Store) -> None:
    job = await picture(store)
    heard = [await flag(store, job, user_id, counts=False) for user_id in range(20, 30)]
    assert all(each.is_new and each.opened is None for each in heard)
    assert len(await store.read(reports.about, ADA, HERE, limit=20)) == 10


async def test_members_whose_flags_fail_lose_weight(store: Store) -> None:
    """A brigade that was wrong once is no quorum any more; one honest member beside it makes it one."""
    await decide(store, await flagged(store, await picture(store, message_id=601)), Decision.KEEP)
    job = await picture(store)
    heard = [await flag(store, job, user_id) for user_id in (20, 21, 22, 30)]
    assert [each.opened is not None for each in heard] == [False, False, False, True]


async def test_members_who_were_right_keep_their_weight(store: Store) -> None:
    await decide(store, await flagged(store, await picture(store, message_id=601)), Decision.SPOILER)
    assert await flagged(store, await picture(store))


async def test_flags_are_without_effect_while_they_are_locked_and_count_afterwards(store: Store) -> None:
    job = await picture(store)
    for user_id in (20, 21, 22):
        assert (await flag(store, job, user_id, rules=LOCKED)).opened is None
    assert await store.write(flagging.recount, HERE, LOCKED, NOW) == 0
    assert not (await known(store, job)).spoiler
    assert [await store.write(flagging.recount, HERE, RULES, NOW) for _ in range(2)] == [1, 0]
    assert (await known(store, job)).spoiler


async def test_servers_with_flags_that_wait_are_known(store: Store) -> None:
    await flag(store, await picture(store), 20, rules=LOCKED)
    assert await store.read(flagging.servers_with_flags) == [HERE]


async def test_a_flag_taken_back_does_not_count(store: Store) -> None:
    job = await picture(store)
    for user_id in (20, 21):
        await flag(store, job, user_id)
    assert await store.write(reports.take_back, MESSAGE, 20)
    assert (await flag(store, job, 22)).opened is None


async def test_words_stay_said_and_what_was_decided_by_a_flag_too(store: Store) -> None:
    job = await picture(store)
    await flag(store, job, 30, reason="too red")
    case = await flagged(store, job, 20, 21)
    assert case.cause is Cause.FLAGS
    await decide(store, case, Decision.KEEP)
    assert [await store.write(reports.take_back, MESSAGE, user_id) for user_id in (30, 20)] == [False, False]


async def test_after_keep_the_same_flags_do_not_count_again(store: Store) -> None:
    job = await picture(store)
    await decide(store, await flagged(store, job), Decision.KEEP)
    assert (await flag(store, job, 23)).opened is None
    assert await flagged(store, job, 24, 25)


async def test_a_moderator_alone_opens_a_case_and_hides_nothing(store: Store) -> None:
    job = await picture(store)
    opened = (await flag(store, job, MO, opens_case=True, reason="look at this")).opened
    assert opened is not None
    assert (opened.cause, opened.reason, opened.state) == (Cause.REPORT, "look at this", CaseState.OPEN)
    assert not (await known(store, job)).spoiler


async def test_what_members_told_stands_beside_the_case(store: Store) -> None:
    job = await picture(store)
    await flag(store, job, 40, counts=False, reason="not mine to count")
    case = await flagged(store, job)
    told = await store.read(cases.told_of, case)
    assert [(each.user_id, each.weight) for each in told] == [(40, 0), (20, 1), (21, 1), (22, 1)]
