"""The tables, by subject. Times are Unix milliseconds, money is microcredits, Discord ids are 64-bit integers."""

from __future__ import annotations

from bot.store.tables.base import metadata
from bot.store.tables.conduct import audit, blocks, cases, gallery, reports, strikes
from bot.store.tables.members import guilds, kv, members, outbox, reactions, request_keys, tray
from bot.store.tables.money import accounts, daily_usage, ledger, sponsorships
from bot.store.tables.processes import processes, provider_states, rates
from bot.store.tables.work import generations, images, job_messages, jobs, references, thumbnails

__all__ = [
    "accounts",
    "audit",
    "blocks",
    "cases",
    "daily_usage",
    "gallery",
    "generations",
    "guilds",
    "images",
    "job_messages",
    "jobs",
    "kv",
    "ledger",
    "members",
    "metadata",
    "outbox",
    "processes",
    "provider_states",
    "rates",
    "reactions",
    "references",
    "reports",
    "request_keys",
    "sponsorships",
    "strikes",
    "thumbnails",
    "tray",
]
