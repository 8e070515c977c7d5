"""The units for systemd: their paths exist or are explained, systemd accepts them, and their command does what they rely on."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from bot.__main__ import VERBS
from tests.documents.pages import page
from tests.env.app import Env
from tests.imports import PROJECT

UNITS = ("easel.service", "easel@.service")
WATCHDOG = "WATCHDOG=1"
# What a unit may name outside of /opt/easel: the operator makes the first two as the page says, and systemd the third.
OUTSIDE = ("/etc/easel/easel.env", "/etc/easel/secrets/", "/var/lib/easel")


def text_of(unit: str) -> str:
    return (PROJECT / "deploy/systemd" / unit).read_text("utf-8")


def directives(unit: str) -> dict[str, list[str]]:
    """The values of each directive, in their order."""
    found = defaultdict(list)
    for name, value in re.findall(r"^(\w+)=(.*)$", text_of(unit), re.MULTILINE):
        found[name].append(value)
    return found


def environment_of(unit: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for line in directives(unit)["Environment"] for pair in shlex.split(line))


@pytest.mark.parametrize("unit", UNITS)
def test_every_path_exists_or_is_explained(unit: str) -> None:
    lines = [value.replace("file://", "") for values in directives(unit).values() for value in values]
    paths = {path for line in lines for path in re.findall(r"(?<![\w.])/[\w./@-]+", line)}
    here = {path for path in paths if path.startswith("/opt/easel")}
    assert [path for path in here if not (PROJECT / path.removeprefix("/opt/easel").lstrip("/")).exists()] == []
    assert [path for path in paths - here if not path.startswith(OUTSIDE) or path not in page("docs/hosting.md").text] == []


@pytest.mark.parametrize("unit", UNITS)
def test_each_credential_becomes_a_setting(unit: str) -> None:
    loaded = {value.partition(":")[0] for value in directives(unit)["LoadCredential"]}
    given = {name: value for name, value in environment_of(unit).items() if name.endswith("_FILE")}
    assert given == {f"{name.upper()}_FILE": f"%d/{name}" for name in loaded}


def test_the_units_differ_in_what_they_run_and_for_how_long() -> None:
    service, command = directives("easel.service"), directives("easel@.service")
    assert {name for name, values in command.items() if values != service[name]} == {"Description", "Type", "ExecStart"}
    assert command["ExecStart"] == [service["ExecStart"][0].removesuffix("run") + "%i"]
    explained = re.findall(r"(?<!/)easel@(\w+)", page("docs/hosting.md").text)
    assert {"doctor", "invite", "sync", "migrate"} == {*explained} - {"service"} <= {verb.name for verb in VERBS}


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_accepts_the_unit(unit: str, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed here")
    here = tmp_path / unit.replace("@", "@doctor")
    here.write_text(text_of(unit).replace("/opt/easel/.venv/bin/python", sys.executable).replace("=easel\n", "=root\n"))
    verified = subprocess.run([analyze, "verify", here], capture_output=True, text=True, check=False)  # noqa: S603 - systemd's
    assert (verified.returncode, verified.stderr) == (0, "")
    rated = subprocess.run([analyze, "security", "--offline=true", "--threshold=25", here], capture_output=True, text=True, check=False)  # noqa: S603
    assert rated.returncode == 0 or unit == "easel@.service", rated.stdout  # of 100; it runs for a moment only


async def test_the_service_tells_systemd_that_it_is_ready_works_and_stops(env: Env, tmp_path: Path) -> None:
    """As systemd would start it, with the paths of this test: a watchdog that hears nothing for two seconds would end it."""
    secrets, state = tmp_path / "credentials", tmp_path / "state"
    for folder in (secrets, state):
        folder.mkdir()
    (secrets / "discord_token").write_text(f"{env.discord.token}\n")
    (secrets / "oxen_api_key").write_text(env.images.key)
    others = {name: value for name, value in env.environment().items() if name not in ("DISCORD_TOKEN", "OXEN_API_KEY", "DATA_DIR")}
    (tmp_path / "easel.env").write_text("".join(f"{name}={value}\n" for name, value in others.items()))
    moved = {"/opt/easel/.venv/bin/python": sys.executable, "/etc/easel/easel.env": str(tmp_path / "easel.env")}
    command = [moved.get(word, word) for word in shlex.split(directives("easel.service")["ExecStart"][0])]
    given = {
        name: value.replace("%d", str(secrets)).replace("/var/lib/easel", str(state)) for name, value in environment_of(UNITS[0]).items()
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address := str(tmp_path / "notify"))
        manager.setblocking(False)
        bot = await asyncio.create_subprocess_exec(
            *command, cwd=PROJECT, env={**given, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2000000", "PATH": os.environ["PATH"]}
        )
        try:
            told = [await next_message(manager, 30) for _ in range(3)]
            assert (told[0], [WATCHDOG in each for each in told]) == (["READY=1"], [False, True, True])
            bot.send_signal(signal.SIGTERM)
            while (last := await next_message(manager, 10)) != ["STOPPING=1"]:
                assert WATCHDOG in last
            assert await asyncio.wait_for(bot.wait(), 20) == 0
        finally:
            if bot.returncode is None:
                bot.kill()
                await bot.wait()
    assert sorted(path.name for path in state.iterdir() if path.name.startswith("easel")) == ["easel.sqlite3", "easel.sqlite3.lock"]


async def next_message(manager: socket.socket, within_s: float) -> list[str]:
    async with asyncio.timeout(within_s):
        return (await asyncio.get_running_loop().sock_recv(manager, 4096)).decode().splitlines()
