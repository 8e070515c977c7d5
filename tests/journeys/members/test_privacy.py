"""/privacy and /mydata: information, export, erasure."""

from __future__ import annotations

import asyncio
import gzip
import json
from contextlib import suppress
from pathlib import Path

import pytest

from bot.app import App
from bot.domain.job import JobState
from bot.store import history
from bot.store.money import ledger
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in, statement_of
from tests.env.job_steps import in_state
from tests.journeys.conftest import Ask
from tests.services.conftest import eventually


async def asked_to_erase(person: Person, channel: str = "studio") -> Message:
    await person.slash("mydata erase", channel)
    return await person.message(lambda m: "Delete everything" in m.buttons, channel)


async def test_privacy_says_what_is_stored_how_long_and_where_it_goes(env: Env) -> None:
    async with env.app(REFERENCES_KEEP_DAYS="3", PICTURES_KEEP_DAYS="1"), person_in(env, "Ada") as ada:
        await ada.slash("privacy")
        short = await ada.message(lambda m: "Your privacy" in m.text)
        assert (short.ephemeral, short.text.count(". ") + short.text.count(".\n") <= 3, "Oxen.ai" in short.text) == (True, True, True)
    async with env.app(REFERENCES_KEEP_DAYS="3", PICTURES_KEEP_DAYS="1"), person_in(env, "Ada") as ada:
        await ada.click(short, "What is stored")
        panel = await ada.message(lambda m: "## What is stored" in m.text)
        assert panel.ephemeral
        for part in ("3 days after the result", "Full images: 1 day.", "Oxen.ai", "</mydata erase:"):
            assert part in panel.text


async def test_an_export_comes_as_a_file_by_direct_message(ada: Person, asked: Ask) -> None:
    made = await asked()
    await ada.slash("mydata export")
    sent = await ada.message(has_image, "dm")
    document = json.loads(await ada.fetch(sent.attachments[0]["url"]))
    assert document["member"] == ada.id
    assert sent.content.startswith("## Your data\nThe file contains: Requests, ")
    assert not any(table in sent.content for table in document["tables"])
    assert [job["prompt"] for job in document["tables"]["jobs"]] == ["a red fox in the snow"]
    assert [link.rpartition("/")[2] for link in document["messages"]] == [made.id]


async def test_a_large_export_comes_in_several_messages(app: App, ada: Person, asked: Ask) -> None:
    await asked()
    object.__setattr__(app.services.privacy, "file_max_bytes", 1)  # frozen
    await ada.slash("mydata export")
    await ada.message(lambda m: "Sent to you by DM" in m.content)
    files = [await ada.fetch(attachment["url"]) for message in ada.messages("dm") for attachment in message.attachments]
    tables = [json.loads(gzip.decompress(each))["tables"] for each in files]
    assert len(files) > 1
    assert sum(len(each.get("jobs", [])) for each in tables) == 1


async def test_with_closed_direct_messages_an_export_is_an_ephemeral_file(ada: Person, asked: Ask) -> None:
    await asked()
    await ada.dms(open=False)
    await ada.slash("mydata export")
    sent = await ada.message(lambda m: "DMs are closed" in m.content)
    assert sent.ephemeral
    assert json.loads(await ada.fetch(sent.attachments[0]["url"]))["tables"]["jobs"]


async def test_erasing_asks_for_confirmation_and_can_be_cancelled(app: App, ada: Person, asked: Ask) -> None:
    await asked()
    panel = await asked_to_erase(ada)
    await ada.click(panel, "Cancel")
    await ada.message(lambda m: m.id == panel.id and "Nothing was deleted" in m.text)
    assert (await app.store.read(history.page, int(ada.id))).total == 1


