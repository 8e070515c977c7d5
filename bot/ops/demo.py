"""`python -m bot demo`: a local Discord and local image APIs in one process, the ordinary bot in another. Nothing is kept afterwards."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bot.core.config import NAMES
from bot.core.errors import EaselError, StartError

PORT = 8420  # of the chat page
_PROJECT = Path(__file__).resolve().parents[2]
_OUT = Path("out")
_INCOMPLETE = "The demo needs the whole project and its development packages; `make demo` sets both up."
_PACKAGE_MISSING = 2  # the sandbox's exit code
_READY_S = 60.0  # long enough for the first start on a slow machine
_STOP_S = 20.0  # before a process is killed; must be longer than STOP_GRACE_S, which the bot gives its running work
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Settings that the caller's environment may set for the demo's bot.
_INHERITED = frozenset({"OXEN_MODE", "REFERENCE_MODE", "DEFAULT_MODEL", "FALLBACK_MODELS", "UNCERTAIN_CALLS", "LOG_LEVEL", "LOG_FORMAT"})

T = TypeVar("T")
Say = Callable[[str], None]  # to the person at the terminal


async def serve(port: int | None, *, say: Say, show_log: Say | None) -> int:
    """Serve the chat page until a stop signal. Returns the exit code; raises `EaselError` if a process ends by itself.

    Port 0 is any free port, and None is `PORT`, or any free port if that is taken. Raises `StartError` if another port cannot be used.
    """
    if port is not None:
        _check_port(port)
    arguments = ("--port", str(PORT), "--or-free") if port is None else ("--port", str(port))
    return await _until_signalled(_serve(arguments, say, show_log), say, sentence="Stopped; the demo keeps nothing.", code=0)


async def once(*, say: Say, show_log: Say | None) -> int:
    """Create and edit an image at each image API as one member, and write them to `out/`. Returns the exit code; raises `EaselError`."""
    return await _until_signalled(_once(say, show_log), say, sentence="Stopped before the demo was finished.", code=1)


async def _serve(arguments: tuple[str, ...], say: Say, show_log: Say | None) -> int:
    say("Starting a local Discord, local image APIs and Easel…")
    async with _open(arguments, show_log) as demo:
        say(f"\n  {demo.addresses['page']}\n\nOpen this address and type / in the message field. Ctrl-C here stops everything.")
        await demo.while_alive(asyncio.Event().wait())
    return 0


async def _once(say: Say, show_log: Say | None) -> int:
    say("Starting a local Discord, local image APIs and Easel…")
    async with _open(("--fast",), show_log) as demo:
        from sandbox import visit

        try:
            await demo.while_alive(visit.main_job(demo.addresses, out=_OUT, say=say))
        except AssertionError as error:
            raise EaselError(f"{error}\n{demo.last_lines()}") from error
    return 0


async def _until_signalled(work: Coroutine[Any, Any, int], say: Say, *, sentence: str, code: int) -> int:
    """The exit code of the work, or `code`, after the sentence, if a signal ended it.

    A signal cancels the work, which then stops the processes; a second signal cancels waiting for them, so that they are killed.
    """
    task = asyncio.create_task(work, name="demo")
    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        with suppress(OSError):  # the terminal may be closed
            say(f"\n{sentence}")
        return code


def _check_port(port: int) -> None:
    """Raises `StartError` if the port cannot be used."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        reason = "is already in use" if error.errno == errno.EADDRINUSE else f"can't be used ({os.strerror(error.errno or 0)})"
        raise StartError(f"Port {port} {reason}: choose another one with --port, or leave --port out to take a free one.") from error


# --- the demo -------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class _Log:
    """The output of both processes in one file; the last lines are kept for error messages."""

    path: Path
    show: Say | None
    last: deque[str] = field(default_factory=lambda: deque(maxlen=15))

    async def take(self, name: str, lines: asyncio.StreamReader) -> None:
        """Copy until the process closes its end."""
        with self.path.open("a", encoding="utf-8", buffering=1) as file:
            async for line in lines:
                text = f"{name}: {line.decode(errors='replace').rstrip()}"
                self.last.append(text)
                file.write(f"{text}\n")
                if self.show is not None:
                    self.show(text)


class _Child:
    """A process in a session of its own, so that a Ctrl-C in the terminal reaches only this process, which stops the others in order."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: _Log) -> None:
        self.name = name
        self.process = process
        assert process.stderr is not None  # noqa: S101 - `start` makes it a pipe
        self._copying = asyncio.create_task(log.take(name, process.stderr), name=f"log of {name}")

    @classmethod
    @asynccontextmanager
    async def start(cls, name: str, *arguments: str, environ: Mapping[str, str], log: _Log) -> AsyncIterator[_Child]:
        """Run Python with these arguments. At the end it gets SIGTERM, and SIGKILL if that does not end it in time."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            cwd=_PROJECT,
            env=environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1024 * 1024,
            start_new_session=True,
        )
        child = cls(name, process, log)
        try:
            yield child
        finally:
            await child._stop()

    async def first_line(self) -> str:
        """The first line of its output; empty if it ends without any."""
        assert self.process.stdout is not None  # noqa: S101 - `start` makes it a pipe
        return (await self.process.stdout.readline()).decode()

    async def ended(self) -> None:
        """Wait until it has ended and its last lines are in the log."""
        await self.process.wait()
        await asyncio.wait([self._copying])

    async def _stop(self) -> None:
        if self.process.returncode is None:
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), _STOP_S)
        except TimeoutError:
            pass
        finally:
            if self.process.returncode is None:
                self.process.kill()
            await asyncio.wait([self._copying])


