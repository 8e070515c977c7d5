"""The code of other versions: an earlier one from the repository's history, and a later one with a migration more."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

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
