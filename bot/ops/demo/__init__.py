"""`python -m bot demo`: a local Discord and local image APIs in one process, the ordinary bot in another. Nothing is kept afterwards."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bot.core.config import NAMES
from bot.core.errors import EaselError, StartError
from bot.ops.demo.keeper import BotKeeper
from bot.ops.demo.processes import Child, DemoLog, Say

PORT = 8420  # of the chat page
_OUT = Path("out")
_INCOMPLETE = "The demo needs the whole project and its development packages; `make demo` sets both up."
_PACKAGE_MISSING = 2  # the sandbox's exit code
_READY_S = 60.0  # long enough for the first start on a slow machine
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Settings that the caller's environment may set for the demo's bot.
_INHERITED = frozenset({"OXEN_MODE", "REFERENCE_MODE", "DEFAULT_MODEL", "FALLBACK_MODELS", "UNCERTAIN_CALLS", "LOG_LEVEL", "LOG_FORMAT"})

T = TypeVar("T")


async def serve(port: int | None, *, say: Say, show_log: Say | None) -> int:
    """Serve the chat page, and start the bot again if it ends, until a stop signal. Returns the exit code; raises `EaselError`.

    Port 0 is any free port, and None is `PORT`, or any free port if that is taken. Raises `StartError` if another port cannot be used.
    """
    if port is not None:
        _check_port(port)
    arguments = ("--watched", "--port", *((str(PORT), "--or-free") if port is None else (str(port),)))
    return await _until_signalled(_serve(arguments, say, show_log), say, sentence="Stopped; the demo keeps nothing.", code=0)


async def once(*, say: Say, show_log: Say | None) -> int:
    """Create and edit an image at each image API as one member, and write them to `out/`. Returns the exit code; raises `EaselError`."""
    return await _until_signalled(_once(say, show_log), say, sentence="Stopped before the demo was finished.", code=1)


async def _serve(arguments: tuple[str, ...], say: Say, show_log: Say | None) -> int:
    say("Starting a local Discord, local image APIs and Easel…")
    async with _open(arguments, show_log) as demo:
        say(f"\n  {demo.addresses['page']}\n\nOpen this address and type / in the message field. Ctrl-C here stops everything.")
        await demo.keep(say)
    return 0


async def _once(say: Say, show_log: Say | None) -> int:
    say("Starting a local Discord, local image APIs and Easel…")
    async with _open(("--fast",), show_log) as demo:
        from sandbox import visit

        try:
            await demo.while_alive(visit.main_job(demo.addresses, out=_OUT, say=say), demo.sandbox, demo.bot)
        except AssertionError as error:
            raise EaselError(f"{error}\n{demo.log.last_lines()}") from error
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
class _Demo:
    """Both running processes."""

    addresses: Mapping[str, str]
    sandbox: Child
    bot: Child
    start_bot: Callable[[], Awaitable[Child]]
    log: DemoLog

    async def while_alive(self, work: Coroutine[Any, Any, T], *children: Child) -> T:
        """Await `work`. Raises `EaselError` as soon as one of these processes ends."""
        doing = asyncio.create_task(work, name="demo work")
        ends = {asyncio.create_task(child.ended(), name=f"end of {child.name}"): child for child in children}
        try:
            await asyncio.wait({doing, *ends}, return_when=asyncio.FIRST_COMPLETED)
            ended = next((child for end, child in ends.items() if end.done()), None)
            if ended is not None:
                raise EaselError(f"{ended.name} stopped by itself (exit code {ended.process.returncode}).\n{self.log.last_lines()}")
            return await doing
        finally:
            for task in (doing, *ends):
                task.cancel()
            await asyncio.wait({doing, *ends})

    async def keep(self, say: Say) -> None:
        """Start the bot again whenever it ends, until the sandbox ends. Raises `EaselError`."""
        page = self.addresses["page"]
        keeper = BotKeeper(bot=self.bot, start=self.start_bot, sandbox=self.sandbox, page=page, log=self.log, say=say)
        await self.while_alive(keeper.keep(), self.sandbox)


@asynccontextmanager
async def _open(arguments: tuple[str, ...], show_log: Say | None) -> AsyncIterator[_Demo]:
    """Start the sandbox and a bot that is connected to it."""
    person = _find_sandbox()
    outside = {name: value for name, value in os.environ.items() if name not in NAMES}
    with _folder_kept_after_failure() as folder:
        log = DemoLog(path=folder / "demo.log", show=show_log)
        async with Child.start("sandbox", "-m", "sandbox", *arguments, environ=outside, log=log) as sandbox, AsyncExitStack() as bots:
            addresses = await _addresses(sandbox, log)
            environ = outside | settings(addresses, folder / "data")

            async def start_bot() -> Child:
                return await bots.enter_async_context(
                    Child.start("bot", "-m", "bot", "--env-file", os.devnull, "run", environ=environ, log=log)
                )

            demo = _Demo(addresses=addresses, sandbox=sandbox, bot=await start_bot(), start_bot=start_bot, log=log)
            await demo.while_alive(_until_bot_is_online(person, demo), sandbox, demo.bot)
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


async def _addresses(sandbox: Child, log: DemoLog) -> dict[str, str]:
    line = await sandbox.next_line()
    if not line:
        await sandbox.ended()
        if sandbox.process.returncode == _PACKAGE_MISSING:
            raise StartError(_INCOMPLETE)
        raise EaselError(f"The local Discord did not start.\n{log.last_lines()}")
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
        raise EaselError(f"The bot was not online after {_READY_S:g} s.\n{demo.log.last_lines()}") from error
