"""The command line, as processes in an empty environment: exit codes, one sentence for each error, no tracebacks."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from PIL import Image

from bot import __main__ as command_line
from bot.__main__ import VERBS
from bot.core.errors import StartError
from bot.ops import env_example, settings_page
from bot.store.engine.opening import open_store
from sandbox.person import Person
from tests.env.app import Env, person_in
from tests.env.command import PROJECT, line_with, run, started

MADE_UP = {"DISCORD_TOKEN": "made-up-token", "OXEN_API_KEY": "made-up-key"}
NEEDS_SETTINGS = ("run", "sync", "invite")
NO_SETTINGS = (
    "There are no settings yet: run `cp .env.example .env` and fill in DISCORD_TOKEN and OXEN_API_KEY or OXLO_API_KEY"
    " (`make demo` needs none).\n"
)


def size_px(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        image.load()
        return image.size


# --- before anything is set up ----------------------------------------------------------------------------------------


async def test_help_names_every_verb(folder: Path) -> None:
    ran = await run("--help", folder=folder)
    assert ran.code == 0
    assert [verb.name for verb in VERBS if f"    {verb.name} " not in ran.out] == []


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS])
def test_outside_of_the_virtual_environment_each_verb_names_the_next_step(verb: str) -> None:
    command = [sys.executable, "-S", "-m", "bot", verb]  # -S: without the packages that are installed
    ran = subprocess.run(command, cwd=PROJECT, env={}, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    way = f"`make {verb}`" if verb in ("run", "doctor", "invite", "demo") else f"`.venv/bin/python -m bot {verb}`"
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert (ran.stderr.startswith("This Python does not have Easel's packages"), way in ran.stderr) == (True, True)


@pytest.mark.parametrize("verb", NEEDS_SETTINGS)
async def test_without_settings_a_verb_says_how_to_make_them(verb: str, folder: Path) -> None:
    ran = await run(verb, folder=folder, environ={"DATA_DIR": str(folder)})  # the container image sets this one
    assert (ran.code, ran.out, ran.err) == (2, "", NO_SETTINGS)


async def test_an_example_that_is_not_filled_in_names_what_is_missing(folder: Path) -> None:
    await asyncio.to_thread(shutil.copy, PROJECT / ".env.example", folder / ".env")
    ran = await run("run", folder=folder)
    assert (ran.code, [line.partition(":")[0] for line in ran.err.splitlines()]) == (
        2,
        ["DISCORD_TOKEN (or DISCORD_TOKEN_FILE) is missing", "OXEN_API_KEY, OXLO_API_KEY or OPENAI_ENDPOINTS is missing"],
    )


async def test_every_mistake_in_the_settings_is_told_at_once(folder: Path) -> None:
    await asyncio.to_thread((folder / ".env").write_text, "MAX_RUNING=2\nQUOTA_CREDITS=abc\n")
    ran = await run("run", folder=folder, environ={**MADE_UP, "LOG_LEVL": "INFO", "OXEN_MODE": "fast"})
    assert (ran.code, ran.err.splitlines()) == (
        2,
        [
            "MAX_RUNING in .env is not a setting; did you mean MAX_RUNNING?",
            "QUOTA_CREDITS must be a number above 0, at most 1000000; it is 'abc'.",
            "OXEN_MODE must be events, poll or sync; it is 'fast'.",
            "LOG_LEVL in the environment is not a setting; did you mean LOG_LEVEL?",
        ],
    )


async def test_a_misspelt_name_in_the_environment_is_told_and_does_not_stop_the_start(folder: Path) -> None:
    ran = await run("migrate", folder=folder, environ={"QUOTA_CREDIT": "5"})
    assert (ran.code, "QUOTA_CREDIT in the environment is not a setting; did you mean QUOTA_CREDITS?" in ran.err) == (0, True)


async def test_an_unknown_name_in_env_is_refused_in_one_line(folder: Path) -> None:
    await asyncio.to_thread((folder / ".env").write_text, "DISCORD_TOKN=secret-value\n")
    ran = await run("run", folder=folder, environ=MADE_UP)
    assert (ran.code, ran.err) == (2, "DISCORD_TOKN in .env is not a setting; did you mean DISCORD_TOKEN?\n")


async def test_a_named_env_file_must_exist(folder: Path) -> None:
    ran = await run("--env-file", "other.env", "run", folder=folder, environ=MADE_UP)
    assert (ran.code, ran.err) == (2, "There is no other.env, which --env-file names.\n")


async def test_settings_prints_the_example(folder: Path) -> None:
    ran = await run("settings", folder=folder)
    page = await run("settings", "--markdown", folder=folder)
    assert (ran.code, ran.out) == (0, env_example.render())
    assert (page.code, page.out) == (0, settings_page.render())


@pytest.mark.parametrize("arguments", [("settings",), ("doctor",), ("demo",), ("--help",)])
async def test_output_that_is_closed_early_ends_quietly(arguments: tuple[str, ...], folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)  # as `head` does once it has its lines
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", *arguments),
        cwd=folder,
        env={"PYTHONPATH": str(PROJECT), "TMPDIR": str(folder)},
        stdout=writer,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(writer)
    _, err = await process.communicate()
    assert (process.returncode, err, list(folder.glob("easel-demo-*"))) == (1, b"", [])  # noqa: ASYNC240 - a moment, at the end


def test_an_unknown_error_is_logged_without_secrets(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> str:
        raise ValueError("asked https://example.org/?token=abcdefgh")

    monkeypatch.setattr(env_example, "render", fail)
    assert command_line.main(["settings"]) == command_line.WRONG
    line_with = capsys.readouterr().err
    assert ("unhandled error" in line_with, "?token=[secret]" in line_with, "abcdefgh" in line_with) == (True, True, False)


def test_an_error_sentence_in_an_exception_group_is_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> str:
        raise ExceptionGroup("of a task group", [StartError("The token is refused.")])

    monkeypatch.setattr(env_example, "render", fail)
    assert command_line.main(["settings"]) == command_line.NOT_STARTED
    assert capsys.readouterr().err == "The token is refused.\n"


# --- the database ------------------------------------------------------------------------------------------------------


async def test_migrate_prints_what_it_did(folder: Path) -> None:
    first = await run("migrate", folder=folder)  # it needs no token and no key
    second = await run("migrate", folder=folder)
    assert (first.code, second.code) == (0, 0)
    assert first.out.endswith("(it was empty).\n")
    assert second.out.endswith("(as before).\n")


async def test_a_second_process_is_refused_in_one_line(env: Env, folder: Path) -> None:
    async with open_store(env.settings().database):
        ran = await run("run", folder=folder, environ=env.environment())
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert ran.err.startswith("Another Easel is using the database")


# --- with the stand-ins -----------------------------------------------------------------------------------------------


async def test_a_wrong_token_is_one_line(env: Env, folder: Path) -> None:
    ran = await run("run", folder=folder, environ=env.environment(DISCORD_TOKEN="MTIz.wrong.token", LOG_LEVEL="ERROR"))
    assert (ran.code, ran.err) == (2, "Discord refused DISCORD_TOKEN; copy it again from the Bot page of your application.\n")


@pytest.mark.slow
@pytest.mark.faults("intents-unknown")
async def test_a_session_that_discord_closes_for_good_is_one_line(env: Env, folder: Path) -> None:
    ran = await run("run", folder=folder, environ=env.environment(LOG_LEVEL="ERROR"))
    assert (ran.code, ran.err) == (2, "Discord does not know the events that Easel asks for (code 4013); update Easel.\n")


@pytest.mark.slow
@pytest.mark.faults("commands-refused")
async def test_sync_says_why_discord_refuses_the_commands(env: Env, folder: Path) -> None:
    ran = await run("sync", folder=folder, environ=env.environment())
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert ran.err.startswith("The commands are not registered: Discord answered 400 (code 30034). Discord takes a limited number")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_the_bot_gracefully(number: signal.Signals, env: Env, folder: Path) -> None:
    async with started("run", folder=folder, environ=env.environment()) as process:
        async with person_in(env, "Ada"):  # she sees that the bot is online
            process.send_signal(number)
        _, err = await process.communicate()
    assert (process.returncode, b"Traceback" in err) == (0, False)


async def test_a_misspelt_name_in_the_environment_is_in_the_log_of_the_start(env: Env, folder: Path) -> None:
    async with started("run", folder=folder, environ=env.environment(METRICS_PRT="5")) as process:
        assert "did you mean METRICS_PORT?" in await line_with(process.stderr, "METRICS_PRT in the environment is not a setting")


async def test_sync_registers_the_commands(env: Env, folder: Path) -> None:
    ran = await run("sync", folder=folder, environ=env.environment())
    assert (ran.code, ran.out) == (0, "The commands are registered.\n")


async def test_doctor_exits_with_one_if_a_check_fails(env: Env, folder: Path) -> None:
    healthy = await run("doctor", folder=folder, environ=env.environment())
    sick = await run("doctor", folder=folder, environ=env.environment(OXEN_API_KEY="wrong"))
    assert (healthy.code, sick.code) == (0, 1)
    assert healthy.err == ""
    assert {line.split()[0] for line in sick.out.splitlines()} == {"ok", "warn", "bad", "skip"}


async def test_invite_prints_both_addresses(env: Env, folder: Path) -> None:
    ran = await run("invite", folder=folder, environ=env.environment())
    assert (ran.code, ran.out.count("https://discord.com/oauth2/authorize?"), ran.err) == (0, 2, "")


# --- the demo ----------------------------------------------------------------------------------------------------------


async def test_demo_once_writes_two_images_of_each_image_api(folder: Path) -> None:
    ran = await run("demo", "--once", folder=folder, environ={"DISCORD_TOKEN": "not-for-the-demo"})
    assert ran.code == 0, ran.err
    assert [size_px(folder / "out" / name) for name in ("generate.png", "edit.png")] == [(768, 432), (768, 432)]
    assert [size_px(folder / "out" / name) for name in ("oxlo-generate.png", "oxlo-edit.png")] == [(512, 512), (512, 512)]
    assert "Everything is as it should be." in ran.out


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
async def test_the_demo_stops_completely_and_leaves_no_files(number: signal.Signals, folder: Path) -> None:
    async with started("demo", "--port", "0", folder=folder, environ={}) as process, aiohttp.ClientSession() as session:
        page = (await line_with(process.stdout, "http://")).strip()
        async with session.get(page) as response:
            assert response.status == 200
        process.send_signal(number)
        out, err = await process.communicate()
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(page)
    assert (process.returncode, list(folder.iterdir())) == (0, [])  # noqa: ASYNC240 - a moment, at the end
    assert (out.decode().splitlines()[-1], err) == ("Stopped; the demo keeps nothing.", b"")


@pytest.mark.parametrize(("options", "code"), [((), 0), (("--once",), 1)])
async def test_ctrl_c_while_the_demo_starts_ends_with_a_sentence(options: tuple[str, ...], code: int, folder: Path) -> None:
    async with started("demo", *options, folder=folder, environ={}) as process:
        await line_with(process.stdout, "Starting a local Discord")
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert (process.returncode, out.decode().splitlines()[-1].startswith("Stopped"), err) == (code, True, b"")


async def test_a_port_that_is_taken_is_one_sentence(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        ran = await run("demo", "--port", str(port), folder=folder)
    way = "choose another one with --port, or leave --port out to take a free one."
    assert (ran.code, ran.out, ran.err) == (2, "", f"Port {port} is already in use: {way}\n")


async def test_two_demos_run_at_once(folder: Path) -> None:
    async with started("demo", folder=folder, environ={}) as one, started("demo", folder=folder, environ={}) as other:
        pages = {(await line_with(process.stdout, "http://")).strip() for process in (one, other)}
        for process in (one, other):
            process.terminate()
            await process.communicate()
    assert (len(pages), one.returncode, other.returncode) == (2, 0, 0)


async def test_a_demo_whose_bot_fails_shows_why(folder: Path) -> None:
    ran = await run("demo", "--port", "0", folder=folder, environ={"LOG_LEVEL": "loud"})
    assert ran.code == 1
    assert ran.err.startswith("bot stopped by itself (exit code 2).")
    assert "bot: LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR" in ran.err
    (log,) = re.findall(r"which is all in (\S+):", ran.err)
    assert "LOG_LEVEL must be" in await asyncio.to_thread(Path(log).read_text)


def bot_of(demo_pid: int) -> int:
    """The id of the process of a demo's bot. Raises `StopIteration` while there is none."""
    children = [int(pid) for pid in Path(f"/proc/{demo_pid}/task/{demo_pid}/children").read_text().split()]
    return next(pid for pid in children if b"--env-file" in Path(f"/proc/{pid}/cmdline").read_bytes())


