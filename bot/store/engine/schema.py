"""Schema migration: each start upgrades the database to the newest revision, in one transaction.

Migrations only add, so that processes of the version before go on while others are upgraded, and one can go back to it. One that takes
something away raises `OLDEST`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, delete, insert, inspect, select

from bot.core.clock import system
from bot.core.errors import NoSchema, OtherSchema
from bot.store.tables import kv

OLDEST = "0021"  # the oldest revision whose code works with the newest schema
OLDEST_KEY = "schema:oldest"  # key in the key-value table: the same, of whoever upgraded the database last
_FOLDER = Path(__file__).parent.parent / "migrations"
_VERSION_TABLE = "alembic_version"


@dataclass(frozen=True, kw_only=True)
class Migration:
    """Schema revisions before and after; `before` is None for an empty database."""

    before: str | None
    after: str


def upgrade(conn: Connection) -> Migration:
    """Upgrade the schema to the head, in the caller's transaction. Raises `OtherSchema` if the schema is too new for this code."""
    before = check_version(conn)
    if before is not None and before >= head():
        return Migration(before=before, after=before)
    _migrate(conn)
    if inspect(conn).has_table(kv.name):
        conn.execute(delete(kv).where(kv.c.name == OLDEST_KEY))
        conn.execute(insert(kv).values(name=OLDEST_KEY, value=OLDEST, updated_at=system()))
    return Migration(before=before, after=head())


def check(conn: Connection) -> Migration:
    """Raises `OtherSchema` unless this code works with the schema, `NoSchema` if there is none. Changes nothing."""
    before = check_version(conn)
    if before is None or before < head():
        refused = NoSchema if before is None else OtherSchema
        raise refused("The database's schema is older than this Easel; run `python -m bot migrate`.")
    return Migration(before=before, after=before)


def head() -> str:
    """The newest revision in this code."""
    return _revisions()[-1]


def current(conn: Connection) -> str | None:
    """The database's revision; None if it has no schema yet."""
    if not inspect(conn).has_table(_VERSION_TABLE):
        return None
    revision: str | None = conn.exec_driver_sql(f"SELECT version_num FROM {_VERSION_TABLE}").scalar()  # noqa: S608 - a constant
    return revision


def check_version(conn: Connection) -> str | None:
    """The database's revision. Raises `OtherSchema` if it is of a newer Easel that this one is too old for."""
    revision = current(conn)
    if revision is not None and revision > head():
        oldest = conn.scalar(select(kv.c.value).where(kv.c.name == OLDEST_KEY))
        if oldest is None or oldest > head():
            raise OtherSchema(f"The database was upgraded by a newer Easel (schema {revision}); install that version or restore a backup.")
    return revision


@cache
def _revisions() -> tuple[str, ...]:
    """All revisions, oldest first: each migration's file begins with its own."""
    return tuple(sorted(path.name.partition("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*.py")))


def _migrate(conn: Connection) -> None:
    from alembic import command  # imported here because most starts find the schema at the head, and it uses 9 MiB
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = conn
    command.upgrade(config, "head")
