"""The code of other versions: an earlier one from the repository's history, and a later one with a migration more."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from bot.store.engine import schema
from tests.imports import PROJECT

ALONE = "c0b14d7fcb85f7772ab25a2a2d67217030be0907"  # the last version of which one process at a time could run
_PACKAGES = ("bot", "cogs")


def earlier_code(folder: Path, commit: str = ALONE) -> Path:
    """The code of a commit, in a new folder. Skips the test where the history does not reach back to it, as in a shallow clone."""
    archive = ["git", "-C", str(PROJECT), "archive", commit, *_PACKAGES]
    done = subprocess.run(archive, check=False, capture_output=True)  # noqa: S603 - its arguments are constants
    if done.returncode:
        pytest.skip(f"The history has no commit {commit[:7]}: {done.stderr.decode().strip()}")
    folder.mkdir()
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as packed:
        packed.extractall(folder, filter="data")
    return folder


NEXT = f"{int(schema.head()) + 1:04d}"  # the revision of the later code's migration
_MIGRATION = f"""
import sqlalchemy as sa
from alembic import op

revision = "{NEXT}"
down_revision = "{schema.head()}"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("of_later", sa.Integer))
"""


def later_code(folder: Path, *, takes_away: bool) -> Path:
    """A copy of this code with a migration more, which the version before goes on with, unless it `takes_away` something."""
    for name in _PACKAGES:
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "bot/store/migrations/versions" / f"{NEXT}_later.py").write_text(_MIGRATION)
    if takes_away:
        path = folder / "bot/store/engine/schema.py"
        path.write_text(re.sub(r'^OLDEST = "\d+"', f'OLDEST = "{NEXT}"', path.read_text(), flags=re.MULTILINE))
    return folder
