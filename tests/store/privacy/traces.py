"""A member with data in every table, for tests of export and erasure."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, insert, select

from bot.domain.guild.sections import Offence, Strikes
from bot.domain.job import Job, JobMessage, MessageRole, Source
from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.domain.moderation.cases import Cause, Decision
from bot.domain.money.accounts import AccountRef, user_account
from bot.domain.money.quota import MICRO
from bot.domain.money.sponsorship import Sponsorship
from bot.domain.order import TrayItem
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import delivery, documents, gallery, history, kv, messages, outbox, steps, tray
from bot.store.engine.base import Store
from bot.store.moderation import audit_log, cases, conduct
from bot.store.money import sponsorships, transfers
from bot.store.privacy import export
from bot.store.privacy.export_files import ExportFiles
from bot.store.tables import metadata, reactions, references
from bot.store.tables import reports as reports_table
from tests.env.job_steps import order, run
from tests.env.jobs import REFERENCE, SUCCEEDED, TEN, new_job

ADA, BEN = 1_457_659_890_892_800_009, 1_457_659_890_892_800_010
NOW = 9_000
MODERATION = {"reports", "blocks", "strikes", "cases", "audit"}
BY_BEN = TrayItem(reference=replace(REFERENCE, owner_id=ADA), source=Source(owner_id=ADA, channel_id=5, message_id=600))


async def shown(store: Store, member: int, **more: Any) -> Job:
    """A delivered job."""
    job = await run(store, await order(store, new_job(member=member, **more)))
    await store.write(steps.settle, job.id, 0, replace(SUCCEEDED, content=b"image"), 3000)
    message_id = 600 if member == ADA else 700
    await store.write(delivery.mark_delivered, job.id, channel_id=5, message_id=message_id, now=4000)
    await store.write(history.keep_thumbnails, {(job.id, 0): b"small"})
    return job


async def put(store: Store, statement: Any) -> None:
    await store.write(lambda conn: conn.execute(statement))


async def fill_every_table(store: Store) -> Job:
    """Ada has data in every table; some of Ben's refers to her."""
    job = await shown(store, ADA)
    bens = await shown(store, BEN)
    row = {"content": b"a", "content_type": "image/png", "width_px": 1, "height_px": 1}
    await put(store, insert(references).values([{"job_id": job.id, "n": 0, **row, "owner_id": None}]))
    await put(store, insert(references).values([{"job_id": bens.id, "n": 0, **row, "owner_id": ADA}]))
    await store.write(documents.change_preferences, ADA, lambda chosen: chosen.model_copy(update={"private": True}), 1)
    await store.write(tray.add, ADA, replace(BY_BEN, reference=REFERENCE), limit=4, now=1)
    await store.write(tray.add, BEN, BY_BEN, limit=4, now=1)
    await put(store, insert(reactions).values(message_id=7, user_id=ADA, emoji="x", at=1, job_id=job.id))
    report = {"at": 1, "channel_id": 5, "guild_id": 1, "reason": "ugly", "counts": True}
    await put(store, insert(reports_table).values(**report, message_id=600, job_id=job.id, author_id=ADA, user_id=BEN))
    await put(store, insert(reports_table).values(**report, message_id=601, job_id=bens.id, author_id=BEN, user_id=ADA))
    await store.write(outbox.add, OutboxItem(kind=ItemKind.TELL, due_at=1, user_id=ADA, job_id=job.id))
    await store.write(outbox.add, OutboxItem(kind=ItemKind.REMOVE, due_at=1, user_id=ADA, data={"channel_id": 5, "message_id": 8}))
    await store.write(kv.put, f"form:note:7:{ADA}:x", {"message_id": 9}, 1)
    await store.write(kv.put, "form:123", {"user_id": ADA, "images": []}, 1)
    await moderate(store, job)
    await move_money(store)
    return job


async def moderate(store: Store, job: Job) -> None:
    """A case about Ada's image, and one about Ben's that Ada decides."""
    about: dict[str, Any] = {"guild_id": 1, "now": 1}
    await store.write(conduct.strike, 1, ADA, Offence.PICTURE_DELETED, rules=Strikes(), now=1, job_id=job.id)
    await store.write(conduct.block, 1, ADA, until=None, reason="spam", by_id=BEN, now=1)
    of_ada: dict[str, Any] = {"author_id": ADA, "channel_id": 5, "message_id": 600, "job_id": job.id, "reason": "a rule"}
    case = await store.write(cases.open_case, cause=Cause.FLAGS, **about, **of_ada)
    assert case is not None
    await store.write(cases.record_post, case, channel_id=8, message_id=801, now=1)
    await store.write(cases.decide, case.id, Decision.DELETE, by_id=BEN, now=2)
    await store.write(cases.appeal, case.id, words="It was a fox.", now=3)
    of_ben: dict[str, Any] = {"author_id": BEN, "channel_id": 5, "message_id": 602, "job_id": None, "reason": "a rule"}
    other = await store.write(cases.open_case, cause=Cause.FLAGS, **about, **of_ben)
    assert other is not None
    await store.write(cases.decide, other.id, Decision.KEEP, by_id=ADA, now=2)
    await store.write(gallery.record, 600, guild_id=1, job_id=job.id, author_id=ADA, stars=5, now=1)
    for message_id, role in ((802, MessageRole.GALLERY), (803, MessageRole.LOG)):
        post = JobMessage(message_id=message_id, channel_id=8, guild_id=1, role=role, at=1, job_id=job.id)
        await store.write(messages.record, post)


async def move_money(store: Store) -> None:
    """Ada gives Ben a credit and sponsors a thread; Ben gives her one credit."""
    ada, ben = (AccountRef(name=user_account(each), fills=TEN) for each in (ADA, BEN))
    await store.write(transfers.gift, giver=ada, receiver=ben, amount=MICRO, key=f"gift:1:{ADA}", now=1, by_id=ADA, note="thanks")
    await store.write(transfers.gift, giver=ben, receiver=ada, amount=MICRO, key=f"gift:2:{BEN}", now=1, by_id=BEN, note="to Ada")
    await store.write(audit_log.note, AuditLine(action=AuditAction.GIFTED, at=1, guild_id=1, actor_id=ADA, target_id=BEN))
    paid = Sponsorship(id="one", guild_id=1, channel_id=55, host_id=ADA, cap=MICRO, until=99_000, opened_at=1)
    await store.write(sponsorships.begin, paid, host=ada, now=1)


async def tables_with(store: Store, text: str) -> set[str]:
    """The tables that contain this text in any column."""

    def read(conn: Connection) -> set[str]:
        return {table.name for table in metadata.sorted_tables for row in conn.execute(select(table)) if text in str(row)}

    return await store.read(read)


async def row_counts(store: Store) -> dict[str, int]:
    def read(conn: Connection) -> dict[str, int]:
        return {table.name: len(conn.execute(select(table)).all()) for table in metadata.sorted_tables}

    return await store.read(read)


async def exported(store: Store, user_id: int) -> dict[str, list[dict[str, Any]]]:
    """The rows of a member's export, by table."""
    return (await documents_of(store, user_id))[0]["tables"]  # type: ignore[no-any-return]  # read from JSON


async def documents_of(store: Store, user_id: int, *, most_bytes: int = 10**9) -> list[dict[str, Any]]:
    """The documents of a member's export."""
    with TemporaryDirectory() as folder:
        files = await store.read(export.write, user_id, partial(ExportFiles, Path(folder), {"member": str(user_id)}, most_bytes=most_bytes))
        return [json.loads(gzip.decompress(path.read_bytes())) for path in files.paths]
