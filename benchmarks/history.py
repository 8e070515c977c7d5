"""Whether anything grows with history: each read and write on a store with 1,000 finished jobs, and with 100,000.

python -m benchmarks.history [--quick | postgresql://ADDRESS]

All jobs are in one guild, in its last 30 days, and one member ordered a twentieth of them. Times are those inside the operation: of reads
on a reader's thread, of writes on the writer's, which is rolled back afterwards. On SQLite they are CPU times, because other programs do
not change these. Rows without a goal read all that they report on: a member's own jobs, a month of the guild, or everything. A PostgreSQL
database must be empty; the one with `_small` after its name is used too.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import Connection, Table, insert, update

from benchmarks.measure import Row, show
from bot.domain.gestures import STARS, BatchEntry, BatchPace, Reaction, normalized_emoji
from bot.domain.guild.sections import Flags, GalleryRules, Strikes
from bot.domain.job import Generation, GenerationState, Job, JobKind, JobState, Outcome, ReplyTarget
from bot.domain.moderation.cases import Decision, Report
from bot.domain.money.accounts import AccountRef, budget_account, user_account
from bot.domain.money.ledger import Entry
from bot.domain.money.payment import Payment, monthly_budget
from bot.domain.money.quota import DAY_MS, MICRO, Bucket
from bot.domain.money.usage import GroupBy
from bot.domain.queueing.rate import Rate
from bot.domain.scheduling import Caps
from bot.store import claims, delivery, gallery, history, jobs, kv, lineage, messages, outbox, reactions, steps, sweeps, tables, tray, usage
from bot.store.claims import Place
from bot.store.cluster import processes
from bot.store.cluster.processes import Newcomer
from bot.store.engine.base import Store
from bot.store.engine.opening import open_store
from bot.store.moderation import audit_log, cases, conduct, expiry, flagging, record, verdicts
from bot.store.money import audit, folding, ledger, payment, sponsorships, transfers
from bot.store.privacy import erase, export
from bot.store.privacy.erase import Refilled
from bot.store.privacy.export_files import ExportFiles

Values = dict[str, Any]
Op = Callable[[Connection], object]

_REPEATS = 3  # the shortest counts
NOW = 20_700 * DAY_MS
SPAN_MS = 30 * DAY_MS
GUILD, BUSY, USUAL = 1, 7, 1001  # ids: the guild, the member with a twentieth of all jobs, a member with fifty
_BUCKET = Bucket(size=1_000_000 * MICRO, refill_per_day=0)
_BUDGET = budget_account(GUILD, NOW)
# What reads all that it reports on: a member's own jobs, a month of the guild, images that are kept, or everything.
_READS_ALL = {
    "/history, last page",
    "/history, a search",
    "/leaderboard, 30 days",
    "/usage, 30 days",
    "/usage, its file",
    "/usage of a member",
    "/imagemod, a member",
    "doctor --ledger",
}
_NEWCOMER = Newcomer(name="benchmark", home="", release="1", lease_ms=20_000)
_CAPS, _PLACE = Caps(per_user=9, per_guild=9, total=9), Place(max_running=9, rate=Rate(interval_us=1, burst=9), queued=True)
_STAR = normalized_emoji(STARS)
_CHUNK = 2000  # jobs
_COUNT_USAGE = f"""
INSERT INTO daily_usage (guild_id, day, user_id, model, provider, images, failed, price, refunded, cost, corrected)
SELECT guild_id, ended_at / {DAY_MS}, user_id, model, provider, COUNT(CASE WHEN state = 'succeeded' THEN 1 END),
    COUNT(CASE WHEN state = 'failed' THEN 1 END), SUM(CASE WHEN state = 'succeeded' THEN price ELSE 0 END),
    SUM(CASE WHEN refunded_at IS NULL THEN 0 ELSE price END), SUM(CASE WHEN state = 'succeeded' THEN price ELSE 0 END), 0
