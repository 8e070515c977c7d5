"""Flags: the quorum, its effects, and that a brigade cannot exceed the rules."""

from __future__ import annotations

import asyncio

from bot.domain.guild.sections import Flags
from bot.domain.moderation.cases import REPORTS_MAX, CaseState, Cause, Decision
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
    assert await kinds(store) == [ItemKind.CASE, ItemKind.COVER, ItemKind.TELL_HIDDEN]


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
    assert not await store.write(reports.take_back, MESSAGE, 20), "its reaction was taken away, and does not matter any more"
    assert await store.write(flagging.withdraw, MESSAGE, 20, NOW)
    await store.write(reports.keep_reaction, MESSAGE, 21)
    assert await store.write(reports.take_back, MESSAGE, 21)
    assert (await flag(store, job, 22)).opened is None


async def test_reports_with_a_reason_and_decided_flags_cannot_be_withdrawn(store: Store) -> None:
    job = await new_image(store)
    await flag(store, job, 30, reason="too red")
    case = await flagged(store, job, 20, 21)
    assert case.cause is Cause.FLAGS
    await decide(store, case, Decision.KEEP)
    assert [await store.write(flagging.withdraw, MESSAGE, user_id, NOW) for user_id in (30, 20)] == [False, False]


async def test_the_same_flags_do_not_count_again_after_keep(store: Store) -> None:
    job = await new_image(store)
    await decide(store, await flagged(store, job), Decision.KEEP)
    assert (await flag(store, job, 23)).opened is None
    assert await flagged(store, job, 24, 25)


async def test_a_moderator_s_flag_opens_a_case_and_hides_nothing(store: Store) -> None:
    job = await new_image(store)
    opened = (await flag(store, job, MO, opens_case=True)).opened
    assert opened is not None
    assert (opened.cause, opened.state) == (Cause.REPORT, CaseState.OPEN)
    assert not (await known(store, job)).spoiler


async def test_enough_flags_hide_an_image_that_a_report_has_opened_a_case_about(store: Store) -> None:
    job = await new_image(store)
    opened = (await flag(store, job, 40, counts=False, opens_case=True, reason="gory")).opened
    assert opened is not None
    for user_id in (20, 21, 22):
        assert (await flag(store, job, user_id)).opened is None
    assert (await known(store, job)).spoiler
    (case,) = await store.read(cases.waiting, HERE)
    assert (case.id, case.cause) == (opened.id, Cause.FLAGS)
    assert await weighed(store, RULES) == []


async def test_a_report_that_waits_for_unlocked_flags_opens_one_case(store: Store) -> None:
    job = await new_image(store)
    for user_id in (20, 21):
        assert (await flag(store, job, user_id, rules=LOCKED, counts=False, reason="gory")).opened is None
    assert await store.read(flagging.guilds_with_flags) == [HERE]
    opened = [await store.write(flagging.open_waiting, HERE, NOW, has_channel=False) for _ in range(2)]
    assert [len(each) for each in opened] == [1, 0]
    assert [each.reason for each in (await store.read(cases.file_of, opened[0][0])).flags] == ["gory", "gory"]
    assert await kinds(store) == [ItemKind.CASE, ItemKind.NO_CHANNEL]


async def test_a_member_has_five_undecided_reports_at_most(store: Store) -> None:
    images = [await new_image(store, message_id=601 + n) for n in range(REPORTS_MAX + 1)]
    results = [await flag(store, job, 20, opens_case=True, reason="gory") for job in images]
    assert [each.is_too_many for each in results] == [False] * REPORTS_MAX + [True]
    first = results[0].opened
    assert first is not None
    await decide(store, first, Decision.KEEP)
    assert (await flag(store, images[-1], 20, opens_case=True, reason="gory")).opened


async def test_words_are_added_to_a_member_s_own_flag(store: Store) -> None:
    job = await new_image(store)
    assert [(await flag(store, job, 20, reason=reason)).is_new for reason in ("", "gory", "very gory")] == [True, True, False]
    assert [each.reason for each in await store.read(reports.about, ADA, HERE)] == ["gory"]


async def test_a_case_has_its_flags_and_reports(store: Store) -> None:
    job = await new_image(store)
    await flag(store, job, 40, counts=False, reason="not mine to count")
    case = await flagged(store, job)
    summaries = (await store.read(cases.file_of, case)).flags
    assert [(each.user_id, each.weight) for each in summaries] == [(40, 0), (20, 1), (21, 1), (22, 1)]
