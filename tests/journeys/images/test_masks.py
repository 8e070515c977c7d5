"""A mask says where an edit changes its image: with every kind of API, again, and after a fallback."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image, ImageChops

from bot.app import App
from bot.domain.job import ReferenceRole
from bot.store import jobs
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in, statement_of
from tests.env.images import png
from tests.journeys.conftest import job_id_of, written_down

GPT, KLEIN, SD = "gpt-image-2", "black-forest-labs-flux-2-klein-4b", "stable-diffusion-1.5"
SIZE = (96, 96)  # that of a draft


def mask(size: tuple[int, int] = SIZE, colour: str = "white") -> bytes:
    """A mask whose left half has this colour."""
    image, buffer = Image.new("L", size), io.BytesIO()
    image.paste(colour, (0, 0, size[0] // 2, size[1]))
    image.save(buffer, "PNG")
    return buffer.getvalue()


async def order(person: Person, /, image: bytes | None = png(*SIZE), masked: bytes = mask(), **options: Any) -> None:
    attached = {} if image is None else {"image": person.upload("day.png", image)}
    await person.slash(
        "edit", **{"prompt": "only the left", "model": GPT, **attached, "mask": person.upload("mask.png", masked), **options}
    )


async def edited(person: Person, **options: Any) -> Message:
    await order(person, **options)
    return await person.message(lambda m: has_image(m) and "only the left" in m.content)


async def refused(person: Person, **options: Any) -> str:
    await order(person, **options)
    return (await person.message(lambda m: m.ephemeral)).content


def changed_box(content: bytes) -> tuple[int, int, int, int] | None:
    """Where an image differs from what was edited."""
    made = Image.open(io.BytesIO(content)).convert("RGB")
    return ImageChops.difference(made, Image.open(io.BytesIO(png(*made.size))).convert("RGB")).getbbox()


async def test_only_what_is_white_is_changed(env: Env, ada: Person) -> None:
    message = await edited(ada, masked=mask((960, 960)))
    (made,) = await env.generations()
    sent = Image.open(io.BytesIO(base64.b64decode(made["mask_url"].partition(",")[2])))
    assert (sent.format, sent.mode, sent.size) == ("PNG", "L", SIZE)
    content = await ada.fetch(message.attachments[0]["url"])
    box, width = changed_box(content), Image.open(io.BytesIO(content)).width
    assert box is not None
    assert box[0] < 4
    assert box[2] <= width // 2 + 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"masked": mask((96, 48))}, "🚫 The mask is 96×48 pixels and the image 96×96. Use a mask of the image's size."),
        ({"masked": mask(colour="black")}, "🚫 The mask is all black, so nothing would change. Make white what should change."),
        ({"masked": b"nothing"}, "🚫 mask.png"),
        ({"model": KLEIN}, "🚫 FLUX.2 Klein 4B can't use a mask. Leave the mask out, or choose GPT Image 2."),
        ({"more": "mask_url=mine"}, "🚫 You can't set mask_url. Attach a mask to /edit instead."),
    ],
)
async def test_what_cannot_be_used_is_refused_and_costs_nothing(app: App, ada: Person, options: dict[str, Any], sentence: str) -> None:
    assert (await refused(ada, **options)).startswith(sentence)
    statement = await statement_of(app, int(ada.id))
    assert (statement.held, statement.spent) == (0, 0)


async def test_a_mask_without_an_image_is_refused(ada: Person) -> None:
    assert "Attach an image to edit" in await refused(ada, image=None)


async def test_the_image_may_be_in_the_tray_which_is_emptied(env: Env, ada: Person) -> None:
    said = await ada.say("mine", files=(ada.upload("day.png", png(*SIZE)),))
    await ada.menu("Use as reference", await ada.message(lambda m: m.id == said))
    await ada.message(lambda m: "Saved to your tray" in m.content)
    await edited(ada, image=None)
    (made,) = await env.generations()
    assert (len(made["input_image"]), made["mask_url"][:10]) == (1, "data:image")
    await ada.slash("tray show")
    await ada.message(lambda m: "empty" in m.text.lower())


async def test_a_mask_is_kept_after_the_images_and_has_no_link(app: App, ada: Person) -> None:
    kept = await app.store.read(jobs.references_of, job_id_of(await edited(ada)))
    assert [each.role for each in kept] == [ReferenceRole.REFERENCE, ReferenceRole.MASK]
    assert kept[1].url is None


async def test_again_uses_the_mask_again(app: App, env: Env, ada: Person) -> None:
    message = await edited(ada)
    await written_down(app, message)
    await ada.click(message, "Again")
    await ada.message(lambda m: has_image(m) and m.id != message.id)
    first, second = await env.generations()
    assert first["mask_url"] == second["mask_url"]


def endpoint(env: Env, **more: Any) -> dict[str, Any]:
    model = {"id": SD, "title": "Local", "sizes": ["512x512"], "edits": True, "masks": True}
    address = {"base_url": env.images.openai_url, "key": env.images.openai_key}
    return {"name": "local", **address, "price_credits": 2, "models": [model], **more}


@pytest.mark.parametrize("encoding", ["multipart", "json_base64", "json_data_uri"])
async def test_openai_s_contract_gets_a_transparent_png(env: Env, encoding: str) -> None:
    settings = json.dumps([endpoint(env, edit_encoding=encoding)])
    async with env.app(OPENAI_ENDPOINTS=settings), person_in(env, "Ada") as ada:
        message = await edited(ada, model="Local")
        box = changed_box(await ada.fetch(message.attachments[0]["url"]))
        assert box is not None
        assert box[2] <= 512 // 2 + 6
