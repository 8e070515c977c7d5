"""SQLite only: no operation reads a whole table that grows with history."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import pytest
from sqlalchemy import Connection, event

from benchmarks.history import Op, fill, operations
from bot.store.engine.base import Store

JOBS = 100

# Tables without old rows, and accounts, of which each member has few.
SMALL = "accounts|kv|members|outbox|tray|processes|alembic_version|rates|provider_states"
# Indexes of what is not finished, and the keys of what is kept for some days.
UNFINISHED = "ix_jobs_open|ix_jobs_unchecked|ix_generations_queue|ix_generations_active|ix_accounts_sponsor|ix_accounts_unused"
KEPT = "sqlite_autoindex_images_1|sqlite_autoindex_job_references_1"
SCAN = re.compile(rf"SCAN (?!({SMALL})\b|.*CONSTANT|\(|.* INDEX ({UNFINISHED}|{KEPT})\b)")


class Undo(Exception):
    pass


@contextmanager
def recorded(conn: Connection) -> Iterator[list[tuple[str, Any]]]:
    """The statements that run meanwhile, with their parameters."""
    found: list[tuple[str, Any]] = []

    def record(_conn: object, _cursor: object, statement: str, parameters: Any, _context: object, many: bool) -> None:
        if not many and statement.startswith(("SELECT", "UPDATE", "DELETE")) and "WHERE 0 = 1" not in statement:
            found.append((statement, parameters))

    event.listen(conn, "before_cursor_execute", record)
    yield found
    event.remove(conn, "before_cursor_execute", record)


def slow_parts(conn: Connection, op: Op) -> list[str]:
    """The parts of the plans of an operation that read a whole table."""
    with recorded(conn) as statements:
        op(conn)
    slow = []
    for statement, parameters in statements:
        plan = [row[3] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
        slow += [step for step in plan if SCAN.match(step) or "AUTOMATIC" in step]
    return slow


def undone(conn: Connection, op: Op, slow: list[str]) -> NoReturn:
    slow += slow_parts(conn, op)
    raise Undo


@pytest.fixture
async def filled_store(sqlite_store: Store) -> Store:
    await sqlite_store.write(fill, JOBS)
    return sqlite_store


async def test_no_operation_reads_a_table_that_grows_with_history(filled_store: Store) -> None:
    reads, writes = operations(JOBS)
    found = {name: await filled_store.read(slow_parts, op) for name, op in reads.items() if name != "doctor --ledger"}
    for name, op in writes.items():
        with suppress(Undo):
            await filled_store.write(undone, op, found.setdefault(name, []))
    assert {name: slow for name, slow in found.items() if slow} == {}
