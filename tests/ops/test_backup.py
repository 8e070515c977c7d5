"""`python -m bot backup` and `doctor --backup`: one clear sentence for everything, and nothing left behind after a failure."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import update

from bot import __main__ as command_line
from bot.core import config
from bot.core.clock import system
from bot.domain.money.quota import DAY_MS, MICRO
from bot.ops.doctor_backup import backup_finding
from bot.services.backups import pg_dump
from bot.services.backups.making import LAST, Backups
from bot.store.engine.opening import open_store
from bot.store.money import transfers
from bot.store.tables import accounts
from tests.env.command import PROJECT
from tests.env.databases import Postgres
from tests.env.databases import run as run_apart
from tests.store.engine.test_backup import big, damage
from tests.store.money.accounts import member

Run = Callable[..., tuple[int, str]]
FINE = "It was checked, and every credit is accounted for."


@pytest.fixture
def file(tmp_path: Path, sqlite_template: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "backups").mkdir()
    return Path(shutil.copy(sqlite_template, tmp_path / "data" / "easel.sqlite3"))


@pytest.fixture
def run(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a verb in `tmp_path`. Returns its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bot.env").write_text("DATA_DIR=data\n")

    def run_(*arguments: str) -> tuple[int, str]:
        code = command_line.main(["--env-file", "bot.env", *arguments])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run_


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- backup ------------------------------------------------------------------------------------------------------------


async def test_it_works_beside_a_running_bot(run: Run, file: Path) -> None:
    async with open_store(f"sqlite:///{file}") as store:
        await store.write(transfers.grant, to=member(), amount=MICRO, key="a", now=0)
        code, told = await asyncio.to_thread(run, "backup", "backups/mine")
        await store.write(transfers.grant, to=member(), amount=MICRO, key="b", now=0)  # the bot can still write
    assert (code, told.startswith("The backup is backups/mine ("), told.endswith(f"{FINE}\n")) == (0, True, True)
    code, told = await asyncio.to_thread(run, "doctor", "--backup", "backups/mine")
    assert (code, "ok    ledger: 1 accounts, 2 lines and 0 images were read" in told) == (0, True)


def test_in_a_folder_the_newest_are_kept(run: Run, tmp_path: Path) -> None:
    for day in range(1, 5):
        (tmp_path / "backups" / f"easel-2020-01-0{day}-000000.sqlite3").touch()
    (tmp_path / "backups" / "easel-2020-01-01-000000.sqlite3.partial").touch()
    for name in ("notes.txt", "easel-9999-99-99-999999.sqlite3"):
        (tmp_path / "backups" / name).touch()
    assert run("backup", "backups", "--keep", "2")[0] == 0
    old, new, *others = names(tmp_path / "backups")
    assert (old, new.startswith("easel-20")) == ("easel-2020-01-04-000000.sqlite3", True)
    assert others == ["easel-9999-99-99-999999.sqlite3", "notes.txt"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["backups/there"], "backups/there exists already: add --replace to replace it, or choose another name."),
        (["nowhere/mine"], "There is no folder nowhere."),
        (["nowhere/backups/"], "The folder nowhere/backups can't be made (No such file or directory)."),
        (["data/easel.sqlite3", "--replace"], "data/easel.sqlite3 belongs to the database itself; choose another place."),
        (["data/../data/easel.sqlite3-wal"], "data/../data/easel.sqlite3-wal belongs to the database itself; choose another place."),
        (["/dev/null", "--replace"], "/dev/null is no ordinary file; choose another place."),
        (["backups/there", "--keep", "2"], "--keep is for a folder of backups, and backups/there is none."),
    ],
)
def test_a_place_that_cannot_be_used_is_one_sentence(run: Run, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    (tmp_path / "backups" / "there").write_text("kept")
    assert run("backup", *arguments) == (2, f"{sentence}\n")
    assert (names(tmp_path / "backups"), (tmp_path / "backups" / "there").read_text()) == (["there"], "kept")
    assert names(tmp_path / "data") == ["easel.sqlite3"]


def test_a_folder_is_made_if_it_is_named_as_one(run: Run, tmp_path: Path) -> None:
    assert [run("backup", *arguments)[0] for arguments in (["one/"], ["other", "--keep", "3"])] == [0, 0]
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("one", "other")] == [0o700, 0o700]


def test_a_file_is_replaced_if_that_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "backups" / "there").write_text("replaced")
    assert run("backup", "backups/there", "--replace")[0] == 0
    assert (tmp_path / "backups" / "there").read_bytes().startswith(b"SQLite")


def test_without_a_database_there_is_nothing_to_back_up(run: Run, file: Path, tmp_path: Path) -> None:
    file.unlink()
    assert run("backup", "backups/mine") == (2, f"There is no database at {file} yet.\n")


async def test_a_full_disk_is_one_sentence_and_nothing_is_left(file: Path, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # of each file

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "backup", "backups/mine"),
        cwd=tmp_path,
        env={"PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=limit,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    assert process.returncode == 1
    assert err.decode().startswith("The backup backups/mine could not be made (")
    assert (err.decode().endswith("), and nothing is left of it.\n"), err.count(b"\n")) == (True, 1)
    assert names(tmp_path / "backups") == []


def test_a_database_that_cannot_be_audited_makes_no_backup(run: Run, file: Path, tmp_path: Path) -> None:
    without_a_table(file)
    told = "The backup backups/mine could not be made (no such table: ledger), and nothing is left of it.\n"
    assert (run("backup", "backups/mine"), names(tmp_path / "backups")) == ((1, told), [])


def test_names_may_be_odd(run: Run, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / "a b?c#d%e'f;g"
    file.parent.rename(odd)
    monkeypatch.setenv("DATA_DIR", str(odd))
    assert run("backup", f"{odd}/easel.sqlite3.bak")[0] == run("doctor", "--backup", f"{odd}/easel.sqlite3.bak")[0] == 0


async def test_it_stops_at_once_and_leaves_nothing(file: Path, tmp_path: Path) -> None:
    backups = Backups(database=f"sqlite:///{big(file)}", data_dir=tmp_path, clock=system)
    making = asyncio.create_task(backups.make(tmp_path / "backups" / "mine"), name="making")
    async with asyncio.timeout(10):
        while not names(tmp_path / "backups"):  # noqa: ASYNC110 - a file sends no event
            await asyncio.sleep(0.001)
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making
    assert names(tmp_path / "backups") == []


def test_a_damaged_database_makes_no_backup(run: Run, file: Path, tmp_path: Path) -> None:
    damage(file)
    code, told = run("backup", "backups/mine")
    assert (code, f"{Path('data/easel.sqlite3')} is damaged" in told, names(tmp_path / "backups")) == (2, True, [])


def tamper(file: Path) -> None:
    async def tampered() -> None:
        async with open_store(f"sqlite:///{file}") as store:
            await store.write(transfers.grant, to=member(), amount=MICRO, key="a", now=0)
            await store.write(lambda conn: conn.execute(update(accounts).values(available=0)))

    run_apart(tampered())


def test_wrong_books_are_told_and_delete_no_earlier_backup(run: Run, file: Path, tmp_path: Path) -> None:
    (tmp_path / "backups" / "easel-2020-01-01-000000.sqlite3").touch()
    tamper(file)
    code, told = run("backup", "backups", "--keep", "1")
    assert (code, "credits in it are not accounted for" in told, len(names(tmp_path / "backups"))) == (1, True, 2)
    assert not (tmp_path / "data" / LAST).exists()
    assert run("doctor", "--backup", "backups")[0] == 1


# --- doctor --backup -----------------------------------------------------------------------------------------------------


def test_it_says_what_a_backup_holds(run: Run) -> None:
    run("backup", "backups")
    code, told = run("doctor", "--backup", "backups")
    assert code == 0
    assert [line.partition(" (")[0].partition(": easel")[0][:24] for line in told.splitlines()] == [
        "ok    backup: backups/ea",
        "ok    backup: its schema",
        "ok    ledger: 0 accounts",
        "ok    backup: 0 orders i",
    ]


def of_another_program(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE notes (text)")


def without_a_table(file: Path) -> None:
    with closing(sqlite3.connect(file)) as db:
        db.execute("DROP TABLE ledger")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def of_newer_easel(file: Path) -> None:
    with closing(sqlite3.connect(file)) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
        db.commit()


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (damage, "bad   backup: data/easel.sqlite3 is damaged: "),
        (of_another_program, "bad   backup: it holds no tables of Easel."),
        (without_a_table, "bad   backup: data/easel.sqlite3 can't be examined (no such table: ledger)."),
        (of_newer_easel, "bad   backup: it is of a newer Easel (schema 9999): only that version can use it."),
        (tamper, "bad   ledger: member:1:7: available, held and spent are 0, 0, 0"),
    ],
)
def test_what_is_wrong_with_a_backup_is_bad(run: Run, file: Path, spoil: Callable[[Path], None], found: str) -> None:
    spoil(file)
    code, told = run("doctor", "--backup", "data/easel.sqlite3")
    assert (code, found in told) == (1, True), told


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("nowhere", "nowhere can't be read (No such file or directory)."),
        ("backups", "There is no backup in backups."),
        ("bot.env", "bot.env is neither an SQLite database nor a dump in the custom format of pg_dump."),
    ],
)
def test_what_is_no_backup_is_one_sentence(run: Run, path: str, sentence: str) -> None:
    assert run("doctor", "--backup", path) == (2, f"{sentence}\n")


async def test_the_database_of_a_running_bot_is_no_backup(run: Run, file: Path) -> None:
    async with open_store(f"sqlite:///{file}"):
        code, told = await asyncio.to_thread(run, "doctor", "--backup", str(file))
    assert (code, told) == (2, f"A bot is using {file}: make a copy with `python -m bot backup PATH` and check that.\n")


# --- doctor --------------------------------------------------------------------------------------------------------------


async def test_the_doctor_knows_the_age_of_the_last_backup(run: Run, file: Path, tmp_path: Path) -> None:
    settings, now = config.load({"DATA_DIR": str(tmp_path / "data"), "DISCORD_TOKEN": "a", "OXEN_API_KEY": "b"}, env_file=None), system()
    assert "none was made" in (await backup_finding(settings, now)).text
    await asyncio.to_thread(run, "backup", "backups")
    assert str(await backup_finding(settings, now)) == "ok    : the last one was made less than an hour ago."
    assert str(await backup_finding(settings, now + 9 * DAY_MS)).startswith("warn  : the last one was made 8 days ago; run")


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (
            {"BACKUP_DIR": "/dev/null/backups"},
            "bad   : BACKUP_DIR is /dev/null/backups, and /dev/null cannot be written to; check who owns it.",
        ),
        (
            {"BACKUP_DIR": "backups", "DATABASE_URL": "postgresql://easel@db/easel"},
            "bad   : BACKUP_DIR is set, but pg_dump, which backups of PostgreSQL need, is not installed here.",
        ),
    ],
)
async def test_the_doctor_knows_why_there_can_be_none(settings: dict[str, str], found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    given = config.load({"DISCORD_TOKEN": "a", "OXEN_API_KEY": "b", **settings}, env_file=None)
    assert str(await backup_finding(given, system())) == found


# --- PostgreSQL ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def with_programs(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{postgres.programs}:{os.environ['PATH']}")


async def dump(url: str, tmp_path: Path) -> Path:
    backups = Backups(database=url, data_dir=tmp_path / "data", clock=system)
    return (await backups.make(tmp_path, keep=3)).path


@pytest.mark.usefixtures("with_programs")
async def test_a_dump_is_made_beside_a_running_bot_and_can_be_restored(postgres: Postgres, tmp_path: Path, run: Run) -> None:
    url = postgres.emptied()
    async with open_store(url) as store:
        await store.write(transfers.grant, to=member(), amount=MICRO, key="a", now=0)
        made = await dump(url, tmp_path)
    assert (made.suffix, made.stat().st_mode & 0o777) == (".dump", 0o600)
    code, told = await asyncio.to_thread(run, "doctor", "--backup", str(made))
    assert (code, f"ok    backup: {made} (" in told, " is complete, made at 20" in told) == (0, True, True)
    copy = postgres.create(template="template0")
    await asyncio.to_thread(pg_dump.run, "pg_restore", f"--dbname={copy}", str(made))
    async with open_store(copy, migrate=False) as store:
        assert (await store.read(lambda conn: conn.execute(accounts.select()).one())).name == "member:1:7"
    postgres.drop(copy)


@pytest.mark.usefixtures("with_programs")
async def test_a_dump_that_was_cut_off_is_bad(postgres: Postgres, tmp_path: Path, run: Run) -> None:
    made = await dump(postgres.emptied(), tmp_path)
    whole = await asyncio.to_thread(made.read_bytes)
    await asyncio.to_thread(made.write_bytes, whole[:-200])
    code, told = await asyncio.to_thread(run, "doctor", "--backup", str(made))
    assert (code, f"bad   backup: {made} can't be restored: pg_restore failed: " in told) == (1, True)


def test_the_password_is_in_the_environment_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "pg_dump"
    program.write_text('#!/bin/sh\nprintf "%s " "$@" >&2\necho "password $PGPASSWORD, token $DISCORD_TOKEN" >&2\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("DISCORD_TOKEN", "the-token")
    with pytest.raises(Exception, match="pg_dump failed") as caught:
        pg_dump.back_up(
            "postgresql://ada:s%40cret@db:5433/easel?ssl=require&prepared_statement_cache_size=0", tmp_path / "d", replace=False
        )
    told = str(caught.value)
    assert told.endswith(" postgresql://ada@db:5433/easel?sslmode=require password s@cret, token.")
    assert names(tmp_path) == ["pg_dump"]


def test_without_pg_dump_the_command_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Exception, match="pg_dump is not installed here") as caught:
        pg_dump.back_up("postgresql://ada:secret@db/easel", Path("easel.dump"), replace=False)
    assert str(caught.value).endswith(": pg_dump --format=custom --no-password --file=easel.dump postgresql://ada@db/easel")


async def test_a_server_that_does_not_answer_is_one_sentence(tmp_path: Path, file: Path) -> None:
    if shutil.which("pg_dump") is None:
        pytest.skip("pg_dump is not installed here")
    with pytest.raises(Exception, match=r"pg_dump failed: .*port 1 failed: Connection refused"):
        await dump("postgresql://easel@127.0.0.1:1/easel", tmp_path)
    assert names(tmp_path) == ["backups", "data"]
