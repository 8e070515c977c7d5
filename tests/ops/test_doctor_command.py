"""`python -m bot doctor` as an operator runs it before everything is set up: each cause is one line, and the rest is still checked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import test_utils, web

from tests.env.app import Env
from tests.env.command import Ran, run

NO_LOGIN = "not checked, because the bot can't log in to Discord."
NO_TOKEN = "not checked without a DISCORD_TOKEN."
OF_DISCORD = ("intents", "commands", "permissions", "gateway")
# What an unplugged cable looks like to Python: no name has an address.
OFFLINE = """
import socket
ask = socket.getaddrinfo
def getaddrinfo(host, *more, **options):
    if host not in ("127.0.0.1", "localhost"):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return ask(host, *more, **options)
socket.getaddrinfo = getaddrinfo
"""


def lines(ran: Ran, severity: str) -> list[str]:
    return [line.removeprefix(f"{severity:<4}  ") for line in ran.out.splitlines() if line.split()[0] == severity]


@pytest.fixture
def offline(tmp_path: Path) -> str:
    """A folder for PYTHONPATH that takes the network from a process."""
    (tmp_path / "sitecustomize.py").write_text(OFFLINE)
    return str(tmp_path)


async def test_without_any_settings_it_says_how_to_make_them_and_checks_the_rest(folder: Path, offline: str) -> None:
    ran = await run("doctor", folder=folder, path=offline)
    assert (ran.code, ran.err) == (1, "")
    (first,) = lines(ran, "bad")
    assert first.startswith("settings: There are no settings yet: run `cp .env.example .env`")
    assert [line.partition(":")[0] for line in lines(ran, "skip")] == ["Discord token", *OF_DISCORD, "image APIs", "event stream"]
    assert [line.partition(":")[0] for line in lines(ran, "ok")] == ["limits", "database", "backups", "moderations", "image hosts"]


async def test_without_a_token_the_image_apis_are_checked(env: Env, folder: Path) -> None:
    ran = await run("doctor", folder=folder, environ=env.environment(DISCORD_TOKEN=""))
    assert lines(ran, "bad") == [
        "Discord token: DISCORD_TOKEN (or DISCORD_TOKEN_FILE) is missing: copy the token from the Bot page of your Discord application."
    ]
    assert lines(ran, "skip") == [f"{name}: {NO_TOKEN}" for name in OF_DISCORD]
    assert "image APIs: Oxen.ai: it accepts the key." in lines(ran, "ok")


async def test_without_an_image_api_discord_is_checked(env: Env, folder: Path) -> None:
    ran = await run("doctor", folder=folder, environ=env.environment(OXEN_API_KEY=""))
    assert [line.partition(" is missing")[0] for line in lines(ran, "bad")] == [
        "image APIs: OXEN_API_KEY, OXLO_API_KEY or OPENAI_ENDPOINTS"
    ]
    assert {"Discord token", "gateway"} <= {line.partition(":")[0] for line in lines(ran, "ok")}


async def test_a_wrong_token_is_one_bad_line(env: Env, folder: Path) -> None:
    ran = await run("doctor", folder=folder, environ=env.environment(DISCORD_TOKEN="MTIz.wrong.token"))
    assert ran.err == ""
    assert lines(ran, "bad") == ["Discord token: Discord refused DISCORD_TOKEN; copy it again from the Bot page of your application."]
    assert lines(ran, "skip") == [f"{name}: {NO_LOGIN}" for name in OF_DISCORD]


async def test_a_wrong_key_is_one_bad_line(env: Env, folder: Path) -> None:
    ran = await run("doctor", folder=folder, environ=env.environment(OXEN_API_KEY="wrong"))
    assert [line.partition(",")[0] for line in lines(ran, "bad")] == ["image APIs: Oxen.ai: it refuses OXEN_API_KEY"]


async def test_offline_it_says_what_to_do_and_names_no_setting_that_was_never_set(folder: Path, offline: str) -> None:
    environ = {"DISCORD_TOKEN": "made-up-token", "OXEN_API_KEY": "made-up-key"}
    ran = await run("doctor", folder=folder, environ=environ, path=offline)
    assert [line.partition(";")[0] for line in lines(ran, "bad")] == [
        "Discord token: Discord does not answer",
        "image APIs: Oxen.ai: https://hub.oxen.ai does not answer as an image API does",
    ]
    assert [name for name in ("DISCORD_API_URL", "DISCORD_GATEWAY_URL", "DISCORD_CDN_HOSTS", "OXEN_BASE_URL") if name in ran.out] == []
    assert "check this machine's internet connection and DNS, and discordstatus.com." in ran.out


async def test_wrong_values_are_lines_beside_all_other_checks(env: Env, folder: Path) -> None:
    await asyncio.to_thread((folder / ".env").write_text, "MAX_RUNING=2\n")
    ran = await run("doctor", folder=folder, environ=env.environment(OXEN_MODE="fast", LOG_LEVL="INFO"))
    assert lines(ran, "bad") == [
        "settings: MAX_RUNING in .env is not a setting; did you mean MAX_RUNNING?",
        "settings: OXEN_MODE must be events, poll or sync; it is 'fast'.",
    ]
    assert "settings: LOG_LEVL in the environment is not a setting; did you mean LOG_LEVEL?" in lines(ran, "warn")
    assert "image APIs: Oxen.ai: it accepts the key." in lines(ran, "ok")


async def test_it_logs_in_once(env: Env, folder: Path) -> None:
    asked: list[str] = []

    async def refuse(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=401)

    app = web.Application()
    app.router.add_get("/{path:.*}", refuse)
    async with test_utils.TestServer(app) as server:
        await run("doctor", folder=folder, environ=env.environment(DISCORD_API_URL=str(server.make_url("/api"))))
    assert asked == ["/api/users/@me"]
