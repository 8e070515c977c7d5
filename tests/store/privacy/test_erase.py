"""What is a member's is erased table by table, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy import insert, select

from bot.domain.guild import document
from bot.domain.guild.sections import Strikes
from bot.domain.job import GenerationState, JobState, ReplyTarget
from bot.domain.moderation.audit import AuditAction
from bot.domain.moderation.cases import CaseState, Report
from bot.domain.money.accounts import AccountRef, member_account, user_account
from bot.domain.money.payment import Payment
from bot.domain.money.quota import DAY_MS, MICRO, Bucket
from bot.domain.outbox import ItemKind
from bot.domain.preferences import Preferences
from bot.store import documents, history, jobs, outbox
from bot.store.engine.base import Store
from bot.store.moderation import audit_log, cases, conduct, reports
from bot.store.money import audit, ledger, sponsorships, transfers
from bot.store.privacy import erase, export
from bot.store.tables import metadata, references
from tests.env.job_steps import money, order, run
from tests.env.jobs import SUCCEEDED, TEN, new_job
from tests.store.privacy.traces import ADA, BEN, MODERATION, NOW, a_full_house, generous, put, row_counts, shown, tables_with


@pytest.fixture(autouse=True)
async def whatever_was_erased_the_books_are_right(store: Store) -> AsyncIterator[None]:
    yield
    assert await store.read(ledger.audit) == []


async def test_nothing_leads_to_an_erased_member_but_credits_and_what_moderators_go_by(store: Store) -> None:
    job = await a_full_house(store)
    await store.write(erase.erase, ADA, NOW)
    left = await tables_with(store, str(ADA))
    assert left == {"accounts", "ledger", *MODERATION}
    assert await tables_with(store, job.id) == set()


async def test_what_moderators_go_by_keeps_no_words_of_an_erased_member(store: Store) -> None:
    await a_full_house(store)
    await store.write(erase.erase, ADA, NOW)
    told = {name: rows for name, rows in (await store.read(export.tell, ADA)).items() if rows}
    assert told.keys() == {"accounts", "ledger", *MODERATION}
    assert not [word for word in ("red fox", "It was a fox.", "ugly", "thanks", "to Ada") if word in str(told)]


async def test_leaving_is_no_amnesty(store: Store) -> None:
    await a_full_house(store)
    before = await store.read(conduct.current_points, 1, ADA, rules=Strikes(), now=NOW)
    await store.write(erase.erase, ADA, NOW)
    assert await store.read(conduct.blocked, 1, ADA, NOW) is not None
    assert await store.read(conduct.current_points, 1, ADA, rules=Strikes(), now=NOW) == before
    assert not await store.write(reports.add, Report(at=NOW, guild_id=1, channel_id=5, message_id=601, user_id=ADA))
    assert [case.state for case in await store.read(cases.waiting, 1)] == [CaseState.APPEALED]
    assert (await store.read(audit_log.latest, 1))[0].action is AuditAction.ERASED


async def test_what_an_erased_host_paid_for_ends_and_the_rest_comes_back(store: Store) -> None:
    await a_full_house(store)
    await store.write(erase.erase, ADA, NOW)
    assert await store.read(sponsorships.current, 55, NOW) is None
    assert await money(store, ADA) == (9, 0, 0)  # of ten one was spent; the gifts were one each
    assert await store.read(sponsorships.due, 100_000) == []


async def test_what_was_on_hold_for_an_erased_host_settles_without_them(store: Store) -> None:
    await generous(store)
    payment = Payment(payer=AccountRef(name=user_account(BEN), fills=TEN), sponsored_in=55)
    job = await store.write(jobs.add, new_job(member=BEN), (), payment=payment, max_waiting=8, now=1000)
    await store.write(erase.erase, ADA, NOW)
    await store.write(jobs.request_cancel, job.id, NOW)
    assert [await store.write(sponsorships.close, each, NOW) for each in await store.read(sponsorships.due, NOW)] == [MICRO]
    assert await tables_with(store, str(ADA)) == {"accounts", "ledger"}
    assert (await store.read(audit.prove)).wrong == ()


async def test_erasing_takes_the_rows_that_are_the_member_s_alone(store: Store) -> None:
    await a_full_house(store)
    before = await row_counts(store)
    await store.write(erase.erase, ADA, NOW)
    after = await row_counts(store)
    gone = {name: before[name] - after[name] for name in before if before[name] != after[name]}
    # References: Ada's own, and the copy of her picture that Ben's ended job was made from. Owed: one goes, one comes for her message.
    # Owed: for her messages (the answer, the case's post, the gallery's, the log's), and to show the open case without them.
    # Accounts and ledger: her old ones stay without her, the rest of what she paid for others comes back, and her account begins anew.
    assert gone == {
        "members": 1, "reactions": 1, "tray": 2, "kv": 2, "job_references": 2, "images": 1, "thumbnails": 1, "generations": 1,
        "jobs": 1, "accounts": -1, "ledger": -3, "gallery": 1, "job_messages": 4, "outbox": -4, "audit": -1,
    }  # fmt: skip


async def test_erasing_one_member_leaves_another_s_rows_alone(store: Store) -> None:
    await a_full_house(store)
    before = await store.read(export.tell, BEN)
    await store.write(erase.erase, ADA, NOW)
    after = await store.read(export.tell, BEN)
    kept = {name for name in before if before[name] == after[name]}
    # Ada's picture in a copy, and as a reference; her words beside a gift; which job of hers a flag, a case and its lines were about.
    assert set(before) - kept == {"job_references", "tray", "ledger", "reports", "cases", "audit"}
    assert await money(store, BEN) == (9, 0, 1)


async def test_an_erased_account_does_not_begin_with_a_full_bucket(store: Store) -> None:
    await shown(store, ADA, price=4 * MICRO)
    await store.write(erase.erase, ADA, NOW)
    assert await money(store, ADA) == (6, 0, 0)


async def test_what_is_left_of_an_erased_account_is_kept_until_it_has_flowed_back(store: Store) -> None:
    await shown(store, ADA, price=4 * MICRO)
    await shown(store, BEN, price=4 * MICRO)
    await store.write(erase.erase, ADA, NOW)
    one_a_day = replace(TEN, refill_per_day=MICRO)
    assert await store.write(erase.forget_refilled, one_a_day, NOW + 3 * DAY_MS) == 0
    assert await store.write(erase.forget_refilled, one_a_day, NOW + 5 * DAY_MS) == 1
    assert await tables_with(store, str(ADA)) == set()
    assert await money(store, BEN) == (6, 0, 4)


async def test_a_server_s_account_is_kept_until_it_would_surely_be_full(store: Store) -> None:
    accounts = {"everyone": {"purse": {"size": 8, "refill_per_day": 1}}, "roles": {"5": {"purse": {"size": 10, "refill_per_day": 4}}}}
    rules = document.read(accounts)
    await store.write(documents.change_guild_settings, 1, lambda server: server.model_copy(update={"policy": rules}), 1, actor_id=BEN)
    mine = AccountRef(name=member_account(1, ADA), fills=Bucket(size=8 * MICRO, refill_per_day=MICRO))
    await store.write(jobs.add, new_job(member=ADA), (), payment=Payment(payer=mine), max_waiting=8, now=NOW)
    await store.write(erase.erase, ADA, NOW)
    forgotten = [await store.write(erase.forget_refilled, TEN, NOW + days * DAY_MS) for days in (1, 2)]
    assert forgotten == [0, 1]


async def test_what_an_erased_member_had_above_a_full_bucket_goes_with_them(store: Store) -> None:
    await store.write(transfers.grant, to=AccountRef(name=user_account(ADA), fills=TEN), amount=5 * MICRO, key="a", now=1)
    await store.write(erase.erase, ADA, NOW)
    assert await money(store, ADA) == (15, 0, 0)
    assert await store.write(erase.forget_refilled, TEN, NOW) == 1
    assert await tables_with(store, str(ADA)) == set()


async def test_the_ledger_keeps_its_sums_under_nobody_s_name(store: Store) -> None:
    await shown(store, ADA, price=4 * MICRO)
    await store.write(erase.erase, ADA, NOW)
    accounts = metadata.tables["accounts"]
    spent = await store.read(lambda conn: conn.execute(select(accounts.c.spent).where(accounts.c.name.like("user:-%"))).scalars().all())
    assert spent == [4 * MICRO]


async def test_the_messages_of_an_erased_member_are_taken_away(store: Store) -> None:
    job = await shown(store, ADA)
    await store.write(history.record_repost, job.id, replace(job.place, channel_id=6), 700, NOW)
    await store.write(erase.erase, ADA, NOW)
    due = await store.read(outbox.due, NOW)
    assert sorted((e.data["channel_id"], e.data["message_id"]) for e in due) == [(5, 600), (6, 700)]
    assert {(e.kind, e.user_id, e.job_id) for e in due} == {(ItemKind.REMOVE, None, None)}


async def test_what_waits_is_cancelled_and_given_back_before_it_is_erased(store: Store) -> None:
    await order(store, new_job(member=ADA, price=4 * MICRO))
    counts = await store.write(erase.erase, ADA, NOW)
    assert (counts["jobs"], (await row_counts(store))["generations"]) == (1, 0)
    assert await money(store, ADA) == (10, 0, 0)


async def test_what_is_being_made_ends_without_its_member(store: Store) -> None:
    job = await run(
        store, await order(store, new_job(member=ADA, place=ReplyTarget(user_id=ADA, channel_id=5, token="secret"), price=MICRO))
    )
    await store.write(erase.erase, ADA, NOW)
    assert await tables_with(store, str(ADA)) == {"accounts", "ledger"}
    assert await store.write(jobs.settle, job.id, 0, SUCCEEDED, NOW + 1)
    assert await store.read(outbox.due, NOW + 2) == []
    assert await store.write(erase.forget_unfinished) == 1
    assert [count for name, count in (await row_counts(store)).items() if name in ("jobs", "generations")] == [0, 0]


async def test_what_is_still_being_made_is_not_forgotten(store: Store) -> None:
    job = await run(store, await order(store, new_job(member=ADA)))
    await store.write(erase.erase, ADA, NOW)
    assert await store.write(erase.forget_unfinished) == 0
    kept = await store.read(jobs.get, job.id)
    assert kept is not None
    assert (kept.state, kept.generations[0].state, kept.place.channel_id) == (JobState.DELETED, GenerationState.RUNNING, 0)


async def test_a_request_of_another_keeps_the_copy_that_it_works_from(store: Store) -> None:
    bens = await run(store, await order(store, new_job(member=BEN)))
    row = {"content": b"a", "content_type": "image/png", "width_px": 1, "height_px": 1, "owner_id": ADA}
    await put(store, insert(references).values(job_id=bens.id, n=0, **row))
    await store.write(erase.erase, ADA, NOW)
    assert [ref.owner_id for ref in await store.read(jobs.references_of, bens.id)] == [None]


async def test_erasing_twice_is_as_good_as_once(store: Store) -> None:
    await a_full_house(store)
    await store.write(erase.erase, ADA, NOW)
    once = await row_counts(store)
    await store.write(erase.erase, ADA, NOW)
    assert (await row_counts(store))["jobs"] == once["jobs"]
    assert await store.read(documents.preferences, ADA) == Preferences()


async def test_a_member_of_whom_nothing_is_kept_is_told_and_erased_too(store: Store) -> None:
    assert not any((await store.read(export.tell, ADA)).values())
    assert await store.write(erase.erase, ADA, NOW) == {}
