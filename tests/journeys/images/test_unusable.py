"""What members read of an attachment that cannot be used, wherever images are taken: which it is, and what to do."""

from __future__ import annotations

import pytest

from bot.app import App
from sandbox.person import Message, Person
from tests.env.app import Env, person_in, statement_of
from tests.env.images import tiny_webp
from tests.env.originals import TO_CLEAN, encoded
from tests.journeys.manager_steps import private_reply

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'
SAVE = "Save it as PNG or JPEG and try again."
UNUSABLE: dict[str, tuple[bytes, str]] = {
    "scan.tif": (encoded("TIFF"), f"scan.tif is in TIFF format. {SAVE}"),
    "photo.jpg": (encoded("TIFF"), f"photo.jpg is in TIFF format. {SAVE}"),
    "a.bmp": (encoded("BMP"), f"a.bmp is in BMP format. {SAVE}"),
    "logo.svg": (SVG, f"logo.svg is in SVG format. {SAVE}"),
    "a.jxl": (b"\xff\x0a" + bytes(40), f"a.jxl is in JPEG XL format. {SAVE}"),
    "form.pdf": (b"%PDF-1.7\n", f"form.pdf is in PDF format. {SAVE}"),
    "film.mp4": (b"\0\0\0\x18ftypmp42" + bytes(40), "film.mp4: The file is a video."),
    "empty.png": (b"", "empty.png: The file is empty. Upload it again."),
    "words.png": (b"not an image at all", "words.png: The file contains text."),
    "cut.png": (encoded("PNG")[:60], "cut.png: The image is damaged or incomplete."),
    "huge.webp": (tiny_webp(16_000, 16_000), "huge.webp: The image has 256 megapixels. The limit is 40."),
}


@pytest.mark.parametrize("name", UNUSABLE)
async def test_an_attachment_that_cannot_be_used_is_named_with_what_to_do(app: App, ada: Person, name: str) -> None:
    content, words = UNUSABLE[name]
    await ada.slash("edit", prompt="in winter", image=ada.upload(name, content, "image/png"))
    await private_reply(ada, words)
    assert (await statement_of(app, int(ada.id))).lines == ()


async def test_a_file_that_is_a_little_too_large_is_never_said_to_have_the_limit(env: Env) -> None:
    async with env.app(REFERENCE_MAX_MB="0.1"), person_in(env, "Ada") as ada:
        await ada.slash("edit", prompt="in winter", image=ada.upload("a.png", bytes(100_001)))
        await private_reply(ada, "a.png is 0.11 MB. The limit is 0.1 MB.")


@pytest.mark.parametrize("menu", ["Edit with Easel", "Use as reference", "Report image", "Image details"])
async def test_a_message_with_another_format_says_which_it_is(ada: Person, ben: Person, menu: str) -> None:
    found = await posted(ben, "scan.tif", encoded("TIFF"))
    await ada.menu(menu, await ada.message(lambda m: m.id == found.id))
    await private_reply(ada, f"scan.tif is in TIFF format. {SAVE}")


@pytest.mark.parametrize("name", ["photo.heic", "photo.avif"])
async def test_a_list_of_known_bad_images_takes_a_phone_photo(mo: Person, name: str) -> None:
    await mo.slash("imageadmin rules hash", image=mo.upload(name, TO_CLEAN[name]()))
    await private_reply(mo, "Images that look like this one won't be shown here")


async def test_a_list_of_known_bad_images_names_what_it_cannot_take(mo: Person) -> None:
    await mo.slash("imageadmin rules hash", image=mo.upload("scan.tif", encoded("TIFF")))
    await private_reply(mo, f"scan.tif is in TIFF format. {SAVE}")


@pytest.mark.parametrize("name", ["photo.heic", "heic.jpg", "photo.avif"])
@pytest.mark.parametrize("menu", ["Edit with Easel", "Use as reference", "Report image", "Image details"])
async def test_a_phone_photo_counts_as_an_image(ada: Person, ben: Person, menu: str, name: str) -> None:
    found = await posted(ben, name, TO_CLEAN[name]())
    await ada.menu(menu, await ada.message(lambda m: m.id == found.id))
    if menu in {"Edit with Easel", "Report image"}:
        assert await ada.modal()
    else:
        await private_reply(ada, "Saved to your tray (1 image)" if menu == "Use as reference" else name)


@pytest.mark.parametrize("name", ["animated.gif", "animated.webp", "animated.png"])
async def test_that_only_one_frame_of_an_animation_is_used_is_said(ada: Person, name: str) -> None:
    await ada.slash("edit", prompt="make it night", image=ada.upload(name, TO_CLEAN[name]()))
    assert (await private_reply(ada, "first frame")).content == "🎞️ Only the first frame of the animation is used."
    await ada.menu("Use as reference", await posted(ada, name, TO_CLEAN[name]()))
    await private_reply(ada, "Your next /edit or /upscale will use it. Only the first frame of the animation is used.")


async def test_a_reaction_says_so_too(ada: Person) -> None:
    said = await ada.say("see", "dm", files=(ada.upload("animated.gif", TO_CLEAN["animated.gif"]()),))
    await ada.react(await ada.message(lambda m: m.id == said, "dm"), "🎨")
    await ada.message(lambda m: m.content.startswith("🎨 Only the first frame of the animation is used."), "dm")


async def posted(person: Person, name: str, content: bytes) -> Message:
    said = await person.say("look", files=(person.upload(name, content),))
    return await person.message(lambda m: m.id == said)
