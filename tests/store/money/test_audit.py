"""The ledger audit finds every kind of error, on both databases, also while another process holds the store."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from bot.core.errors import StartError
from bot.domain.money.payment import Payment
from bot.domain.money.quota import MICRO
from bot.store import steps
from bot.store.engine.base import Store
from bot.store.engine.opening import migrate, open_store, read_once
from bot.store.money import audit, transfers
from tests.env.job_steps import run
from tests.env.jobs import SUCCEEDED, new_job
from tests.store.money.accounts import budget, findings, has, member, order


async def some_bookings(store: Store) -> None:
    """An image that was made, one that is being made, and a gift."""
    payment = Payment(payer=member(), budget=budget(100))
    job = await run(store, await order(store, payment, new_job(id="made", images=2)))
    await store.write(steps.settle, job.id, 0, SUCCEEDED, 3000)
    await store.write(transfers.gift, giver=member(), receiver=member(8), amount=MICRO, key="gift", now=0)


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("UPDATE accounts SET available = 9 WHERE name = 'member:1:8'", "member:1:8: available, held and spent are 9, 0, 0, and"),
        ("UPDATE accounts SET held = -5 WHERE name = 'member:1:8'", "member:1:8: an amount is below zero: 11000000, -5, 0."),
        ("UPDATE generations SET state = 'failed' WHERE n = 0", "member:1:7: image made/0, which is failed, has 1 hold, 1 settle, 0"),
        ("UPDATE generations SET state = 'succeeded' WHERE n = 1", "budget:1:1970-01: image made/1, which is succeeded, has 1 hold, 0"),
        ("UPDATE generations SET price = 7 WHERE n = 1", "or the amounts differ."),
        ("UPDATE generations SET refunded_at = 7 WHERE n = 0", "has 1 hold, 1 settle, 0 release, 0 refund there"),
        ("UPDATE generations SET budget = NULL WHERE n = 0", "budget:1:1970-01: it has lines for image made/0, which does not exist or"),
        ("UPDATE generations SET account = 'member:1:8'", "member:1:8: image made/0, which is succeeded, has 0 hold, 0 settle"),
        ("DELETE FROM jobs", "member:1:7: it has lines for image made/1, which does not exist or is charged to other accounts."),
        ("UPDATE ledger SET available = 5 WHERE entry = 'gift' AND available > 0", "all lines of kind gift add up to -999995 instead"),
    ],
)  # fmt: skip
async def test_every_error_is_named(store: Store, statement: str, finding: str) -> None:
    await some_bookings(store)
    assert await findings(store) == ()
    await store.write(lambda conn: conn.execute(text(statement)))
    assert [sentence for sentence in await findings(store) if finding in sentence] != []


async def test_deleting_an_ended_job_leaves_the_ledger_correct(store: Store) -> None:
    job = await run(store, await order(store, Payment(payer=member(), budget=budget(100))))
    await store.write(steps.settle, job.id, 0, SUCCEEDED, 3000)
    await store.write(lambda conn: conn.execute(text("DELETE FROM jobs")))
    assert await findings(store) == ()
    assert await has(store, member()) == (9, 0, 1)


async def test_the_audit_runs_while_another_process_holds_the_store(store: Store, database_url: str) -> None:
    await some_bookings(store)
    assert await read_once(database_url, audit.prove) == audit.Proof(accounts=3, lines=11, images=2, wrong=())


async def test_the_audit_runs_on_the_database_of_a_stopped_bot(database_url: str) -> None:
    async with open_store(database_url) as store:
        await some_bookings(store)
    assert (await read_once(database_url, audit.prove)).images == 2


async def test_a_read_without_the_lock_cannot_write(store: Store, database_url: str) -> None:
    with pytest.raises(Exception, match=r"readonly|read-only"):
        await read_once(database_url, lambda conn: conn.execute(text("DELETE FROM ledger")))


async def test_a_missing_or_old_database_raises_a_start_error(no_schema_url: str) -> None:
    with pytest.raises(StartError, match=r"There is no database at|older than this Easel"):
        await read_once(no_schema_url, audit.prove)


async def test_a_path_with_special_characters_works(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a b?c#d%20.sqlite3"
    await migrate(url)
    assert (await read_once(url, audit.prove)).accounts == 0


async def test_a_file_that_is_no_database_raises_a_start_error(tmp_path: Path) -> None:
    (tmp_path / "easel.sqlite3").write_bytes(b"not a database at all " * 100)
    with pytest.raises(StartError, match="cannot be read"):
        await read_once(f"sqlite:///{tmp_path}/easel.sqlite3", audit.prove)
