"""Schema migration: each start upgrades the database to the newest revision, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from bot.core.errors import StartError

_FOLDER = Path(__file__).parent.parent / "migrations"


@dataclass(frozen=True, kw_only=True)
class Migration:
    """Schema revisions before and after; `before` is None for an empty database."""

    before: str | None
    after: str


def upgrade(conn: Connection) -> Migration:
    """Upgrade the schema to the head, in the caller's transaction. Raises `StartError` if the schema is newer than this code."""
    before = _known(conn)
    if before != head():
        config = _config()
        config.attributes["connection"] = conn
        command.upgrade(config, "head")
    return Migration(before=before, after=head())


def check(conn: Connection) -> Migration:
    """Raises `StartError` unless the schema is at the head. Changes nothing."""
    before = _known(conn)
    if before != head():
        raise StartError("The database's schema is older than this Easel; run `python -m bot migrate`.")
    return Migration(before=before, after=before)


def head() -> str:
    """The newest revision in this code."""
    revision = _scripts().get_current_head()
    assert revision is not None, "the package lacks its migrations"  # noqa: S101 - a broken installation, not a user's mistake
    return revision


def current(conn: Connection) -> str | None:
    """The database's revision; None if it has no schema yet."""
    return MigrationContext.configure(conn).get_current_revision()


def _known(conn: Connection) -> str | None:
    revision = current(conn)
    known = {script.revision for script in _scripts().walk_revisions()}
    if revision is not None and revision not in known:
        raise StartError(f"The database was written by a newer Easel (schema {revision}); install that version or restore a backup.")
    return revision


@cache
def _scripts() -> ScriptDirectory:
    """The migrations, whose files are read once."""
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config
