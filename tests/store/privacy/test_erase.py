"""Erasing a member's data, on both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, insert, select

from benchmarks.history import BUSY, fill
from bot.domain.guild import document
from bot.domain.guild.sections import Strikes
from bot.domain.job import GenerationState, JobState, ReplyTarget, is_same_prompt
from bot.domain.moderation.audit import AuditAction
from bot.domain.moderation.cases import CaseState, Report
from bot.domain.money.accounts import AccountRef, member_account, user_account
from bot.domain.money.payment import Payment
from bot.domain.money.quota import DAY_MS, MICRO, Bucket
from bot.domain.outbox import ItemKind
from bot.domain.preferences import Preferences
from bot.services import housekeeping
from bot.services.privacy import erase_member, finish_erasing
from bot.store import documents, history, jobs, kv, outbox, steps
from bot.store.engine.base import Store
from bot.store.moderation import audit_log, cases, conduct, reports
from bot.store.money import audit, sponsorships, transfers
from bot.store.privacy import erase
from bot.store.tables import metadata, references
from tests.env.job_steps import money, order, run, seen
from tests.env.jobs import SUCCEEDED, TEN, new_job
from tests.store.privacy.traces import (
    ADA,
    BEN,
    MODERATION,
    NOW,
    exported,
    fill_every_table,
    move_money,
    put,
    row_counts,
    shown,
    tables_with,
)

pytestmark = pytest.mark.usefixtures("ledger_is_sound")


async def test_an_erased_id_stays_only_in_accounts_and_moderation_records(store: Store) -> None:
    job = await fill_every_table(store)
    await store.write(erase.erase, ADA, NOW)
    left = await tables_with(store, str(ADA))
    assert left == {"accounts", "ledger", *MODERATION}
    assert await tables_with(store, job.id) == set()


async def test_moderation_records_keep_no_text_of_an_erased_member(store: Store) -> None:
    await fill_every_table(store)
    await store.write(erase.erase, ADA, NOW)
    found = {name: rows for name, rows in (await exported(store, ADA)).items() if rows}
    assert found.keys() == {"accounts", "ledger", *MODERATION}
    assert not [word for word in ("red fox", "It was a fox.", "ugly", "thanks", "to Ada") if word in str(found)]


async def test_erasing_lifts_no_penalty(store: Store) -> None:
    await fill_every_table(store)
    before = await store.read(conduct.current_points, 1, ADA, rules=Strikes(), now=NOW)
    await store.write(erase.erase, ADA, NOW)
    assert await store.read(conduct.blocked, 1, ADA, NOW) is not None
    assert await store.read(conduct.current_points, 1, ADA, rules=Strikes(), now=NOW) == before
    assert not await store.write(reports.add, Report(at=NOW, guild_id=1, channel_id=5, message_id=601, user_id=ADA))
    assert [case.state for case in await store.read(cases.waiting, 1)] == [CaseState.APPEALED]
    assert (await store.read(audit_log.latest, 1))[0].action is AuditAction.ERASED


async def test_an_erased_host_s_sponsorship_ends_and_the_rest_is_returned(store: Store) -> None:
    await fill_every_table(store)
    await store.write(erase.erase, ADA, NOW)
    assert await store.read(sponsorships.current, 55, NOW) is None
    assert await money(store, ADA) == (9, 0, 0)  # one of ten was spent; each gift was one credit
    assert await store.read(sponsorships.due, 100_000) == []


async def test_an_erased_host_s_holds_settle_in_the_pseudonymous_account(store: Store) -> None:
    await move_money(store)
    payment = Payment(payer=AccountRef(name=user_account(BEN), fills=TEN), sponsored_in=55)
    job = await store.write(jobs.add, new_job(member=BEN), (), payment=payment, max_waiting=8, now=1000)
    await store.write(erase.erase, ADA, NOW)
    await store.write(steps.request_cancel, job.id, NOW)
    assert [await store.write(sponsorships.close, each, NOW) for each in await store.read(sponsorships.due, NOW)] == [MICRO]
    assert await tables_with(store, str(ADA)) == {"accounts", "ledger"}
    assert (await store.read(audit.prove)).wrong == ()


async def test_erasing_deletes_the_member_s_own_rows(store: Store) -> None:
    await fill_every_table(store)
    before = await row_counts(store)
    await store.write(erase.erase, ADA, NOW)
    after = await row_counts(store)
    gone = {name: before[name] - after[name] for name in before if before[name] != after[name]}
    # References: Ada's own, and the copy of her image in Ben's ended job.
    # Outbox: one item is deleted; added are four deletions (result, case post, gallery, log) and an update of the open case.
    # Accounts and ledger: her old lines stay under the pseudonym, the rest of the sponsorship is returned, and her account is reset.
    assert gone == {
        "members": 1, "reactions": 1, "tray": 2, "kv": 2, "job_references": 2, "images": 1, "thumbnails": 1, "generations": 1,
        "jobs": 1, "accounts": -1, "ledger": -3, "gallery": 1, "job_messages": 4, "outbox": -4, "audit": -1,
    }  # fmt: skip


async def test_erasing_a_member_keeps_the_rows_of_others(store: Store) -> None:
    await fill_every_table(store)
    before = await exported(store, BEN)
    await store.write(erase.erase, ADA, NOW)
    after = await exported(store, BEN)
    kept = {name for name in before if before[name] == after[name]}
    # Changed: copies of Ada's image (references, tray), the note of her gift, and the job ids of a flag, a case and its audit lines.
    assert set(before) - kept == {"job_references", "tray", "ledger", "reports", "cases", "audit"}
    assert await money(store, BEN) == (9, 0, 1)


async def test_an_erased_member_s_account_does_not_start_full(store: Store) -> None:
    await shown(store, ADA, price=4 * MICRO)
    await store.write(erase.erase, ADA, NOW)
    assert await money(store, ADA) == (6, 0, 0)


async def forget_refilled(store: Store, bucket: Bucket, now: int) -> int:
    return await housekeeping.remove(store, erase.Refilled(bucket=bucket, now=now))


async def test_an_erased_member_s_account_is_deleted_once_it_is_full(store: Store) -> None:
    await shown(store, ADA, price=4 * MICRO)
    await shown(store, BEN, price=4 * MICRO)
    await store.write(erase.erase, ADA, NOW)
    one_a_day = replace(TEN, refill_per_day=MICRO)
    assert await forget_refilled(store, one_a_day, NOW + 3 * DAY_MS) == 0
    assert await forget_refilled(store, one_a_day, NOW + 5 * DAY_MS) == 1
    assert await tables_with(store, str(ADA)) == set()
    assert await money(store, BEN) == (6, 0, 4)


async def test_a_guild_account_is_kept_until_it_must_be_full(store: Store) -> None:
    accounts = {"everyone": {"purse": {"size": 8, "refill_per_day": 1}}, "roles": {"5": {"purse": {"size": 10, "refill_per_day": 4}}}}
    rules = document.read(accounts)
    await store.write(documents.change_guild_settings, 1, lambda server: server.model_copy(update={"policy": rules}), 1, actor_id=BEN)
    mine = AccountRef(name=member_account(1, ADA), fills=Bucket(size=8 * MICRO, refill_per_day=MICRO))
    await store.write(jobs.add, new_job(member=ADA), (), payment=Payment(payer=mine), max_waiting=8, now=NOW)
    await store.write(erase.erase, ADA, NOW)
    forgotten = [await forget_refilled(store, TEN, NOW + days * DAY_MS) for days in (1, 2)]
    assert forgotten == [0, 1]


async def test_an_amount_above_a_full_bucket_is_deleted_with_the_account(store: Store) -> None:
    await store.write(transfers.grant, to=AccountRef(name=user_account(ADA), fills=TEN), amount=5 * MICRO, key="a", now=1)
    await store.write(erase.erase, ADA, NOW)
    assert await money(store, ADA) == (15, 0, 0)
    assert await forget_refilled(store, TEN, NOW) == 1
    assert await tables_with(store, str(ADA)) == set()


async def test_the_ledger_keeps_its_sums_under_the_pseudonym(store: Store) -> None:
    await shown(store, ADA, price=4 * MICRO)
    await store.write(erase.erase, ADA, NOW)
    accounts = metadata.tables["accounts"]
    spent = await store.read(lambda conn: conn.execute(select(accounts.c.spent).where(accounts.c.name.like("user:-%"))).scalars().all())
    assert spent == [4 * MICRO]


async def test_the_messages_of_an_erased_member_are_deleted(store: Store) -> None:
    job = await shown(store, ADA)
    await store.write(history.record_repost, job.id, replace(job.place, channel_id=6), 700, NOW)
    await store.write(erase.erase, ADA, NOW)
    due = await store.read(outbox.due, NOW)
    assert sorted((e.data["channel_id"], e.data["message_id"]) for e in due) == [(5, 600), (6, 700)]
    assert {(e.kind, e.user_id, e.job_id) for e in due} == {(ItemKind.REMOVE, None, None)}


async def test_waiting_generations_are_cancelled_and_released_before_erasing(store: Store) -> None:
    await order(store, new_job(member=ADA, price=4 * MICRO))
    counts = await store.write(erase.erase, ADA, NOW)
    assert (counts["jobs"], (await row_counts(store))["generations"]) == (1, 0)
    assert await money(store, ADA) == (10, 0, 0)


async def test_a_running_generation_ends_under_the_pseudonym(store: Store) -> None:
    job = await run(
        store, await order(store, new_job(member=ADA, place=ReplyTarget(user_id=ADA, channel_id=5, token="secret"), price=MICRO))
    )
    await store.write(erase.erase, ADA, NOW)
    assert await tables_with(store, str(ADA)) == {"accounts", "ledger"}
    assert await store.write(steps.settle, job.id, 0, SUCCEEDED, NOW + 1)
    assert await store.read(outbox.due, NOW + 2) == []
    assert await store.write(erase.forget_unfinished) == 1
    assert [count for name, count in (await row_counts(store)).items() if name in ("jobs", "generations")] == [0, 0]


async def test_the_words_of_an_unfinished_job_are_erased(store: Store) -> None:
    words = new_job(member=ADA, prompt="a xyzzy", params={"second_prompt": "a xyzzy"})
    running = await run(store, await order(store, words))
    lost = await order(store, replace(words, id="l" * 12, generations=tuple(replace(g, job_id="l" * 12) for g in words.generations)))
    await store.write(steps.start, lost.id, 0, 2000)
    await store.write(erase.erase, ADA, NOW)
    assert await tables_with(store, "xyzzy") == set()
    assert (await seen(store, running)).generations[0].prompt == ""
    kept = (await seen(store, lost)).generations[0].prompt  # by which it is found at the image API
    assert [is_same_prompt(text, kept) for text in ("a xyzzy", "a fox")] == [True, False]
    assert all([await store.write(steps.settle, job.id, 0, SUCCEEDED, NOW + 1) for job in (running, lost)])


async def test_a_running_job_is_not_deleted(store: Store) -> None:
    job = await run(store, await order(store, new_job(member=ADA)))
    await store.write(erase.erase, ADA, NOW)
    assert await store.write(erase.forget_unfinished) == 0
    kept = await store.read(jobs.get, job.id)
    assert kept is not None
    assert (kept.state, kept.generations[0].state, kept.place.channel_id) == (JobState.DELETED, GenerationState.RUNNING, 0)
    assert await store.write(steps.settle, job.id, 0, SUCCEEDED, NOW + 1)  # it can still end


async def test_another_member_s_running_job_keeps_its_reference(store: Store) -> None:
    bens = await run(store, await order(store, new_job(member=BEN)))
    row = {"content": b"a", "content_type": "image/png", "width_px": 1, "height_px": 1, "owner_id": ADA}
    await put(store, insert(references).values(job_id=bens.id, n=0, **row))
    await store.write(erase.erase, ADA, NOW)
    assert [ref.owner_id for ref in await store.read(jobs.references_of, bens.id)] == [None]


async def test_erasing_is_idempotent(store: Store) -> None:
    await fill_every_table(store)
    await store.write(erase.erase, ADA, NOW)
    once = await row_counts(store)
    await store.write(erase.erase, ADA, NOW)
    assert (await row_counts(store))["jobs"] == once["jobs"]
    assert await store.read(documents.preferences, ADA) == Preferences()


async def test_a_member_without_data_can_be_exported_and_erased(store: Store) -> None:
    assert not any((await exported(store, ADA)).values())
    assert await store.write(erase.erase, ADA, NOW) == {}


# --- a member with many jobs -----------------------------------------------------------------------------------------


async def jobs_of(store: Store, user_id: int) -> int:
    return await store.read(lambda conn: conn.scalar(select(func.count()).where(metadata.tables["jobs"].c.user_id == user_id))) or 0


async def test_many_jobs_are_erased_a_few_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erase, "_LINES_AT_ONCE", 20)
    await store.write(fill, 500)  # a twentieth of them are theirs
    assert (await store.write(erase.erase_some, BUSY, NOW))["jobs"] == 10
    assert (await store.read(audit.prove)).wrong == ()
    counts = await erase_member(store, BUSY, NOW)
    assert (counts["jobs"], counts["messages"], await jobs_of(store, BUSY)) == (15, 30, 0)
    assert {name for name, rows in (await exported(store, BUSY)).items() if rows} == {"accounts", "ledger"}
    assert len((await exported(store, BUSY))["ledger"]) == 1  # the balance


async def test_an_interrupted_erasure_is_finished_after_the_next_start(store: Store) -> None:
    await store.write(fill, 500)
    await store.write(erase.erase_some, BUSY, NOW)
    await finish_erasing(store, NOW)
    assert (await jobs_of(store, BUSY), await store.read(erase.interrupted)) == (0, [])
    assert await store.read(kv.get, erase.UNCLEAN) == NOW
