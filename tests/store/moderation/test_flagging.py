"""Flags: the quorum, its effects, and that a brigade cannot exceed the rules."""

from __future__ import annotations

import asyncio

from bot.domain.guild.sections import Flags
from bot.domain.moderation.cases import CaseState, Cause, Decision
from bot.domain.outbox import ItemKind
from bot.store import outbox
from bot.store.engine.base import Store
from bot.store.moderation import cases, flagging, reports
from tests.store.moderation.flagged import ADA, HERE, MESSAGE, MO, NOW, RULES, decide, flag, flagged, known, new_image, weighed

LOCKED = Flags(quorum=3, locked=True)


async def kinds(store: Store) -> list[ItemKind]:
    return sorted(item.kind for item in await store.read(outbox.due, NOW + 100))


async def test_a_quorum_hides_the_image_and_opens_a_case(store: Store) -> None:
    job = await new_image(store)
    results = [await flag(store, job, user_id) for user_id in (20, 21, 22)]
    assert [each.opened is not None for each in results] == [False, False, True]
    assert (await known(store, job)).spoiler
    assert await kinds(store) == [ItemKind.CASE, ItemKind.COVER]


async def test_a_member_is_counted_once(store: Store) -> None:
    job = await new_image(store)
    results = [await flag(store, job, 20) for _ in range(3)]
    assert [each.is_new for each in results] == [True, False, False]
    assert await store.read(cases.waiting, HERE) == []


async def test_one_of_twenty_simultaneous_flags_opens_a_case(store: Store) -> None:
    job = await new_image(store)
    results = await asyncio.gather(*(flag(store, job, user_id) for user_id in range(20, 40)))
    assert sum(each.opened is not None for each in results) == 1
    assert len(await store.read(cases.waiting, HERE)) == 1


async def test_flags_that_do_not_count_are_stored_without_effect(store: Store) -> None:
    job = await new_image(store)
    results = [await flag(store, job, user_id, counts=False) for user_id in range(20, 30)]
    assert all(each.is_new and each.opened is None for each in results)
    assert len(await store.read(reports.about, ADA, HERE, limit=20)) == 10


async def test_members_whose_flags_fail_lose_weight(store: Store) -> None:
    """A brigade whose flags failed once is no longer a quorum; one more member makes it one."""
    await decide(store, await flagged(store, await new_image(store, message_id=601)), Decision.KEEP)
    job = await new_image(store)
    results = [await flag(store, job, user_id) for user_id in (20, 21, 22, 30)]
    assert [each.opened is not None for each in results] == [False, False, False, True]


async def test_members_whose_flags_are_upheld_keep_their_weight(store: Store) -> None:
    await decide(store, await flagged(store, await new_image(store, message_id=601)), Decision.SPOILER)
    assert await flagged(store, await new_image(store))


async def test_locked_flags_have_no_effect_and_count_after_unlocking(store: Store) -> None:
    job = await new_image(store)
    for user_id in (20, 21, 22):
        assert (await flag(store, job, user_id, rules=LOCKED)).opened is None
    assert await weighed(store, LOCKED) == []
    assert not (await known(store, job)).spoiler
    assert [len(await weighed(store, RULES)) for _ in range(2)] == [1, 0]
    assert (await known(store, job)).spoiler


async def test_guilds_with_flags_without_effect_are_listed(store: Store) -> None:
    await flag(store, await new_image(store), 20, rules=LOCKED)
    assert await store.read(flagging.guilds_with_flags) == [HERE]


async def test_a_withdrawn_flag_does_not_count(store: Store) -> None:
    job = await new_image(store)
    for user_id in (20, 21):
        await flag(store, job, user_id)
    assert await store.write(reports.take_back, MESSAGE, 20)
    assert (await flag(store, job, 22)).opened is None


async def test_reports_with_a_reason_and_decided_flags_cannot_be_withdrawn(store: Store) -> None:
    job = await new_image(store)
    await flag(store, job, 30, reason="too red")
    case = await flagged(store, job, 20, 21)
    assert case.cause is Cause.FLAGS
    await decide(store, case, Decision.KEEP)
    assert [await store.write(reports.take_back, MESSAGE, user_id) for user_id in (30, 20)] == [False, False]


async def test_the_same_flags_do_not_count_again_after_keep(store: Store) -> None:
    job = await new_image(store)
    await decide(store, await flagged(store, job), Decision.KEEP)
    assert (await flag(store, job, 23)).opened is None
    assert await flagged(store, job, 24, 25)


async def test_a_moderator_s_flag_opens_a_case_and_hides_nothing(store: Store) -> None:
    job = await new_image(store)
    opened = (await flag(store, job, MO, opens_case=True, reason="check this")).opened
    assert opened is not None
    assert (opened.cause, opened.reason, opened.state) == (Cause.REPORT, "check this", CaseState.OPEN)
    assert not (await known(store, job)).spoiler


async def test_a_case_has_its_flags_and_reports(store: Store) -> None:
    job = await new_image(store)
    await flag(store, job, 40, counts=False, reason="not mine to count")
    case = await flagged(store, job)
    summaries = (await store.read(cases.file_of, case)).flags
    assert [(each.user_id, each.weight) for each in summaries] == [(40, 0), (20, 1), (21, 1), (22, 1)]
