"""The operators' handbook: its tables of events follow the code, and its drills are carried out as they stand."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from sqlalchemy import make_url

from bot.core.clock import system
from bot.domain.money.quota import MICRO
from bot.store.engine.opening import open_store
from bot.store.money import transfers
from tests.documents.pages import page, rows
from tests.env.databases import Postgres
from tests.imports import PROJECT
from tests.store.money.accounts import member

HANDBOOK = page("docs/operators.md")
SOURCES = {path: path.read_text("utf-8") for package in ("bot", "cogs") for path in (PROJECT / package).rglob("*.py")}
DRILLS = [block for language, block in HANDBOOK.blocks if language == "sh" and "drill/" in block]


def events(section: str, column: int = 0) -> set[str]:
    """The events that a table names in a column."""
    return {event for cells in rows(HANDBOOK.section(section)) for event in re.findall(r"`([^`]+)`", cells[column])}


# --- what is critical ------------------------------------------------------------------------------------------------


def critical_calls() -> Iterator[ast.Call]:
    """The calls of `log.critical`, also under another name: `tell = log.critical if ... else ...`."""
    for text in SOURCES.values():
        if ".critical" in text:
            for function in ast.walk(ast.parse(text)):
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    named = {
                        ast.unparse(node.targets[0])
                        for node in ast.walk(function)
                        if isinstance(node, ast.Assign) and _is_critical(node.value)
                    }
                    yield from (
                        node
                        for node in ast.walk(function)
                        if isinstance(node, ast.Call) and (ast.unparse(node.func) == "log.critical" or ast.unparse(node.func) in named)
                    )


def _is_critical(value: ast.expr) -> bool:
    return any(ast.unparse(node) == "log.critical" for node in ast.walk(value))


def events_of(call: ast.Call) -> set[str]:
    """The event that a call logs; for one in a field, all that this module puts there."""
    first = call.args[0]
    if isinstance(first, ast.Constant):
        return {str(first.value)}
    assert ast.unparse(first) == "shortage.event"
    return set(re.findall(r'_Shortage\("([^"]+)"', SOURCES[PROJECT / "bot/core/running/machine.py"]))


def test_every_critical_event_is_explained_and_no_other() -> None:
    assert set().union(*map(events_of, critical_calls())) == events("### Critical events")


def test_every_critical_event_says_what_to_do() -> None:
    assert [ast.unparse(call) for call in critical_calls() if "do" not in {keyword.arg for keyword in call.keywords}] == []


@pytest.mark.parametrize(("section", "column"), [("### Other events", 0), ("## Alerts", 3)])
def test_other_events_that_are_explained_are_logged(section: str, column: int) -> None:
    everything = "\n".join(SOURCES.values())
    named = events(section, column) - events("### Critical events") - {"housekeeping"}
    assert len(named) >= 5
    assert [event for event in named if not re.search(rf'\(\s*"{re.escape(event)}"', everything)] == []


def test_the_example_of_the_log_is_what_is_logged() -> None:
    (example,) = (block for language, block in HANDBOOK.blocks if not language)
    console, as_json = example.splitlines()
    event = {"provider": "oxen", "do": "See its status page."}
    code = "import structlog, sys; from bot.core import log; log.set_up(level='INFO', form=sys.argv[1], known_secrets=[]);"
    code += f"structlog.get_logger('bot.providers.guard').critical('image API down', **{event})"
    for form, line in (("console", console), ("json", as_json)):
        command = [sys.executable, "-c", code, form]
        told = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stderr  # noqa: S603 - ours
        assert re.sub(r"\d", "0", told) == re.sub(r"\d", "0", line) + "\n"


@pytest.mark.parametrize(("section", "column"), [("## Alerts", 2), ("### What members see", 0)])
def test_what_members_see_are_words_of_the_bot(section: str, column: int) -> None:
    """Parts of its sentences; what Discord says itself is marked."""
    cells = [cells[column] for cells in rows(HANDBOOK.section(section)) if "(Discord's words)" not in cells[column]]
    said = {part for cell in cells for words in re.findall(r'"([^"]+)"', cell) for part in re.split(r",? ?\.\.\.", words)}
    everything = "\n".join(SOURCES.values())
    assert len(said) > 5
    assert [words for words in said if words not in everything] == []


def test_ten_settings_matter() -> None:
    assert len(list(rows(HANDBOOK.section("### The ten settings that matter")))) == 10


# --- the restore drill ------------------------------------------------------------------------------------------------


def carried_out(drill: str, folder: Path, environ: Mapping[str, str]) -> str:
    """What a block of the handbook prints in this folder. Raises if a line of it fails."""
    path = f"{Path(sys.executable).parent}:{environ.get('PATH', '')}:{os.environ['PATH']}"
    command = ["sh", "-euc", drill]
    environment = {**environ, "PYTHONPATH": str(PROJECT), "PATH": path}
    return subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603 - the handbook's


async def paid_into(url: str) -> None:
    async with open_store(url) as store:
        await store.write(transfers.grant, to=member(), amount=MICRO, key="a", now=system())


async def test_the_drill_on_sqlite(tmp_path: Path) -> None:
    (drill,) = (each for each in DRILLS if "sqlite:///" in each)
    await paid_into(f"sqlite:///{tmp_path}/data/easel.sqlite3")
    told = carried_out(drill, tmp_path, {"DATA_DIR": "data"})
    assert told.count("every credit is accounted for") == 3
    assert not (tmp_path / "drill").exists()


async def test_the_drill_on_postgresql(postgres: Postgres, tmp_path: Path) -> None:
    (drill,) = (each for each in DRILLS if "postgresql://" in each)
    url = postgres.emptied()
    await paid_into(url)
    restored = make_url(url).set(database="restored").render_as_string(hide_password=False)
    server = {"PGHOST": str(make_url(url).query["host"]), "PGUSER": str(make_url(url).username), "PATH": str(postgres.programs)}
    environ = {**server, "DATABASE_URL": url, "DATA_DIR": "data"}
    told = carried_out(drill.replace("postgresql://easel@localhost/restored", f"'{restored}'"), tmp_path, environ)
    assert "1 accounts, " in told
    assert "every credit is accounted for" in told.splitlines()[-1]


# --- restoring in a container ------------------------------------------------------------------------------------------

# Stands in for `docker compose run --rm [--entrypoint PROGRAM] easel WORDS`: /data and /backups are folders here.
DOCKER = """#!/bin/sh
shift 3
program="python -m bot"
if [ "$1" = --entrypoint ]; then program=$2; shift 2; fi
shift
for word in "$@"; do shift; set -- "$@" "$(echo "$word" | sed "s,/\\(data\\|backups\\)/,$PWD/\\1/,g")"; done
exec $program "$@"
"""


async def test_the_commands_that_restore_in_a_container(tmp_path: Path) -> None:
    (block,) = (block for language, block in HANDBOOK.blocks if language == "sh" and "entrypoint cp easel" in block)
    (name,) = re.findall(r"/backups/(\S+)", block)
    await paid_into(f"sqlite:///{tmp_path}/data/easel.sqlite3")
    programs = {"DATA_DIR": "data", "PATH": str(tmp_path)}
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    carried_out(f"mkdir backups; python -m bot backup backups/{name}; echo damage > data/easel.sqlite3", tmp_path, programs)
    carried_out(f"{block.rstrip()} || true", tmp_path, programs)  # the doctor, which comes last, misses a token
    assert (tmp_path / "data" / "damaged" / "easel.sqlite3").read_text() == "damage\n"
    assert carried_out("python -m bot doctor --ledger", tmp_path, programs).count("every credit is accounted for") == 1
