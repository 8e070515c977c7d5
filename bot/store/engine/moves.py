"""Marks in databases that were moved (`bot.ops.move`): no bot starts on a copy that is not complete, nor on what was left behind."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, delete, select

from bot.core.errors import StartError
from bot.store.tables import kv

# Key-value entries; each holds the same facts of the move: "from" and "to" (places without passwords), and "at" (Unix ms).
UNFINISHED: Final = "move:unfinished"  # in the copy, until it is complete
MOVED: Final = "move:moved"  # in the original, once the copy is complete
MARKS: Final = (UNFINISHED, MOVED)

_REFUSALS: Final = {
    UNFINISHED: (
        "This database is an unfinished copy of {from}: let DATABASE_URL name that one, and run `python -m bot move` again or start there."
    ),
    MOVED: (
        "This database was moved to {to} on {date}: let DATABASE_URL name that one."
        " Or go on with this one as it was then: run `python -m bot move --undo`."
    ),
}


def mark_of(conn: Connection, name: str) -> dict[str, Any] | None:
    """The facts of a move that this mark holds; None without the mark."""
    found: dict[str, Any] | None = conn.scalar(select(kv.c.value).where(kv.c.name == name))
    return found


def refuse(conn: Connection) -> None:
    """Raises `StartError` if a bot must not start on this database."""
    for name, sentence in _REFUSALS.items():
        if (mark := mark_of(conn, name)) is not None:
            raise StartError(sentence.format_map(mark | {"date": date_of(mark)}))


def date_of(mark: dict[str, Any]) -> str:
    return f"{datetime.fromtimestamp(mark['at'] / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def forget(conn: Connection, name: str) -> None:
    conn.execute(delete(kv).where(kv.c.name == name))
