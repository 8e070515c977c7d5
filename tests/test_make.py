"""`make` as a newcomer uses it: a copy of the Makefile, and a stand-in for Python that installs nothing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PYTHON = """#!/bin/sh
case "$*" in *requirements-build.txt) exit 0;; esac
case "$1 $2" in
  "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python";;
  "-m pip") if [ -e broken ]; then echo "ERROR: no network" >&2; exit 1; fi
    for name in 1 2 3 4 5 6 7 8 9 10 11 12; do echo "Collecting package-$name==1.0"; done; echo "Installing collected packages: many"
    if [ -e slow ]; then exec sleep 60; fi;;
  "-m bot") shift 2; echo "bot $*";;
  "-m tests.pins."*) echo "$2";;
esac
"""
UV = """#!/bin/sh
echo "$@" | sed 's/.* -o /pins /'
touch requirements-dev.txt && touch -d "1 minute ago" .venv/ready
"""
INSTALLING = [
    "Installing Easel's dependencies into .venv, about a minute the first time...",
    "  10 packages of about 12",
    "  unpacking them, which takes as long again",
]
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}  # not of `make test`


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(PROJECT / "Makefile", tmp_path)
    (tmp_path / "requirements-dev.txt").write_text("".join(f"package-{number}==1.0\n" for number in range(12)))
    (tmp_path / "requirements-build.txt").touch()
    (tmp_path / "python3").write_text(PYTHON)
    (tmp_path / "python3").chmod(0o755)
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", f"PYTHON={folder}/python3", *arguments]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)  # noqa: S603 - ours


def test_the_first_demo_says_at_once_what_it_does_and_shows_progress(folder: Path) -> None:
    assert make(folder, "demo").stdout.splitlines() == [*INSTALLING, "bot demo"]
    assert make(folder, "demo", "ARGS=--verbose").stdout == "bot demo --verbose\n"


@pytest.mark.parametrize("verb", ["run", "doctor", "invite", "demo"])
def test_the_verbs_of_a_newcomer_are_targets(folder: Path, verb: str) -> None:
    assert make(folder, verb).stdout.splitlines()[-1] == f"bot {verb}"


def test_an_installation_that_failed_is_begun_again(folder: Path) -> None:
    (folder / "broken").touch()
    failed = make(folder, "run")
    assert (failed.returncode != 0, "bot run" in failed.stdout, "ERROR: no network" in failed.stderr) == (True, False, True)
    assert "The installation failed; see above. Run make again to retry." in failed.stderr
    (folder / "broken").unlink()
    assert make(folder, "run").stdout.splitlines() == [*INSTALLING, "bot run"]


def test_ctrl_c_during_the_installation_ends_with_a_sentence(folder: Path) -> None:
    (folder / "slow").touch()
    command = ["make", f"PYTHON={folder}/python3", "demo"]
    with subprocess.Popen(  # noqa: S603 - ours
        command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert [next(process.stdout).rstrip() for _ in INSTALLING] == INSTALLING
        os.killpg(process.pid, signal.SIGINT)
        assert "Stopped; run make again to continue." in process.stdout.read()
    (folder / "slow").unlink()
    assert make(folder, "demo").stdout.splitlines() == [*INSTALLING, "bot demo"]


def test_help_lists_what_a_newcomer_needs_first(folder: Path) -> None:
    targets = re.findall(r"^  make ([a-z-]+) ", make(folder).stdout, re.MULTILINE)
    assert targets[:7] == ["help", "demo", "demo-once", "doctor", "invite", "run", "setup"]
    assert not (folder / ".venv").exists()


def test_lock_installs_the_new_pins_and_renews_what_follows_from_them(folder: Path) -> None:
    make(folder, "setup")
    (folder / ".venv" / "bin" / "uv").write_text(UV)
    (folder / ".venv" / "bin" / "uv").chmod(0o755)
    said = [line for line in make(folder, "lock").stdout.splitlines() if line in INSTALLING or line.startswith(("pins", "tests"))]
    pins = ["pins requirements.txt", "pins requirements-dev.txt", "pins requirements-build.txt"]
    assert said == [*pins, *INSTALLING, "tests.pins.sbom", "tests.pins.advisories"]