@dataclass(kw_only=True)
class _Demo:
    """Both running processes."""

    addresses: Mapping[str, str]
    children: tuple[_Child, ...]
    log: _Log

    async def while_alive(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work`. Raises `EaselError` as soon as one of the processes ends."""
        doing = asyncio.create_task(work, name="demo work")
        ends = {asyncio.create_task(child.ended(), name=f"end of {child.name}"): child for child in self.children}
        try:
            await asyncio.wait({doing, *ends}, return_when=asyncio.FIRST_COMPLETED)
            ended = next((child for end, child in ends.items() if end.done()), None)
            if ended is not None:
                raise EaselError(f"{ended.name} stopped by itself (exit code {ended.process.returncode}).\n{self.last_lines()}")
            return await doing
        finally:
            for task in (doing, *ends):
                task.cancel()
            await asyncio.wait({doing, *ends})

    def last_lines(self) -> str:
        return _last_lines(self.log)


def _last_lines(log: _Log) -> str:
    lines = "\n".join(f"  {line}" for line in log.last)
    return f"The last lines of the log, which is all in {log.path}:\n{lines or '  (it is empty)'}"


@asynccontextmanager
async def _open(arguments: tuple[str, ...], show_log: Say | None) -> AsyncIterator[_Demo]:
    """Start the sandbox and a bot that is connected to it."""
    person = _find_sandbox()
    outside = {name: value for name, value in os.environ.items() if name not in NAMES}
    with _folder_kept_after_failure() as folder:
        log = _Log(path=folder / "demo.log", show=show_log)
        async with _Child.start("sandbox", "-m", "sandbox", *arguments, environ=outside, log=log) as sandbox:
            addresses = await _addresses(sandbox, log)
            environ = outside | settings(addresses, folder / "data")
            async with _Child.start("bot", "-m", "bot", "--env-file", os.devnull, "run", environ=environ, log=log) as bot:
                demo = _Demo(addresses=addresses, children=(sandbox, bot), log=log)
                await demo.while_alive(_until_bot_is_online(person, demo))
                yield demo


@contextmanager
def _folder_kept_after_failure() -> Iterator[Path]:
    """A temporary folder, which is removed unless an error occurs whose reason is in the log."""
    folder = Path(tempfile.mkdtemp(prefix="easel-demo-"))
    keep = False
    try:
        yield folder
    except (StartError, BrokenPipeError):
        raise
    except Exception:
        keep = True
        raise
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _find_sandbox() -> Any:
    """The sandbox's class `Person`, imported only here because the container image of the bot contains no sandbox. Raises `StartError`."""
    try:
        from sandbox.person import Person
    except ImportError as error:
        raise StartError(_INCOMPLETE) from error
    return Person


async def _addresses(sandbox: _Child, log: _Log) -> dict[str, str]:
    line = await sandbox.first_line()
    if not line:
        await sandbox.ended()
        if sandbox.process.returncode == _PACKAGE_MISSING:
            raise StartError(_INCOMPLETE)
        raise EaselError(f"The local Discord did not start.\n{_last_lines(log)}")
    return {str(name): str(value) for name, value in json.loads(line).items()}


def settings(addresses: Mapping[str, str], data_dir: Path) -> dict[str, str]:
    """The settings of the demo's bot. Of the caller's own settings only `_INHERITED` are used, so that no real token or key is."""
    return {name: os.environ[name] for name in _INHERITED & os.environ.keys()} | {
        "DISCORD_TOKEN": addresses["discord_token"],
        "DISCORD_API_URL": addresses["discord_api_url"],
        "DISCORD_GATEWAY_URL": addresses["discord_gateway_url"],
        "DISCORD_CDN_HOSTS": addresses["discord_cdn_host"],
        "MESSAGE_CONTENT_INTENT": os.environ.get("MESSAGE_CONTENT_INTENT", "true"),
        "OXEN_API_KEY": addresses["images_key"],
        "OXEN_BASE_URL": addresses["images_url"],
        "OXLO_API_KEY": addresses["openai_key"],
        "OXLO_BASE_URL": addresses["openai_url"],
        "MODERATIONS_URL": addresses["moderation_url"],
        "MODERATIONS_KEY": addresses["openai_key"],
        "DATA_DIR": str(data_dir),
    }


async def _until_bot_is_online(person: Any, demo: _Demo) -> None:
    try:
        async with person.connect(demo.addresses["page"], "Ada") as ada:
            await ada.until(lambda: ada.bot_online and ada.commands, _READY_S)
    except AssertionError as error:
        raise EaselError(f"The bot was not online after {_READY_S:g} s.\n{demo.last_lines()}") from error
