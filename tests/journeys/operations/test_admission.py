"""Admission: nothing is downloaded or decoded for a refusal, and each fact is read once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.app import App
from bot.core.clock import system
from bot.domain.preferences import Consent
from bot.media import codec
from bot.store.moderation import conduct
from sandbox.person import Person
from tests.env.app import Env, has_image, person_in
from tests.env.guild_rules import change_rules
from tests.journeys.conftest import Ask, Traffic, written_down

DEV = "flux-2-dev"  # has sizes, and a safety checker
REFUSALS: dict[str, dict[str, Any]] = {
    "Image creation is paused": {"pause": {"on": True}},
    "You're blocked from creating images here": {},  # a block
    "can't be created in this channel": {"channels": {"allowed": [1]}},
    "don't let you use any model": {"everyone": {"models": []}},
    "can't create private images": {"everyone": {"private": False}},
    "safety checker can't be turned off": {},  # the request turns it off
    "New members can't create images": {"newcomers": {"wait_hours": 48}},
    "1 image at a time": {"everyone": {"max_count": 1}},
    "up to 0.5 MP": {"everyone": {"max_megapixels": 0.5}},
    "images queued (limit: 1)": {"everyone": {"waiting": 1}},
    "monthly budget": {"usd_per_month": "0.01"},
    "pool has 1.": {"pool": {"size": 1}},
    "doesn't allow that prompt": {"prompts": {"block": {"words": ["fox"]}}},
}


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes in bytes of the references that were decoded."""
    sizes: list[int] = []
    decode = codec.clean_reference

    def counted(content: bytes, **limits: int) -> object:
        sizes.append(len(content))
        return decode(content, **limits)

    monkeypatch.setattr(codec, "clean_reference", counted)
    return sizes


@pytest.fixture
async def zoe(env: Env, app: App, ada: Person) -> AsyncIterator[Person]:
    """She joined yesterday."""
    await ada.join("Zoe", days=1)
    async with person_in(env, "Zoe") as person:
        yield person


@pytest.mark.parametrize("sentence", REFUSALS)
async def test_nothing_is_downloaded_or_decoded_for_a_refusal(env: Env, app: App, zoe: Person, decoded: list[int], sentence: str) -> None:
    guild_id = int(zoe.hello["guild"]["id"])
    await change_rules(app.services.guilds, guild_id, **REFUSALS[sentence])
    if "blocked" in sentence:
        await app.store.write(conduct.block, guild_id, int(zoe.id), until=None, reason="spam", by_id=1, now=system())
    options: dict[str, Any] = {"model": DEV, "resolution": "1 MP"} if "0.5 MP" in sentence or "safety" in sentence else {}
    unsafe = {"more": "disable_safety_checker=true"} if "safety" in sentence else {}
    images = {f"image{n}": zoe.upload(f"{n}.png", b"no image at all") for n in (1, 2, 3)}
    await zoe.slash("generate", prompt="a fox", count=2, private="private" in sentence, **options, **unsafe, **images)
    await zoe.message(lambda m: m.ephemeral and sentence in m.content)
    assert (env.discord.downloads, decoded) == ([], [])


async def test_nothing_is_downloaded_without_the_consent_of_all(
    env: Env, app: App, ada: Person, ben: Person, asked: Ask, decoded: list[int]
) -> None:
    first = await asked()
    await ben.menu("Use as reference", await ben.message(lambda m: m.id == first.id and has_image(m)))
    await ben.message(lambda m: "Saved to your tray" in m.content)
    await app.services.members.change(int(ada.id), lambda chosen: chosen.model_copy(update={"consent": Consent.NOBODY}))
    before = len(env.discord.downloads), len(decoded)
    images = {name: ben.upload(f"{name}.png", b"no image at all") for name in ("image", "image2", "image3")}
    await ben.slash("edit", prompt="at night", **images)
    await ben.message(lambda m: "doesn't let you edit" in m.content)
    assert (len(env.discord.downloads), len(decoded)) == before


async def test_nothing_is_downloaded_for_a_form_that_is_refused(env: Env) -> None:
    async with env.app(PICTURES_KEEP_DAYS="0") as app, person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="a red fox")
        await written_down(app, await ada.message(has_image))
        await ada.slash("history")
        panel = await ada.message(lambda m: "Your history" in m.text)
        (choice,) = [c for c in panel.components if c["type"] == 3]
        await ada.select(panel, choice["custom_id"], choice["options"][0]["value"])
        await ada.click(await ada.message(lambda m: m.id == panel.id and "Back" in m.buttons), "Edit")
        form, before = await ada.modal(), len(env.discord.downloads)
        env.switchboard.turn_on("result-not-image")  # only Discord still has it
        await change_rules(app.services.guilds, int(ada.hello["guild"]["id"]), pause={"on": True})
        await ada.submit(form, prompt="at night")
        await ada.message(lambda m: m.ephemeral and "Image creation is paused" in m.content)
        assert len(env.discord.downloads) == before


# --- what an order reads and writes ----------------------------------------------------------------------------------


WRITTEN = ["add", "mark_answered"]  # the order, and which message answers it


def seen(traffic: Traffic) -> tuple[list[str], list[str]]:
    """The reads and writes since the last call, without the model's usual time: who reads it first keeps it for all."""
    reads, writes = traffic.so_far()
    return [each for each in reads if each != "usual_ms"], writes


async def test_an_order_reads_each_thing_once(asked: Ask, traffic: Traffic) -> None:
    await asked()
    assert seen(traffic) == (["_facts_of_order", "_queue_status"], WRITTEN)  # the place in the queue is for the answer


async def test_a_repeated_order_reads_each_thing_once(ada: Person, asked: Ask, traffic: Traffic) -> None:
    first = await asked()
    traffic.so_far()
    await ada.click(first, "Again")
    await ada.message(lambda m: has_image(m) and m.id != first.id)
    # The first job is read, too, and where it is shown.
    assert seen(traffic) == (["get", "of_job", "_facts_of_repeat", "_queue_status"], WRITTEN)


async def test_an_edit_and_its_form_read_each_thing_once(ada: Person, asked: Ask, traffic: Traffic) -> None:
    first = await asked()
    traffic.so_far()
    await ada.click(first, "Edit")
    form = await ada.modal()
    assert seen(traffic) == (["get", "most_available"], ["put"])
    await ada.submit(form, prompt="at night")
    await ada.message(lambda m: has_image(m) and m.id != first.id)
    assert seen(traffic) == (["get", "_facts_of_order", "_queue_status"], WRITTEN)  # the form is read, too


async def test_a_reaction_reads_each_thing_once(ada: Person, asked: Ask, traffic: Traffic) -> None:
    first = await asked()
    traffic.so_far()
    await ada.react(first, "🌙")
    await ada.message(lambda m: has_image(m) and m.id != first.id)
    assert seen(traffic) == (["get", "_facts_of_order", "_queue_status"], ["claim", "add", "note_job", "end_reaction"])
