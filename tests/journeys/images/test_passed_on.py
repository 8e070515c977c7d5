"""What arrives at an image API of a reference image: upright and without metadata on every route, a link only where nothing is to clean."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from bot.core.settings.field_types import ReferenceMode
from bot.store import jobs
from sandbox import discord
from sandbox.person import File, Message, Person
from tests.env.app import Env, has_image, person_in
from tests.env.originals import BARE, SECRET, TO_CLEAN, TURNED, encoded, photo, remains, text
from tests.journeys.conftest import Ask, job_id_of
from tests.journeys.manager_steps import private_reply
from tests.journeys.reaction_steps import NOTE, note_for, until_generations
from tests.services.conftest import FakeClock

GPT = "gpt-image-2"
DEV = "flux-2-dev"
SD = "stable-diffusion-1.5"
LINKED: Mapping[str, Callable[[], bytes]] = {
    **BARE,
    "large.png": lambda: encoded("PNG", photo((3000, 2800))),  # cleaned in a process of its own
}


async def arrived(env: Env, person: Person) -> list[tuple[bool, bytes]]:
    """Each reference that Oxen was sent, in order: whether as a link, and the bytes."""
    sent: list[tuple[bool, bytes]] = []
    for generation in await env.generations():
        given = generation.get("input_image") or []
        for reference in [given] if isinstance(given, str) else given:
            _head, comma, text = reference.partition(";base64,")
            sent.append((not comma, base64.b64decode(text) if comma else await person.fetch(reference)))
    return sent


def is_turned(content: bytes) -> bool:
    with Image.open(io.BytesIO(content)) as image:
        return image.height > image.width


async def edit(person: Person, name: str, original: bytes, **more: Any) -> Message:
    before = {message.id for message in person.messages()}
    await person.slash("edit", prompt="make it night", image=person.upload(name, original), **more)
    return await person.message(lambda m: has_image(m) and m.id not in before)


@pytest.mark.parametrize("mode", ReferenceMode)
async def test_an_original_with_something_to_clean_is_cleaned_in_every_mode(env: Env, mode: str) -> None:
    async with env.app(REFERENCE_MODE=mode), person_in(env, "Ada") as ada:
        for name, original in TO_CLEAN.items():
            await edit(ada, name, original())
        sent = await arrived(env, ada)
        assert [(is_link, remains(content)) for is_link, content in sent] == [(False, [])] * len(TO_CLEAN)
        assert [is_turned(content) for _is_link, content in sent] == [name in TURNED for name in TO_CLEAN]
        assert SECRET not in str(await env.generations())


@pytest.mark.parametrize("mode", ReferenceMode)
async def test_a_link_is_passed_on_where_there_is_nothing_to_clean(env: Env, mode: str) -> None:
    async with env.app(REFERENCE_MODE=mode), person_in(env, "Ada") as ada:
        for name, original in LINKED.items():
            await edit(ada, name, original())
        for (is_link, content), original in zip(await arrived(env, ada), LINKED.values(), strict=True):
            assert is_link is (mode != ReferenceMode.INLINE)
            assert content == original() if is_link else remains(content) == []


async def test_an_image_api_that_reads_no_links_gets_cleaned_images(env: Env) -> None:
    async with env.app(settings=env.oxlo, REFERENCE_MODE="link"), person_in(env, "Ada") as ada:
        originals = {name: original() for name, original in {**BARE, **TO_CLEAN}.items() if name != "large.jpg"}  # its request is not kept
        for name, original in originals.items():
            await edit(ada, name, original, model=SD)
        sent = [base64.b64decode(each.json["image"].rpartition(",")[2]) for each in env.images.received("POST", "/v1/images/edits")]
        assert [remains(content) for content in sent] == [[]] * len(originals)


async def test_a_mask_is_passed_on_without_metadata_and_never_counts_as_a_link(env: Env) -> None:
    async with env.app(REFERENCE_MODE="link") as app, person_in(env, "Ada") as ada:
        mask = ada.upload("mask.png", encoded("PNG", Image.new("L", (48, 32), "white"), pnginfo=text()))
        made = await edit(ada, "plain.png", BARE["plain.png"](), model=GPT, mask=mask)
        (sent,) = await env.generations()
        _image, stored = await app.store.read(jobs.references_of, job_id_of(made))
    assert remains(base64.b64decode(sent["mask_url"].partition(",")[2])) == []
    assert (stored.url, stored.url_expires_at) == (None, None)


@pytest.mark.parametrize("mode", ReferenceMode)
async def test_a_repeated_edit_passes_no_link_on_that_has_expired(env: Env, mode: str) -> None:
    clock = FakeClock()
    async with env.app(REFERENCE_MODE=mode, clock=clock), person_in(env, "Ada") as ada:
        made = await edit(ada, "plain.png", BARE["plain.png"]())
        clock.advance(2 * 86_400_000)
        await ada.click(made, "Again")
        await until_generations(env, 2)
        (_first, (is_link, content)) = await arrived(env, ada)
        assert (is_link, remains(content)) == (False, [])


# --- routes ----------------------------------------------------------------------------------------------------------


async def posted(person: Person, photo: File) -> Message:
    said = await person.say("my photo", files=(photo,))
    return await person.message(lambda m: m.id == said)


async def by_option(ada: Person, photo: File) -> None:
    await ada.slash("generate", prompt="both", model=DEV, image1=photo)


async def by_menu(ada: Person, photo: File) -> None:
    await ada.menu("Edit with Easel", await posted(ada, photo))
    await ada.submit(await ada.modal(), prompt="in winter")


async def by_form(ada: Person, photo: File) -> None:
    await ada.menu("Edit with Easel", await posted(ada, photo))
    await ada.submit(await ada.modal(), prompt="both", references=[photo])


async def by_preset(ada: Person, photo: File) -> None:
    await ada.react(await posted(ada, photo), "🎨")


async def by_note(ada: Person, photo: File) -> None:
    await ada.react(await posted(ada, photo), "✏️")
    await ada.click(await note_for(ada), NOTE)
    await ada.submit(await ada.modal(), prompt="in winter")


async def by_tray(ada: Person, photo: File) -> None:
    await ada.menu("Use as reference", await posted(ada, photo))
    await private_reply(ada, "Saved to your tray")
    await ada.slash("edit", prompt="in winter")


async def by_forward(ada: Person, photo: File) -> None:
    said = await ada.forward(await posted(ada, photo), "studio")
    await ada.menu("Edit with Easel", await ada.message(lambda m: m.id == said))
    await ada.submit(await ada.modal(), prompt="in winter")


async def by_upscale(ada: Person, photo: File) -> None:
    await ada.slash("upscale", image=photo)


async def by_upscale_menu(ada: Person, photo: File) -> None:
    await ada.menu("Upscale with Easel", await posted(ada, photo))
    modal = await ada.modal()
    await ada.submit(modal, offer=[modal.control("offer")["options"][0]["value"]])


async def by_embed(ada: Person, photo: File) -> None:
    embed = {"image": {"url": f"attachment://{photo.filename}"}}
    said = await ada.let_other_bot_say(files=(photo,), embeds=(embed,))
    await ada.menu("Edit with Easel", await ada.message(lambda m: m.id == said))
    await ada.submit(await ada.modal(), prompt="in winter")


async def by_again(ada: Person, photo: File) -> None:
    await ada.click(await edit(ada, photo.filename, photo.data), "Again")


async def by_again_reaction(ada: Person, photo: File) -> None:
    await ada.react(await edit(ada, photo.filename, photo.data), "🔁")


ROUTES = (by_option, by_menu, by_form, by_preset, by_note, by_tray, by_forward, by_upscale, by_upscale_menu, by_again, by_again_reaction)
PASSED_ON = [(route, name) for route in ROUTES for name in ("portrait.jpg", "portrait.heic")] + [(by_embed, "portrait.jpg")]


@pytest.fixture
async def reading(env: Env) -> AsyncIterator[Env]:
    """A bot that may read what members post, so that reactions to their images work."""
    intents = frozenset({"message_content"})
    async with discord.serve(switchboard=env.switchboard, privileged_intents=intents) as server:
        yield replace(env, discord=server, overrides={"MESSAGE_CONTENT_INTENT": "true", "REFERENCE_MODE": "link"})


@pytest.mark.parametrize(("route", "name"), PASSED_ON)
async def test_every_route_passes_on_the_cleaned_image(reading: Env, route: Callable[[Person, File], Awaitable[None]], name: str) -> None:
    env = reading
    async with env.app(), person_in(env, "Ada") as ada:
        await route(ada, ada.upload(name, TO_CLEAN[name]()))
        await until_generations(env, 2 if "again" in route.__name__ else 1)
        sent = await arrived(env, ada)
        assert [(is_turned(content), remains(content)) for _is_link, content in sent] == [(True, [])] * len(sent)
        assert len(sent) > 0


@pytest.mark.parametrize("fault", ["broken-exif", "profile", "16bit", "gif", "animated-webp", "animated-png", "avif"])
async def test_a_result_as_a_reference_is_passed_on_without_metadata(env: Env, ada: Person, asked: Ask, fault: str) -> None:
    """Results are shown as they came, where Discord takes them."""
    env.switchboard.turn_on(f"result-{fault}", times=1)
    made = await asked()
    await ada.react(made, "🎨")
    await until_generations(env, 2)
    ((_is_link, content),) = await arrived(env, ada)
    assert remains(content) == []
