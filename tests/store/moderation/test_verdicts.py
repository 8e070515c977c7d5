"""Decisions and their effects: each is applied once, and reversed by an appeal that succeeds."""

from __future__ import annotations

import asyncio

import pytest

from bot.domain.job import JobMessage, JobState, MessageRole
from bot.domain.moderation.audit import AuditAction
from bot.domain.moderation.cases import DECISIONS, Case, CaseState, CaseSubject, Decision
from bot.domain.money.accounts import user_account
from bot.domain.money.quota import DAY_MS, MICRO
from bot.domain.outbox import ItemKind
from bot.store import delivery, jobs, messages, outbox
from bot.store.engine.base import Store
from bot.store.moderation import audit_log, cases, conduct, verdicts
from bot.store.moderation.verdicts import Judgement, Ruling
from bot.store.money import ledger
from tests.env.job_steps import own
from tests.env.jobs import TEN, new_job
from tests.store.moderation.flagged import ADA, HERE, MESSAGE, MO, NOW, STRIKES, decide, flagged, known, new_image


async def points(store: Store) -> float:
    return round(await store.read(conduct.current_points, HERE, ADA, rules=STRIKES, now=NOW), 6)


async def is_blocked(store: Store, now: int = NOW + 2) -> bool:
    return await store.read(conduct.blocked, HERE, ADA, now) is not None


async def left(store: Store) -> int:
    return (await store.read(ledger.statement, account=user_account(ADA), bucket=TEN, now=NOW)).available


async def count_items(store: Store, kind: ItemKind) -> int:
    return sum(item.kind is kind for item in await store.read(outbox.due, NOW + 100))


async def appeal(store: Store, case_id: int) -> Case | None:
    return await store.write(verdicts.appeal, case_id, words="It is a fox.", now=NOW + 2)


async def judge(store: Store, job_id: str, decision: Decision, *, by_id: int = MO, guild_id: int = HERE) -> Judgement | None:
    return await store.write(verdicts.decide_on_job, job_id, guild_id, Ruling(decision=decision, by_id=by_id, strikes=STRIKES, now=NOW + 1))


# --- effects ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decision", "state", "spoiler", "strikes", "blocked", "credits_left"),
    [
        (Decision.KEEP, JobState.DELIVERED, False, 0, False, 9),
        (Decision.SPOILER, JobState.DELIVERED, True, 0, False, 9),
        (Decision.DELETE, JobState.DELETED, True, 2, False, 9),
        (Decision.BLOCK, JobState.DELETED, True, 2, True, 9),
        (Decision.REFUND, JobState.DELETED, True, 0, False, 10),
    ],
)
async def test_each_decision_has_its_effects(
    store: Store, decision: Decision, state: JobState, spoiler: bool, strikes: float, blocked: bool, credits_left: int
) -> None:
    job = await new_image(store)
    await decide(store, await flagged(store, job), decision)
    now = await known(store, job)
    assert (now.state, now.spoiler) == (state, spoiler)
    assert (await points(store), await is_blocked(store), await left(store)) == (strikes, blocked, credits_left * MICRO)


@pytest.mark.parametrize("decision", DECISIONS[CaseSubject.IMAGE])
async def test_the_author_is_notified_of_every_decision_but_keep(store: Store, decision: Decision) -> None:
    await decide(store, await flagged(store, await new_image(store)), decision)
    assert await count_items(store, ItemKind.TELL_AUTHOR) == (decision is not Decision.KEEP)


async def test_a_block_ends_after_a_day(store: Store) -> None:
    await decide(store, await flagged(store, await new_image(store)), Decision.BLOCK)
    assert [await is_blocked(store, NOW + ms) for ms in (DAY_MS, DAY_MS + 2)] == [True, False]


async def test_keep_does_not_remove_a_spoiler_that_flags_did_not_add(store: Store) -> None:
    job = await new_image(store, spoiler=True)
    await decide(store, await flagged(store, job), Decision.KEEP)
    assert (await known(store, job)).spoiler


