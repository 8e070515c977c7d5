"""Files and folders for the user alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core import private_files


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """Everything would be open to others."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_new_folders_and_files_are_private(tmp_path: Path) -> None:
    private_files.make_folder(tmp_path / "a" / "b")
    private_files.write_file(tmp_path / "a" / "b" / "c", b"x")
    assert [mode(tmp_path / each) for each in ("a", "a/b", "a/b/c")] == [0o700, 0o700, 0o600]


def test_an_existing_file_becomes_private(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"long")
    private_files.write_file(tmp_path / "a", b"x")
    assert (mode(tmp_path / "a"), (tmp_path / "a").read_bytes()) == (0o600, b"x")


@pytest.mark.parametrize(("before", "after"), [(0o755, 0o700), (0o700, 0o700), (0o1777, 0o1777)])
def test_an_existing_folder_becomes_private_unless_it_is_shared(tmp_path: Path, before: int, after: int) -> None:
    tmp_path.chmod(before)
    private_files.tighten_folder(tmp_path)
    assert tmp_path.stat().st_mode & 0o7777 == after


def test_the_home_folder_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir(mode=0o755)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    private_files.tighten_folder(tmp_path / "home")
    assert mode(tmp_path / "home") == 0o755
