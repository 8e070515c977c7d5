"""The bot behind a REST proxy, which keeps Discord's rate limits for all processes together."""

from __future__ import annotations

import asyncio

import discord
import pytest
from structlog.testing import capture_logs

from bot.app import assemble
from sandbox.person import Person
from tests.env.app import Env, has_image, person_in, statement_of
from tests.env.images import png
from tests.env.rest_proxy import ProxyRefusal, RestProxy, rest_proxy

MANY = {"MAX_RUNNING_PER_USER": "20", "MAX_RUNNING_PER_SERVER": "20", "MAX_RUNNING": "20"}


async def deliveries(person: Person) -> list[int]:
    """How many images each of these places shows, after one was ordered in each."""
    places = ("studio", "dm", "elsewhere")
    for channel in places:
        await person.slash("generate", channel, prompt="a red fox")
        await person.message(has_image, channel)
    return [len([message for message in person.messages(channel) if has_image(message)]) for channel in places]


def calls(proxy: RestProxy, start: str) -> int:
    return sum(len(times) for bucket, times in proxy.passed.items() if bucket.startswith(start))


async def test_everything_but_files_and_the_gateway_passes_the_proxy_at_its_pace(env: Env) -> None:
    async with rest_proxy(env.discord.api_url, burst=2) as proxy, env.app(settings=MANY, DISCORD_API_URL=proxy.url):
        async with person_in(env, "Ada") as ada:
            assert await deliveries(ada) == [1, 1, 1]
            assert len(await asyncio.gather(*(ada.slash("ping", "dm") for _ in range(6)))) == 6
            await ada.slash("edit", "studio", prompt="make it blue", image=ada.upload("a.png", png(40, 30)))
            await ada.until(lambda: len([m for m in ada.messages("studio") if has_image(m)]) == 2 or None)
        assert proxy.most_at_once == 2
        started = ("GET /gateway/bot", "PUT /applications", "POST /interactions/", "PATCH /webhooks/")
        assert {start: calls(proxy, start) > 0 for start in started} == dict.fromkeys(started, True)
        assert env.discord.refused == [], "Discord itself has refused nothing"


@pytest.mark.parametrize("refusal", ProxyRefusal)
async def test_what_the_proxy_refuses_for_now_is_sent_later_and_shown_once(env: Env, refusal: ProxyRefusal) -> None:
    env.switchboard.turn_on("token-expired", times=1)  # so that a message is edited by the bot's token too
    refusing = rest_proxy(env.discord.api_url, refusal=refusal)
    with capture_logs() as logged:
        async with refusing as proxy, env.app(settings=MANY, DISCORD_API_URL=proxy.url) as app, person_in(env, "Ada") as ada:
            proxy.refusals = 1
            assert await deliveries(ada) == [1, 1, 1]
            assert {bucket.split("/")[1] for bucket, times in proxy.refused.items() if times} >= {"webhooks", "channels"}
            assert (await statement_of(app, int(ada.id))).held == 0
    assert [line["event"] for line in logged if line["log_level"] == "error"] == []


async def test_an_unencrypted_proxy_makes_no_local_discord(env: Env) -> None:
    proxied = env.settings(
        DISCORD_API_URL="http://proxy:8080/api/v10", DISCORD_GATEWAY_URL="wss://gateway.discord.gg/", DISCORD_CDN_HOSTS="cdn.discordapp.com"
    )
    async with assemble(proxied) as app:
        assert not app.services.results.links.opens_private, "members cannot open addresses of this machine's network"
        assert discord.Asset.BASE == "https://cdn.discordapp.com"