async def test_a_decision_makes_flags_upheld_or_failed(store: Store) -> None:
    outcomes = {}
    for n, decision in enumerate(DECISIONS[CaseSubject.IMAGE]):
        case = await flagged(store, await new_image(store, message_id=700 + n), 100 + 3 * n, 101 + 3 * n, 102 + 3 * n)
        await decide(store, case, decision)
        outcomes[decision] = {each.weight for each in (await store.read(cases.file_of, case)).flags}
    assert outcomes == {
        Decision.KEEP: {0.75},
        Decision.SPOILER: {1},
        Decision.DELETE: {1},
        Decision.BLOCK: {1},
        Decision.REFUND: {1},
    }


async def test_a_case_about_a_deleted_job_can_be_decided(store: Store) -> None:
    job = await new_image(store)
    case = await flagged(store, job)
    await store.write(delivery.mark_deleted, job.id)
    await decide(store, case, Decision.DELETE)
    assert await points(store) == 2


async def test_a_decision_updates_the_log_post(store: Store) -> None:
    job = await new_image(store)
    log = JobMessage(message_id=60, channel_id=50, guild_id=HERE, role=MessageRole.LOG, at=NOW, job_id=job.id)
    await store.write(messages.record, log)
    await decide(store, await flagged(store, job), Decision.DELETE)
    assert await count_items(store, ItemKind.LOG) >= 1


async def test_all_effects_are_in_the_audit_log(store: Store) -> None:
    await decide(store, await flagged(store, await new_image(store)), Decision.BLOCK)
    lines = await store.read(audit_log.latest, HERE)
    assert {line.action for line in lines} == {
        AuditAction.CASE_OPENED,
        AuditAction.SPOILERED,
        AuditAction.CASE_DECIDED,
        AuditAction.BLOCKED,
        AuditAction.STRUCK,
    }


# --- once ------------------------------------------------------------------------------------------------------------


async def test_the_second_moderator_is_told_who_decided(store: Store) -> None:
    case = await flagged(store, await new_image(store))
    judged = await asyncio.gather(decide(store, case, Decision.BLOCK, by_id=MO), decide(store, case, Decision.REFUND, by_id=MO + 1))
    assert sorted(each.is_new for each in judged) == [False, True]
    assert len({each.case.decided_by for each in judged}) == 1


async def test_ten_simultaneous_presses_make_one_case_and_one_strike(store: Store) -> None:
    job = await new_image(store)
    judged = await asyncio.gather(*(judge(store, job.id, Decision.DELETE, by_id=MO + n) for n in range(10)))
    assert sorted(each.is_new for each in judged if each) == [False] * 9 + [True]
    assert (len(await store.read(cases.of_job, job.id)), await points(store)) == (1, 2)


async def test_a_press_in_the_log_decides_the_open_case(store: Store) -> None:
    job = await new_image(store)
    case = await flagged(store, job)
    judged = await judge(store, job.id, Decision.SPOILER)
    assert judged is not None
    assert (judged.case.id, judged.case.state) == (case.id, CaseState.DECIDED)


async def test_another_guild_s_moderators_cannot_decide(store: Store) -> None:
    assert await judge(store, (await new_image(store)).id, Decision.DELETE, guild_id=HERE + 1) is None


# --- appeals ---------------------------------------------------------------------------------------------------------


async def test_a_case_can_be_appealed_once(store: Store) -> None:
    case = await flagged(store, await new_image(store))
    await decide(store, case, Decision.DELETE)
    assert [await appeal(store, case.id) is not None for _ in range(2)] == [True, False]
    await decide(store, case, Decision.DELETE)
    assert await appeal(store, case.id) is None


async def test_a_moderator_keeps_an_image_that_an_earlier_decision_hid(store: Store) -> None:
    job = await new_image(store)
    for decision, hidden in ((Decision.SPOILER, True), (Decision.KEEP, False)):
        await judge(store, job.id, decision)
        now = await store.read(jobs.get, job.id)
        assert now is not None
        assert now.spoiler is hidden


