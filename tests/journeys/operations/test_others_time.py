"""Nobody takes the time of other servers: while one is kept busy on purpose, a command elsewhere is acknowledged within a second."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import pytest

from bot.app import App
from bot.core.settings.endpoints import OxenSettings
from bot.providers.factory import BuildContext, ImageApi
from bot.providers.oxen import Oxen
from bot.providers.provider import Provider
from bot.store import kv
from sandbox.person import Person
from tests.env.app import Env, has_image, person_in
from tests.env.guild_rules import change_rules
from tests.env.images import tiny_webp
from tests.journeys.manager_steps import guild_of

SLOW = tuple(f"(a?){{200}}a{{200}}b{n}|a" for n in range(8))  # each match costs as much as a whole search
HUGE: dict[str, Any] = {  # three kilobytes that become 200,000 parts
    "$defs": {"0": {"enum": list(range(90))}, "1": {"anyOf": [{"$ref": "#/$defs/0"}] * 20}},
    "properties": {f"p{n}": {"$ref": "#/$defs/1"} for n in range(100)},
}
HUGE_MODELS = [{"id": f"huge-{n}", "endpoint": "/images/generations", "request_schema": HUGE} for n in range(100)]
MEGABYTE = 1024 * 1024


async def acknowledged_during(attack: Awaitable[object], person: Person) -> None:
    """Until the attack ends, every command in another server is answered within a second.

    If the machine is busy with something else, the second is one of processor time.
    """
    attacking = asyncio.ensure_future(attack)
    while not attacking.done():
        begun, begun_working = time.monotonic(), time.process_time()
        await person.slash("generate", "elsewhere", prompt="a red fox")
        assert min(time.monotonic() - begun, time.process_time() - begun_working) < 1
        await asyncio.wait([attacking], timeout=0.05)
    await attacking


@pytest.mark.parametrize(("edits", "names"), [(1, ["image"]), pytest.param(6, ["image", "image2"], marks=pytest.mark.slow)])
async def test_huge_references_of_a_few_bytes(app: App, ada: Person, ben: Person, edits: int, names: list[str]) -> None:
    async def attack() -> None:
        images = [{name: ada.upload(f"{name}.webp", tiny_webp(8000, 5000)) for name in names} for _ in range(edits)]
        await asyncio.gather(*(ada.slash("edit", prompt="at night", **each) for each in images))
        await ada.until(lambda: len([m for m in ada.messages() if has_image(m)]) == edits or None, timeout_s=120)

    await acknowledged_during(attack(), ben)


@pytest.mark.slow
async def test_patterns_that_are_slow_over_their_matches(app: App, ada: Person, ben: Person) -> None:
    await change_rules(app.services.guilds, guild_of(ada), prompts={"allow": {"patterns": SLOW}})

    async def attack() -> None:
        await asyncio.gather(*(ada.slash("generate", prompt="a" * 2000) for _ in range(3)))
        await ada.until(lambda: len([m for m in ada.messages() if "took too long" in m.content]) == 3 or None, timeout_s=30)

    await acknowledged_during(attack(), ben)


@pytest.mark.slow
async def test_huge_references_for_the_tray(app: App, ada: Person, ben: Person) -> None:
    async def attack() -> None:
        for n in range(2):
            files = (ada.upload(f"{n}.webp", tiny_webp(4000, 4000)),)
            await ada.say(f"image {n}", files=files)
            await ada.menu("Use as reference", await ada.message(lambda m: f"image {n}" in m.content))  # noqa: B023  awaited in the loop
        await ada.message(lambda m: "Saved to your tray (2 images)" in m.content, timeout_s=60)
        await ada.slash("tray show")
        await ada.message(lambda m: len(m.attachments) == 2, timeout_s=60)

    await acknowledged_during(attack(), ben)


async def test_rules_that_are_slow_are_tested_without_holding_others(app: App, mo: Person, ben: Person) -> None:
    await change_rules(app.services.guilds, guild_of(mo), prompts={"block": {"patterns": SLOW}, "allow": {"words": ["toy"]}})
    await acknowledged_during(asyncio.gather(*(mo.slash("imageadmin rules test", prompt="a" * 2000) for _ in range(4))), ben)


@pytest.mark.parametrize(
    "document",
    [
        {f"k{n}": 1 for n in range(80_000)},
        {"channels": {"allowed": ["x"] * 200_000}},
        {"prompts": {"block": {"words": ["*"] * 200_000}}},
        {"roles": {f"1{n}": {"models": [n]} for n in range(35_000)}},
    ],
    ids=["unknown names", "ids", "words", "roles"],
)
async def test_a_settings_file_full_of_errors(app: App, mo: Person, ben: Person, document: dict[str, Any]) -> None:
    content = json.dumps(document, separators=(",", ":")).encode()
    assert MEGABYTE // 2 < len(content) < MEGABYTE

    async def attack() -> None:
        for _ in range(4):
            await mo.slash("imageadmin import", file=mo.upload("settings.json", content))
        await mo.until(lambda: len([m for m in mo.messages() if "too many values" in m.text]) == 4 or None, timeout_s=30)

    await acknowledged_during(attack(), ben)


async def test_the_largest_settings_file(app: App, mo: Person, ben: Person) -> None:
    words = {"words": [f"*{n} word of the list*" for n in range(1000)], "patterns": [f"a{n}b+" for n in range(100)]}
    lists = {"allow": words, "flag": words, "block": words}
    document = {"prompts": lists, "known_bad": {"hashes": [f"{n:016x}" for n in range(1, 10_001)]}}
    content = json.dumps(document).encode()

    async def attack() -> None:
        await mo.slash("imageadmin import", file=mo.upload("settings.json", content))
        preview = await mo.message(lambda m: "Apply" in m.buttons)
        await mo.click(preview, "Apply")
        await mo.message(lambda m: m.id == preview.id and "Apply" not in m.buttons)
        await mo.slash("imageadmin export")
        await mo.message(lambda m: bool(m.attachments))
        await mo.slash("generate", prompt="a" * 2000)

    await acknowledged_during(attack(), ben)


class Hostile(Oxen):
    """An image API whose list has models of a size that cannot be read, before those that can."""

    async def models(self) -> Sequence[Mapping[str, Any]]:
        return [*HUGE_MODELS, *await super().models()]


async def test_a_list_of_models_that_grow_when_they_are_read(env: Env, capsys: pytest.CaptureFixture[str]) -> None:
    def build(_settings: OxenSettings, context: BuildContext) -> Provider:
        return Hostile(session=context.session, base_url=env.images.url, api_key=env.images.key)

    assert len(json.dumps(HUGE_MODELS)) < MEGABYTE // 2
    (oxen,) = env.settings().providers
    async with env.app(more_apis=[ImageApi(settings=oxen, build=build)]) as app, person_in(env, "Ben") as ben:
        await acknowledged_during(app.models.refresh("oxen"), ben)
        assert sorted(model.id for model in app.models.offered)[:2] == [
            "black-forest-labs-flux-2-klein-4b",
            "black-forest-labs-flux-2-klein-9b",
        ]
        assert "huge-99" in capsys.readouterr().out
        kept = await app.store.read(kv.get, "models:oxen")
        assert [model["id"] for model in kept or [] if model["id"].startswith("huge")] == []
