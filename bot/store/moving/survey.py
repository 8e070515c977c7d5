"""What a database holds before and after a move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from bot.store.money import audit
from bot.store.money.audit import Proof
from bot.store.moving.ids import last_ids
from bot.store.moving.rows import TABLES, count_of


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Rows, by table and in the order in which they are moved; the audit of the ledger; the last id that was assigned in each table."""

    counts: Mapping[str, int]
    proof: Proof
    last_ids: Mapping[str, int]

    @property
    def rows(self) -> int:
        return sum(self.counts.values())


def survey(conn: Connection) -> Survey:
    """Reads everything."""
    counts = {table.name: count_of(conn, table) for table in TABLES}
    return Survey(counts=counts, proof=audit.prove(conn), last_ids=last_ids(conn))