@pytest.mark.parametrize("decision", [Decision.KEEP, Decision.REFUND])
async def test_a_decision_without_a_penalty_cannot_be_appealed(store: Store, decision: Decision) -> None:
    case = await flagged(store, await new_image(store))
    await decide(store, case, decision)
    assert await appeal(store, case.id) is None


async def test_an_appeal_is_posted_as_a_reply_to_the_old_post(store: Store) -> None:
    case = await flagged(store, await new_image(store))
    await store.write(cases.record_post, case, channel_id=50, message_id=60, now=NOW)
    await decide(store, case, Decision.DELETE)
    appealed = await appeal(store, case.id)
    assert appealed is not None
    assert (appealed.post_message_id, appealed.appeal) == (None, "It is a fox.")
    assert [e.data for e in await store.read(outbox.due, NOW + 100) if "reply_to" in e.data] == [{"case_id": case.id, "reply_to": 60}]


@pytest.mark.parametrize("decision", [Decision.KEEP, Decision.REFUND, Decision.SPOILER])
async def test_a_successful_appeal_reverses_strikes_and_blocks(store: Store, decision: Decision) -> None:
    case = await flagged(store, await new_image(store))
    await decide(store, case, Decision.BLOCK)
    await appeal(store, case.id)
    await decide(store, case, decision)
    assert (await points(store), await is_blocked(store)) == (0, False)
    assert await strike_weights(store) == [2, -2]


async def strike_weights(store: Store) -> list[float]:
    return [strike.weight for strike in await store.read(conduct.strikes_of, HERE, ADA)]


async def test_a_failed_appeal_adds_no_second_strike(store: Store) -> None:
    case = await flagged(store, await new_image(store))
    await decide(store, case, Decision.BLOCK)
    await appeal(store, case.id)
    await decide(store, case, Decision.DELETE)
    assert (await points(store), await is_blocked(store)) == (2, False)


async def test_an_appeal_does_not_lift_an_unrelated_block(store: Store) -> None:
    case = await flagged(store, await new_image(store))
    await decide(store, case, Decision.DELETE)
    await store.write(conduct.block, HERE, ADA, until=None, reason="spam", by_id=MO, now=NOW)
    await appeal(store, case.id)
    await decide(store, case, Decision.KEEP)
    assert await is_blocked(store)


async def test_a_successful_appeal_changes_the_flaggers_records(store: Store) -> None:
    case = await flagged(store, await new_image(store))
    await decide(store, case, Decision.SPOILER)
    await appeal(store, case.id)
    await decide(store, case, Decision.KEEP)
    assert {each.weight for each in (await store.read(cases.file_of, case)).flags} == {0.75}


# --- without a case --------------------------------------------------------------------------------------------------


async def test_a_refund_keeps_the_image_and_is_booked_once(store: Store) -> None:
    job = await new_image(store)
    back = [await store.write(verdicts.refund, job.id, HERE, by_id=MO, now=NOW) for _ in range(2)]
    assert (back, await left(store)) == ([MICRO, 0], 10 * MICRO)
    assert (await known(store, job)).state is JobState.DELIVERED


async def test_a_purge_deletes_all_jobs_of_a_member_in_this_guild(store: Store) -> None:
    shown = [await new_image(store, message_id=MESSAGE + n) for n in range(3)]
    waiting = new_job(now=NOW, member=ADA)
    await store.write(jobs.add, waiting, (), payment=own(ADA, TEN), max_waiting=50, now=NOW)
    purged = await store.write(verdicts.purge, HERE, ADA, by_id=MO, now=NOW)
    assert (purged.taken_away, purged.open_jobs) == (3, (waiting.id,))
    assert {(await known(store, job)).state for job in shown} == {JobState.DELETED}
    assert await count_items(store, ItemKind.REMOVE) == 3
