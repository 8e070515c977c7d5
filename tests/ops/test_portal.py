"""The invitation, the permissions in a guild, and a sentence for each unusable response of Discord."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from bot.core.errors import EaselError
from bot.ops import portal
from bot.ops.portal import NEEDED, PERMISSIONS, Portal
from tests.env.app import Env

UNREADABLE = "Discord at DISCORD_API_URL answered something that cannot be read; check that address."
Answering = Callable[[web.Response], Awaitable[str]]


@pytest.fixture
async def answering() -> AsyncIterator[Answering]:
    """Starts a server that gives this response to every request; returns its base URL."""
    runners: list[web.AppRunner] = []

    async def answering_(answer: web.Response) -> str:
        async def handle(_: web.Request) -> web.Response:
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

        app = web.Application()
        app.router.add_get("/{path:.*}", handle)
        runners.append(web.AppRunner(app))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runners[-1].addresses[0][1]}/api"

    yield answering_
    for runner in runners:
        await runner.cleanup()


async def test_the_invitation_asks_for_the_needed_permissions_and_no_more(env: Env) -> None:
    text = await portal.invitation(env.settings())
    assert f"client_id={env.discord.application_id}&integration_type=0&scope=bot+applications.commands&permissions={NEEDED.value}" in text
    assert f"client_id={env.discord.application_id}&integration_type=1&scope=applications.commands" in text
    assert [name for name in PERMISSIONS if not getattr(NEEDED, name)] == []
    assert NEEDED.value.bit_count() == len(PERMISSIONS)


async def test_an_invitation_needs_a_valid_token(env: Env) -> None:
    with pytest.raises(EaselError, match="Discord refused DISCORD_TOKEN"):
        await portal.invitation(env.settings(DISCORD_TOKEN="MTIz.wrong.token"))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (web.json_response({}), UNREADABLE),
        (web.json_response([1]), UNREADABLE),
        (web.json_response({"id": "no number", "username": "Easel"}), UNREADABLE),
        (web.Response(text="{not json", content_type="application/json"), UNREADABLE),
        (web.Response(text="<html>", content_type="text/html"), UNREADABLE),
        (web.Response(status=204), UNREADABLE),
        (web.Response(status=302, headers={"Location": "/elsewhere"}), "refused the request (status 302); try again later."),
        (web.Response(status=403), "refused the request (status 403); try again later."),
        (web.json_response({"retry_after": 60, "global": True}, status=429, headers={"Via": "1.1"}), "try again in a minute."),
        (web.Response(status=502), "refused the request (status 502); try again later."),
    ],
)
async def test_an_unusable_response_fails_at_once_with_a_sentence(
    env: Env, answering: Answering, answer: web.Response, sentence: str
) -> None:
    settings = env.settings(DISCORD_API_URL=await answering(answer))
    with pytest.raises(EaselError) as caught:
        async with asyncio.timeout(1):
            await portal.invitation(settings)
    assert caught.value.sentence.endswith(sentence)


async def test_a_timeout_has_a_sentence(env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portal, "_LIMIT_S", 0)
    with pytest.raises(EaselError, match="DISCORD_API_URL does not answer within 0 s; check that address"):
        await portal.invitation(env.settings())


async def test_a_report_names_channels_with_missing_permissions(env: Env) -> None:
    async with Portal.open(env.settings()) as discord:
        (guild_id,) = await discord.guild_ids()
        report = await discord.report(guild_id)
    assert (report.name, report.missing, report.restricted_channels) == ("Easel Studio", (), ("quiet",))


async def test_an_unknown_guild_has_a_sentence(env: Env) -> None:
    async with Portal.open(env.settings()) as discord:
        with pytest.raises(EaselError, match=r"refused the request \(status 404\)"):
            await discord.report(1)