async def test_erasing_deletes_messages_and_stored_data(app: App, ada: Person, asked: Ask) -> None:
    await asked()
    await asked(prompt="another fox")
    panel = await asked_to_erase(ada)
    await ada.click(panel, "Delete everything")
    done = await ada.message(lambda m: m.id == panel.id and "was deleted" in m.text)
    assert "2 messages are being deleted" in done.text
    await ada.until(lambda: not any(map(has_image, ada.messages())) or None)
    async with app.services.privacy.export(int(ada.id)) as exported:
        assert {name: count for name, count in exported.counts.items() if count} == {"accounts": 1, "ledger": 1}
    assert await app.store.read(ledger.audit) == []


async def test_no_file_keeps_a_word_of_an_erased_member(env: Env, app: App, ada: Person, asked: Ask) -> None:
    await ada.slash("style save", name="xyzzy", prefix="xyzzy")
    await ada.message(lambda m: "Saved" in m.content)
    await asked(prompt="a xyzzy in the snow")
    env.switchboard.turn_on("generation-stuck")
    await ada.slash("generate", prompt="another xyzzy")
    await ada.message(lambda m: "Generating" in m.content)
    assert files_with(env.folder, b"xyzzy")
    panel = await asked_to_erase(ada)
    await ada.click(panel, "Delete everything")

    async def none_left() -> bool:
        return not await asyncio.to_thread(files_with, env.folder, b"xyzzy")

    assert await eventually(none_left)


def files_with(folder: Path, word: bytes) -> list[str]:
    """The files that contain a word; those that are deleted meanwhile do not."""
    found = []
    for path in folder.rglob("*"):
        with suppress(OSError):
            if path.is_file() and word in path.read_bytes():
                found.append(path.name)
    return found


async def test_erasing_does_not_refill_the_quota(app: App, ada: Person, asked: Ask) -> None:
    await asked()
    panel = await asked_to_erase(ada)
    await ada.click(panel, "Delete everything")
    await ada.message(lambda m: m.id == panel.id and "was deleted" in m.text)
    statement = await statement_of(app, int(ada.id))
    assert statement.spent == 0
    assert statement.available < 999_000_000


async def test_erasing_cancels_running_jobs_and_shows_no_result(env: Env, app: App, ada: Person) -> None:
    env.switchboard.turn_on("generation-stuck")
    await ada.slash("generate", prompt="a red fox")
    await ada.message(lambda m: "Generating" in m.content)
    panel = await asked_to_erase(ada)
    await ada.click(panel, "Delete everything")
    await ada.message(lambda m: m.id == panel.id and "was deleted" in m.text)
    await ada.until(lambda: not any("red fox" in m.content for m in ada.messages()) or None)
    env.switchboard.turn_off("generation-stuck")
    for state in (JobState.OPEN, JobState.DELIVERABLE):
        assert await app.store.read(in_state, state) == []


@pytest.mark.parametrize("channel", ["dm", "elsewhere", "private"])
async def test_privacy_commands_work_where_the_bot_is_not_a_member(ada: Person, asked: Ask, channel: str) -> None:
    await asked()
    await ada.slash("privacy", channel)
    await ada.message(lambda m: "Your privacy" in m.text, channel)
    panel = await asked_to_erase(ada, channel)
    await ada.click(panel, "Delete everything")
    await ada.message(lambda m: m.id == panel.id and "was deleted" in m.text, channel)


async def test_a_confirmation_open_during_a_restart_works(env: Env) -> None:
    async with Person.connect(env.discord.url, "Ada") as ada:
        async with env.app():
            await ada.until(lambda: (ada.bot_online and "mydata" in ada.commands) or None)
            await ada.slash("generate", prompt="a red fox")
            await ada.message(has_image)
            panel = await asked_to_erase(ada)
        async with env.app() as app:
            await ada.until(lambda: ada.bot_online or None)
            await ada.click(panel, "Delete everything")
            await ada.message(lambda m: m.id == panel.id and "was deleted" in m.text)
            assert (await app.store.read(history.page, int(ada.id))).total == 0
            await ada.until(lambda: not any(map(has_image, ada.messages())) or None)
