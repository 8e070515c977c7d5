"""The tables, by subject. Times are Unix milliseconds, money is microcredits, Discord's ids are 64-bit integers."""

from __future__ import annotations

from bot.store.tables.base import metadata
from bot.store.tables.conduct import audit, blocks, cases, gallery, reports, strikes
from bot.store.tables.members import keepsakes, members, outbox, reactions, servers, tray
from bot.store.tables.money import accounts, ledger, sponsorships
from bot.store.tables.work import generations, job_messages, jobs, pictures, references, thumbnails

__all__ = [
    "accounts",
    "audit",
    "blocks",
    "cases",
    "gallery",
    "generations",
    "job_messages",
    "jobs",
    "keepsakes",
    "ledger",
    "members",
    "metadata",
    "outbox",
    "pictures",
    "reactions",
    "references",
    "reports",
    "servers",
    "sponsorships",
    "strikes",
    "thumbnails",
    "tray",
]