FROM generations GROUP BY guild_id, ended_at / {DAY_MS}, user_id, model, provider
"""  # noqa: S608  a constant


# --- a history -----------------------------------------------------------------------------------------------------


def fill(conn: Connection, count: int) -> None:
    """Insert `count` delivered jobs with everything that belongs to them, so that the ledger's audit finds nothing wrong."""
    members = [BUSY, *(USUAL + n for n in range(-(-count // 50)))]
    totals = {name: [_BUCKET.size, 0, 0] for name in (_BUDGET, *map(user_account, members))}
    _insert(conn, tables.accounts, ({"name": name, "available": 0, "held": 0, "spent": 0, "as_of": NOW} for name in totals))
    _insert(conn, tables.ledger, (_line(name, Entry.OPEN, available=_BUCKET.size) for name in totals))
    for first in range(0, count, _CHUNK):
        rows = defaultdict[Table, list[Values]](list)
        for n in range(first, min(first + _CHUNK, count)):
            for table, row in _job_rows(n, count, BUSY if n % 20 == 0 else members[1 + (n - n // 20 - 1) % (len(members) - 1)]):
                rows[table].append(row)
        for row in rows[tables.ledger]:
            total = totals[row["account"]]
            total[:] = [total[0] + row["available"], total[1] + row["held"], total[2] + row["spent"]]
        for table, some in rows.items():
            _insert(conn, table, some)
    conn.exec_driver_sql(_COUNT_USAGE)
    for name, (available, held, spent) in totals.items():
        amounts = {"available": available, "held": held, "spent": spent}
        conn.execute(update(tables.accounts).where(tables.accounts.c.name == name).values(amounts))
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql("ANALYZE")  # as the server does itself every minute; SQLite never has statistics here


def _insert(conn: Connection, table: Table, rows: Iterator[Values] | list[Values]) -> None:
    conn.execute(insert(table), list(rows))


def _job_rows(n: int, count: int, member: int) -> Iterator[tuple[Table, Values]]:
    """The rows of one job: a tenth failed, a fiftieth was flagged, decided about and refunded, a tenth is in the gallery."""
    at, id_, model, price = NOW - SPAN_MS + n * SPAN_MS // count, job_id(n), f"model-{n % 5}", (1 + n % 3) * MICRO
    made, decided, shown = n % 10 != 3, n % 50 == 1, n % 10 == 4
    account, message_id = user_account(member), 10_000_000 + n
    yield tables.jobs, {
        "id": id_, "kind": "generate", "model": model, "prompt": f"a red fox in the snow, number {n}", "params": {"steps": 4},
        "state": "delivered", "spoiler": False, "ping_promised": False, "needs_check": False, "age_restricted": False, "created_at": at,
        "user_id": member, "channel_id": 5, "guild_id": GUILD, "token_expires_at": 0, "upload_limit_bytes": 0, "private": False,
        "delivered_at": at + 9000, "answer_until": 0, "parent_id": job_id(n - 7) if n % 4 == 0 and n > 7 else None,
    }  # fmt: skip
    yield tables.generations, {
        "job_id": id_, "n": 0, "model": model, "prompt": "a red fox in the snow", "seed": n, "params": {"steps": 4},
        "price": price, "cost": price,
        "state": "succeeded" if made else "failed", "user_id": member, "guild_id": GUILD, "created_at": at, "provider": "oxen",
        "api_model": model, "uncertain": 0, "provider_id": f"p{n}", "submitted_at": at + 100, "queued": True, "lookups": 0,
        "not_before": 0, "ended_at": at + 8000, "result_url": f"https://example.com/{n}.png", "cancel_requested": False,
        "account": account, "budget": _BUDGET, "lane": "paid", "refunded_at": at + 9999 if decided else None,
    }  # fmt: skip
    end = {"held": -price, "spent": price} if made else {"held": -price, "available": price}
    for name in (account, _BUDGET):
        yield tables.ledger, _line(name, Entry.HOLD, at=at, job_id=id_, n=0, available=-price, held=price)
        yield tables.ledger, _line(name, Entry.SETTLE if made else Entry.RELEASE, at=at + 8000, job_id=id_, n=0, **end)
    message = {"job_id": id_, "guild_id": GUILD, "spoiler": False, "at": at, "case_id": None, "removed_at": None}
    yield tables.job_messages, {**message, "message_id": message_id, "channel_id": 5, "role": "result"}
    yield tables.job_messages, {**message, "message_id": message_id + 1_000_000, "channel_id": 6, "role": "log"}
    yield (
        tables.reactions,
        {"message_id": message_id, "user_id": BUSY if member != BUSY else 9, "emoji": _STAR if n % 2 else "🎨", "at": at},
    )
    if made:
        yield tables.thumbnails, {"job_id": id_, "n": 0, "content": bytes(300)}
    if at > NOW - 7 * DAY_MS and n % 2:
        reference = {"content": bytes(300), "content_type": "image/png", "width_px": 9, "height_px": 9, "owner_id": member}
        yield tables.references, {"job_id": id_, "n": 0, **reference}
        yield tables.images, {"job_id": id_, "n": 0, "content": bytes(300)}
    if shown:
        yield tables.gallery, {"message_id": message_id, "guild_id": GUILD, "job_id": id_, "author_id": member, "at": at, "stars": 3}
    if decided:
        yield tables.ledger, _line(account, Entry.REFUND, at=at + 9999, job_id=id_, n=0, available=price, spent=-price)
        yield from _case_rows(n, at, member)


def _case_rows(n: int, at: int, member: int) -> Iterator[tuple[Table, Values]]:
    about = {"guild_id": GUILD, "at": at, "job_id": job_id(n)}
    place = {"channel_id": 5, "message_id": 10_000_000 + n, "author_id": member, "reason": ""}
    yield tables.cases, {**about, **place, "id": n, "cause": "flags", "state": "decided", "decision": "refund", "decided_at": at}
    yield tables.reports, {**about, **place, "user_id": USUAL + 1, "counts": True, "outcome": "upheld", "case_id": n}
    yield tables.strikes, {**about, "user_id": member, "offence": "picture_deleted", "weight": 1.0, "case_id": n}
    yield tables.blocks, {"guild_id": GUILD, "user_id": member, "at": at, "until": at + 1, "reason": "", "case_id": n}
    for action in ("case_opened", "case_decided"):
        yield tables.audit, {**about, "actor_id": 9, "action": action, "target_id": member, "case_id": n, "details": {}}
    sponsor = {"id": job_id(n), "guild_id": GUILD, "channel_id": 5, "host_id": member, "host_account": user_account(member), "cap": 1}
    yield tables.accounts, {"name": f"sponsor:{job_id(n)}", "available": 0, "held": 0, "spent": 0, "as_of": at}
    yield tables.sponsorships, {**sponsor, "opened_at": at, "until": at + 1, "state": "closed", "closed_at": at + 1}


def _line(account: str, entry: Entry, *, at: int = NOW - SPAN_MS, **more: Any) -> Values:
    about = {"job_id": None, "n": None, "available": 0, "held": 0, "spent": 0}
    return {**about, "account": account, "entry": entry, "at": at, **more}


def reaction_key(n: int) -> tuple[int, int, str, bool]:
    """Message, member, emoji of the reaction to a job, half of them stars, and that it is not a super reaction."""
    return 10_000_000 + n, BUSY if n % 20 else 9, _STAR if n % 2 else "🎨", False


def job_id(n: int) -> str:
    return f"h{n:011d}"


# --- what is measured ----------------------------------------------------------------------------------------------


def operations(count: int) -> tuple[dict[str, Op], dict[str, Op]]:
    """The reads and the writes by name."""
    month: dict[str, Any] = {"since": NOW - SPAN_MS, "until": NOW + 1}
    newest, waiting = job_id(count - 10), new_job("new")
    paid = Payment(
        payer=AccountRef(name=user_account(USUAL), fills=_BUCKET), sponsored_in=5, budget=monthly_budget(GUILD, _BUCKET.size, NOW)
    )
    reads: dict[str, Op] = {
        "facts of an order": partial(facts, paid=paid),
        "waiting images": partial(jobs.count_waiting, user_id=BUSY),
        "position in the queue": partial(jobs.standing, job=waiting),
        "similar orders being sent": partial(jobs.has_rival, generation=replace(waiting.generations[0], seed=None)),
        "usual time": partial(jobs.usual_ms, model="model-1"),
        "/cancel": partial(jobs.of_member, user_id=BUSY, state=JobState.OPEN),
        "/quota": partial(ledger.statement, account=user_account(BUSY), bucket=_BUCKET, now=NOW),
        "/history, first page": partial(history.page, user_id=BUSY),
        "/history, last page": partial(history.page, user_id=BUSY, number=10**6),
        "/history, a search": partial(history.page, user_id=BUSY, words="snow 99"),
        "/leaderboard, 30 days": partial(usage.leaderboard, guild_id=GUILD, since=NOW - SPAN_MS),
        "job of a message": partial(messages.job_of, message_id=10_000_007),
        "relatives": lambda conn: lineage.relatives(conn, get(conn, newest)),
        "/privacy export": partial(write_export, user_id=USUAL),
        "queue": partial(claims.queue_of, now=NOW),
        "open jobs": partial(jobs.open_after, created_at=0, job_id="", owner=1, most=100),
        "prompts to check": partial(claims.to_check, now=NOW, owner=1, free=100, active=()),
        "outbox": lambda conn: (outbox.due(conn, NOW), outbox.next_due(conn, NOW)),
        "/usage, 30 days": partial(usage.report, guild_id=GUILD, **month, by=GroupBy.MEMBER, series_max=8),
        "/usage, its file": partial(usage.use, guild_id=GUILD, **month, by=list(GroupBy)),
        "/usage of a member": partial(usage.report, guild_id=GUILD, **month, by=GroupBy.MODEL, series_max=8, user_id=BUSY),
        "/imagemod, cases": partial(cases.page, guild_id=GUILD, number=0, size=5, counted=100),
        "/imagemod, a member": lambda conn: (
            record.of_member(conn, BUSY, GUILD, now=NOW), record.conduct_of(conn, BUSY, GUILD, rules=Strikes(), now=NOW)
        ),
        "/imagemod, blocks": partial(conduct.blocked_now, guild_id=GUILD, now=NOW),
        "/imagemod, log": partial(audit_log.latest, guild_id=GUILD),
        "/imagemod, a member's log": partial(audit_log.latest, guild_id=GUILD, target_id=USUAL),
        "cases of a job": partial(cases.of_job, job_id=job_id(51)),
        "flags to recount": flagging.guilds_with_flags,
        "flags enough for a case": partial(flagging.enough, guild_id=GUILD, rules=Flags(on=True)),
        "ended sponsorships": partial(sponsorships.due, now=NOW),
        "sweep of references": partial(sweeps.find, expired=delivery.old_references(NOW - 7 * DAY_MS)),
        "sweep of images": partial(sweeps.find, expired=delivery.old_images(NOW - 7 * DAY_MS)),
        "sweep of reactions": partial(sweeps.find, expired=reactions.old(NOW - SPAN_MS)),
        "sweep of thumbnails": partial(sweeps.find, expired=delivery.old_thumbnails(NOW - 7 * DAY_MS)),
        "sweep of stars": partial(sweeps.find, expired=reactions.old(NOW - SPAN_MS, stars=True)),
        "sweep of forms": partial(sweeps.find, expired=kv.old("form:", NOW)),
        "sweep of trays": partial(sweeps.find, expired=tray.old(NOW)),
        "sweep of reports": partial(sweeps.find, expired=expiry.old_reports(NOW)),
        "sweep of strikes": partial(sweeps.find, expired=expiry.old_strikes(NOW)),
        "sweep of blocks": partial(sweeps.find, expired=expiry.old_blocks(NOW)),
        "sweep of cases": partial(sweeps.find, expired=expiry.old_cases(NOW)),
        "sweep of the audit log": partial(sweeps.find, expired=expiry.old_lines(NOW)),
        "sweep of jobs": partial(sweeps.find, expired=delivery.old_jobs(NOW)),
        "sweep of sponsorships": partial(sweeps.find, expired=sponsorships.old(NOW)),
        "sweep of accounts": partial(sweeps.find, expired=Refilled(bucket=_BUCKET, now=NOW)),
        "sweep of the ledger": partial(folding.find, after=0, before=NOW),
        "doctor --ledger": audit.prove,
    }  # fmt: skip
    reaction = Reaction(message_id=1, user_id=BUSY, emoji=STARS)
    entry = BatchEntry(message_id=1, channel_id=8, guild_id=GUILD, emoji=STARS, shown=STARS)
    pace = BatchPace(quiet_ms=4_000, longest_ms=20_000, acting_ms=600_000)
    report = Report(at=NOW, channel_id=5, message_id=10_000_007, user_id=USUAL, guild_id=GUILD, job_id=job_id(7), author_id=BUSY)
    ruling = verdicts.Ruling(decision=Decision.DELETE, by_id=9, strikes=Strikes(), now=NOW)
    accounts: dict[str, Any] = {"giver": paid.payer, "receiver": AccountRef(name=user_account(BUSY), fills=_BUCKET)}
    writes: dict[str, Op] = {
        "an order": partial(jobs.add, job=waiting, refs=(), payment=paid, max_waiting=8, now=NOW),
        "an order until delivery": partial(deliver, job=waiting, paid=paid),
        "claim of images": partial(claims.to_submit, now=NOW, free=10, caps=_CAPS, places={"oxen": _PLACE}),
        "lost submissions": partial(claims.lost, now=NOW, free=100),
        "claim of reads": partial(claims.to_read, provider="oxen", now=NOW, free=10, new_since=0, soon=NOW, later=NOW),
        "/gift": partial(transfers.gift, **accounts, amount=1, key="gift", now=NOW),
        "a reaction": partial(reactions.claim, reaction=reaction, entry=entry, pace=pace, burst=5, now=NOW),
        "a star": partial(
            gallery.show_if_starred, job_id=job_id(7), message_id=10_000_007, guild_id=GUILD, now=NOW,
            rules=GalleryRules(channel_id=8, stars=1),
        ),
        "a flag": partial(flagging.flag, report=report, guild_id=GUILD, opens_case=True, now=NOW),
        "a decision": partial(verdicts.decide_on_job, job_id=job_id(7), guild_id=GUILD, ruling=ruling),
        "purge of a member": partial(verdicts.purge, guild_id=GUILD, user_id=USUAL, by_id=9, now=NOW),
        "/history, deletion": partial(history.take_away, job_id=job_id(7), now=NOW),
        "/privacy erase": partial(erase.erase, user_id=USUAL, now=NOW),
        "a start": partial(processes.join, newcomer=_NEWCOMER, now=NOW, gone_homes=(), is_alone=True),
        "a lease": partial(processes.renew, process_id=1, now=NOW, lease_ms=20_000, may_judge=True),
        "sweep, one image": partial(sweeps.remove, expired=delivery.old_images(NOW), keys=[(job_id(count - 1), 0)]),
        "sweep, 50 reactions": partial(
            sweeps.remove, expired=reactions.old(NOW), keys=[reaction_key(n) for n in range(0, 100, 2)]
        ),
        "sweep, one job": partial(sweeps.remove, expired=delivery.old_jobs(NOW), keys=[(job_id(2),)]),
        "sweep, one case": partial(sweeps.remove, expired=expiry.old_cases(NOW), keys=[(51,)]),
        "sweep, 50 lines of the ledger": partial(folding.fold, after=0, before=NOW),
        "sweep of erased jobs": erase.forget_unfinished,
    }  # fmt: skip
    return reads, writes


def facts(conn: Connection, *, paid: Payment) -> None:
    """What an order needs to know, as in `bot.services.admission.with_stored_facts`."""
    conduct.blocked(conn, GUILD, BUSY, NOW)
    jobs.count_waiting(conn, BUSY)
    payment.funds_of(conn, payment.with_sponsor(conn, paid, NOW), NOW)


def write_export(conn: Connection, *, user_id: int) -> None:
    with tempfile.TemporaryDirectory(prefix="easel-bench-") as folder:
        export.write(conn, user_id, partial(ExportFiles, Path(folder), {}, most_bytes=8_000_000))


def deliver(conn: Connection, *, job: Job, paid: Payment) -> None:
    jobs.add(conn, job, (), payment=paid, max_waiting=8, now=NOW)
    steps.start(conn, job.id, 0, NOW)
    steps.accept(conn, job.id, 0, "provider's id")
    steps.settle(conn, job.id, 0, Outcome(state=GenerationState.SUCCEEDED, result_url="https://example.com/a.png"), NOW)
    delivery.mark_delivered(conn, job.id, channel_id=5, message_id=5, now=NOW)


def get(conn: Connection, id_: str) -> Job:
    job = jobs.get(conn, id_)
    assert job is not None  # noqa: S101
    return job


def new_job(id_: str) -> Job:
    about: Values = {"model": "model-1", "prompt": "a red fox", "params": {}, "created_at": NOW}
    part = Generation(
        **about, job_id=id_, n=0, seed=1, price=MICRO, cost=MICRO, state=GenerationState.WAITING, user_id=USUAL, guild_id=GUILD,
        provider="oxen", api_model="model-1",
    )  # fmt: skip
    place = ReplyTarget(user_id=USUAL, channel_id=5, guild_id=GUILD)
    return Job(**about, id=id_, kind=JobKind.GENERATE, place=place, state=JobState.OPEN, generations=(part,))


# --- measuring -----------------------------------------------------------------------------------------------------


class _RolledBack(Exception):
    pass


def timed(conn: Connection, op: Op) -> float:
    clock = time.thread_time if conn.dialect.name == "sqlite" else time.perf_counter
    before = clock()
    op(conn)
    return (clock() - before) * 1000


def rolled_back(conn: Connection, op: Op, took_ms: list[float]) -> NoReturn:
    took_ms.append(timed(conn, op))
    raise _RolledBack


async def read(store: Store, op: Op) -> float:
    return min([await store.read(timed, op) for _ in range(_REPEATS)])


async def write(store: Store, op: Op) -> float:
    took_ms: list[float] = []
    for _ in range(_REPEATS):
        with suppress(_RolledBack):
            await store.write(rolled_back, op, took_ms)
    return min(took_ms)


async def measure(url: str, count: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each operation in each round, by its name."""
    async with open_store(url) as store:
        await store.write(fill, count)
        assert (await store.read(audit.prove)).wrong == ()  # noqa: S101
        reads, writes = operations(count)
        found = {name: [await read(store, op) for _ in range(rounds)] for name, op in reads.items()}
        return found | {name: [await write(store, op) for _ in range(rounds)] for name, op in writes.items()}


def rows(rounds: int, *, few: int = 1000, many: int = 100_000, address: str | None = None) -> list[Row]:
    """The anchor is the same with fewer finished jobs."""
    with tempfile.TemporaryDirectory(prefix="easel-bench-", dir=".") as folder:
        small, large = (f"{address}_small", address) if address else (f"sqlite:///{folder}/small", f"sqlite:///{folder}/large")
        before, after = (asyncio.run(measure(url, count, rounds)) for url, count in ((small, few), (large, many)))
    return [
        Row(
            what=name,
            unit="ms",
            value=took_ms,
            anchor=before[name],
            anchor_name=f"{few:,} jobs",
            goal=None if name in _READS_ALL else 2,
            relative=True,
        )
        for name, took_ms in after.items()
    ]


if __name__ == "__main__":
    quick, address = "--quick" in sys.argv, next((each for each in sys.argv if "://" in each), None)
    sys.stdout.write(show(rows(1, many=20_000) if quick else rows(3, address=address)))