def is_back(person: Person, ended: Mapping[str, object]) -> bool:
    """Whether the bot is online again after it ended so."""
    return person.bot_online and person.hello["bot"]["ended"] == ended


async def test_the_demo_survives_two_ends_of_its_bot_and_gives_up_after_the_third(folder: Path) -> None:
    async with started("demo", "--port", "0", folder=folder, environ={}) as process:
        page = (await line_with(process.stdout, "http://")).strip()
        async with Person.connect(page, "Ada") as ada:
            for number in (1, 2):
                os.kill(bot_of(process.pid), signal.SIGKILL)
                assert "Easel was killed. Starting it again" in await line_with(process.stdout, "Easel was killed")
                ended = {"number": number, "killed": True, "images": 0}
                await ada.until(partial(is_back, ada, ended), 30)
            os.kill(bot_of(process.pid), signal.SIGKILL)
            _out, err = await process.communicate()
    assert process.returncode == 1
    assert err.decode().startswith("Easel ended 3 times within a minute; the last time it was killed.")
    assert "The last lines of the log" in err.decode()


def test_the_demo_of_an_image_points_to_make(folder: Path) -> None:
    code = "import sys; sys.modules['sandbox'] = None; from bot.__main__ import main; sys.exit(main(['demo']))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env={}, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert (ran.returncode, ran.stderr.count("\n"), "`make demo`" in ran.stderr) == (2, 1, True)


async def test_the_demo_without_the_development_packages_points_to_make(folder: Path) -> None:
    await asyncio.to_thread((folder / "sitecustomize.py").write_text, "import sys; sys.modules['simcord'] = None")
    ran = await run("demo", folder=folder, path=str(folder))
    assert (ran.code, ran.err.count("\n"), "`make demo`" in ran.err, list(folder.glob("easel-demo-*"))) == (2, 1, True, [])  # noqa: ASYNC240 - a moment, at the end
