"""`python -m bot demo`: the local Discord and image APIs in one process, the ordinary bot in another, and nothing kept afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bot.core.config import NAMES
from bot.core.errors import EaselError, StartError

PORT = 8420  # of the chat page; a free one where it is taken
_PROJECT = Path(__file__).resolve().parents[2]
_OUT = Path("out")
_READY_S = 60.0  # for a slow machine's first start
_STOP_S = 20.0  # then a process is killed; longer than the grace that the bot gives its work
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Settings that the caller may choose here.
_PASSED_ON = frozenset({"OXEN_MODE", "REFERENCE_MODE", "DEFAULT_MODEL", "FALLBACK_MODELS", "UNCERTAIN_CALLS", "LOG_LEVEL", "LOG_FORMAT"})

T = TypeVar("T")
Say = Callable[[str], None]  # to the person at the terminal


async def stay(port: int | None, *, say: Say, show_log: Say | None) -> int:
    """Serve the chat page until a stop signal. Returns the exit code; raises `EaselError` where a process ends by itself.

    `port` 0 takes a free one, None the usual one or a free one where that is taken.
    """
    return await _until_signalled(_stay(_free_port(PORT) if port is None else port, say, show_log), stopped=0)


async def once(*, say: Say, show_log: Say | None) -> int:
    """Let one visitor make and edit an image at each image API, and write them to `out/`. Returns the exit code; raises `EaselError`."""
    return await _until_signalled(_once(say, show_log), stopped=1)


async def _stay(port: int, say: Say, show_log: Say | None) -> int:
    say("Easel is opening…")
    async with _open(("--port", str(port)), show_log) as demo:
        say(f"\n  {demo.addresses['page']}\n\nOpen this address and type / in the message field. Ctrl-C here stops everything.")
        await demo.while_alive(asyncio.Event().wait())
    return 0


async def _once(say: Say, show_log: Say | None) -> int:
    async with _open(("--fast",), show_log) as demo:
        from sandbox import visit

        try:
            await demo.while_alive(visit.main_job(demo.addresses, out=_OUT, say=say))
        except AssertionError as error:
            raise EaselError(f"{error}\n{demo.where_to_look()}") from error
    return 0


async def _until_signalled(work: Coroutine[Any, Any, int], *, stopped: int) -> int:
    """A signal cancels the work, which then closes the demo; a second one cancels the waiting for that, too."""
    task = asyncio.create_task(work, name="demo")
    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return stopped


# --- the demo -------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class _Log:
    """One file for what both processes say, and the last lines of it for a person."""

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
    """A process in a session of its own: a Ctrl-C in the terminal reaches only us, and we close in order."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: _Log) -> None:
        self.name = name
        self.process = process
        assert process.stderr is not None  # noqa: S101 - it was asked for as a pipe
        self._copying = asyncio.create_task(log.take(name, process.stderr), name=f"log of {name}")

    @classmethod
    @asynccontextmanager
    async def start(cls, name: str, *arguments: str, environ: Mapping[str, str], log: _Log) -> AsyncIterator[_Child]:
        """Run Python with these arguments for the length of the block. SIGTERM ends it, and SIGKILL where that does not."""
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
        """What it says first; empty where it ends without a word."""
        assert self.process.stdout is not None  # noqa: S101 - it was asked for as a pipe
        return (await self.process.stdout.readline()).decode()

    async def ended(self) -> None:
        """Return when it is gone and its last words are in the log."""
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
    """Both processes, running."""

    addresses: Mapping[str, str]
    children: tuple[_Child, ...]
    log: _Log

    async def while_alive(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work`. Raises `EaselError` as soon as one of the processes is gone."""
        doing = asyncio.create_task(work, name="demo work")
        ends = {asyncio.create_task(child.ended(), name=f"end of {child.name}"): child for child in self.children}
        try:
            await asyncio.wait({doing, *ends}, return_when=asyncio.FIRST_COMPLETED)
            gone = next((child for end, child in ends.items() if end.done()), None)
            if gone is not None:
                raise EaselError(f"{gone.name} stopped by itself (exit code {gone.process.returncode}).\n{self.where_to_look()}")
            return await doing
        finally:
            for task in (doing, *ends):
                task.cancel()
            await asyncio.wait({doing, *ends})

    def where_to_look(self) -> str:
        lines = "\n".join(f"  {line}" for line in self.log.last)
        return f"The last lines of the log, which is all in {self.log.path}:\n{lines or '  (it is empty)'}"


@asynccontextmanager
async def _open(arguments: tuple[str, ...], show_log: Say | None) -> AsyncIterator[_Demo]:
    """Sandbox and bot, connected to each other."""
    person = _find_sandbox()
    outside = {name: value for name, value in os.environ.items() if name not in NAMES}
    with _folder_kept_after_failure() as folder:
        log = _Log(path=folder / "demo.log", show=show_log)
        async with _Child.start("sandbox", "-m", "sandbox", *arguments, environ=outside, log=log) as sandbox:
            addresses = await _addresses(sandbox, log)
            environ = outside | _settings(addresses, folder / "data")
            async with _Child.start("bot", "-m", "bot", "--env-file", os.devnull, "run", environ=environ, log=log) as bot:
                demo = _Demo(addresses=addresses, children=(sandbox, bot), log=log)
                await demo.while_alive(_bot_is_online(person, demo))
                yield demo


@contextmanager
def _folder_kept_after_failure() -> Iterator[Path]:
    """A temporary folder. Where something failed it stays, because the log in it tells why."""
    folder = Path(tempfile.mkdtemp(prefix="easel-demo-"))
    try:
        yield folder
    except Exception:
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def _find_sandbox() -> Any:
    """The sandbox's person. It is imported here and not above: the bot does without the sandbox, and an image has none."""
    try:
        from sandbox.person import Person
    except ImportError as error:
        raise StartError("The demo needs the whole project and its development packages; `make demo` sets both up.") from error
    return Person


async def _addresses(sandbox: _Child, log: _Log) -> dict[str, str]:
    line = await sandbox.first_line()
    if not line:
        await sandbox.ended()
        raise EaselError(f"The sandbox did not start. {' '.join(log.last)}")
    return {str(name): str(value) for name, value in json.loads(line).items()}


def _settings(addresses: Mapping[str, str], data_dir: Path) -> dict[str, str]:
    """The bot's settings: where the sandbox is, and what the caller chose. Nothing else of theirs gets here, least of all a token."""
    return {name: os.environ[name] for name in _PASSED_ON & os.environ.keys()} | {
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


async def _bot_is_online(person: Any, demo: _Demo) -> None:
    try:
        async with person.connect(demo.addresses["page"], "Ada") as ada:
            await ada.until(lambda: ada.bot_online and ada.commands, _READY_S)
    except AssertionError as error:
        raise EaselError(f"The bot was not there after {_READY_S:g} s.\n{demo.where_to_look()}") from error


def _free_port(wished: int) -> int:
    """The wished port, or 0 for a free one where it is taken."""
    try:
        with socket.create_server(("127.0.0.1", wished)):
            return wished
    except OSError:
        return 0
