"""The web socket for people: what it answers to invalid requests, and what each of several viewers sees."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

import aiohttp
import pytest

from sandbox.discord import DiscordServer
from sandbox.person import NotDoneError, Person

from .echo_bot import EchoBot


async def test_the_chat_page_is_served(server: DiscordServer) -> None:
    async with aiohttp.ClientSession() as http, http.get(server.url) as page:
        assert (page.status, page.content_type) == (200, "text/html")


@pytest.mark.parametrize(("origin", "status"), [("http://elsewhere.example", 403), (None, 200)])
async def test_another_sites_page_is_refused(server: DiscordServer, origin: str | None, status: int) -> None:
    headers = {"Origin": origin or server.url}
    async with aiohttp.ClientSession(headers=headers) as http, http.get(f"{server.url}/people") as answer:
        assert answer.status == status


@pytest.mark.parametrize(("path", "status"), [("kill", 409), ("ended", 404)])
async def test_nobody_kills_a_bot_that_nobody_would_start_again(server: DiscordServer, path: str, status: int) -> None:
    async with aiohttp.ClientSession() as http, http.post(f"{server.url}/bot/{path}", json={"killed": True}) as answer:
        assert answer.status == status


async def test_every_person_is_listed(server: DiscordServer) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{server.url}/people") as answer:
        people = (await answer.json())["people"]
    assert [(p["name"], p["moderator"], p["bot"]) for p in people] == [
        ("Ada", False, False),
        ("Ben", False, False),
        ("Mo", True, False),
        ("Easel", False, True),
    ]


async def test_an_unknown_person_gets_no_socket(server: DiscordServer) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{server.url}/people/socket", params={"as": "Zoe"}) as answer:
        assert (answer.status, await answer.json()) == (404, {"error": "Nobody here is called Zoe."})


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        ("no json", "A frame must be a JSON object."),
        ("[1]", "A frame must be a JSON object."),
        ("{}", "Nobody knows how to do None."),
        ('{"do": "fly"}', "Nobody knows how to do 'fly'."),
        ('{"do": "slash"}', "The channel_id is not a number."),
        ('{"do": "slash", "channel_id": "1"}', "There is no such channel here."),
        ('{"do": "say", "channel_id": {}}', "The channel_id is not a number."),
        ('{"do": "submit", "interaction_id": "1", "fields": []}', "fields is missing or not what it should be."),
        ('{"do": "fault", "name": "gravity"}', "There is no fault called gravity."),
        ('{"do": "fault", "name": "dms-closed", "on": true, "times": 0}', "times is a number from 1, or null."),
        ('{"do": "join", "name": "ada"}', "There is already somebody called ada."),
    ],
)
async def test_a_malformed_frame_is_refused_with_a_message(server: DiscordServer, frame: str, sentence: str) -> None:
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{server.url}/people/socket?as=Ada") as socket:
        await socket.receive_json()
        await socket.send_str(frame)
        assert await socket.receive_json() == {"id": None, "ok": False, "error": sentence}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"content": "  "}, "An empty message cannot be sent."),
        ({"content": "x" * 2001}, "A message has at most 2000 characters."),
        ({"content": "x", "uploads": ["nope"]}, "That upload is not known."),
    ],
)
async def test_a_message_that_cannot_be_sent_is_refused(ada: Person, fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(NotDoneError) as refused:
        await ada.ask("say", channel_id=ada.channel("studio"), **fields)
    assert str(refused.value) == sentence


async def test_an_upload_over_the_limit_is_refused(ada: Person) -> None:
    with pytest.raises(NotDoneError, match=r"big\.png is larger than 10 MiB"):
        await ada.say("look", files=(ada.upload("big.png", bytes(10 * 1024 * 1024 + 1)),))


async def test_a_file_just_below_the_limit_is_uploaded_and_downloaded(ada: Person) -> None:
    data = bytes(10 * 1024 * 1024)
    await ada.say("look", files=(ada.upload("big.bin", data),))
    attachment = (await ada.message(lambda m: m.content == "look")).attachments[0]
    assert (attachment["size"], attachment["content_type"]) == (len(data), "application/octet-stream")
    assert len(await ada.fetch(attachment["url"])) == len(data)


async def test_two_viewers_of_one_person_see_the_same(bot: EchoBot, ada: Person) -> None:
    async with Person.connect(ada.url, "Ada") as also_ada:
        await ada.slash("form")
        modal = await also_ada.modal()
        await also_ada.submit(modal, words="from the other page", colour=["red"])
        await ada.until(lambda: not ada.modals)
        await ada.slash("echo", text="quiet", quietly=True)
        await also_ada.message(lambda m: m.ephemeral)


async def test_a_form_is_opened_for_its_person_alone(bot: EchoBot, ada: Person, ben: Person) -> None:
    await ada.slash("form")
    modal = await ada.modal()
    with pytest.raises(NotDoneError, match="That form is not open"):
        await ben.submit(modal, words="mine now", colour=["red"])
    assert ben.modals == []


async def test_a_wait_that_times_out_shows_the_last_messages(ada: Person) -> None:
    await ada.say("the last words")
    with pytest.raises(AssertionError, match="the last words"):
        await ada.message(lambda m: m.content == "never", timeout_s=0.05)


def test_the_program_prints_its_addresses_and_exits_cleanly() -> None:
    with subprocess.Popen([sys.executable, "-m", "sandbox", "--fast"], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        addresses = json.loads(program.stdout.readline())
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=10) == 0
    assert {"page", "discord_api_url", "discord_gateway_url", "discord_cdn_host", "discord_token", "images_url"} <= set(addresses)
