"""Images that members see are images: in forwards, embeds, galleries and stickers as in attachments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bot.app import App
from bot.core.clock import system
from bot.domain.preferences import Consent
from bot.store import kv
from bot.store.moderation import record
from sandbox.messages import JSON, walk
from sandbox.person import Message, Person
from tests.env.app import Env, has_image
from tests.env.images import png
from tests.journeys.conftest import Ask, job_id_of, written_down
from tests.journeys.images.test_consent import consent
from tests.journeys.images.test_menus import posted
from tests.journeys.manager_steps import guild_of
from tests.journeys.result_steps import press

Show = Callable[[Person], Awaitable[str]]  # posts a message and returns its id

_THREAD_STARTER = 21  # message type
_OWN = "attachment://"
_GALLERY: JSON = {"type": 12, "items": [{"media": {"url": f"{_OWN}a.png"}}, {"media": {"url": f"{_OWN}b.png"}, "spoiler": True}]}
_THUMBNAIL: JSON = {
    "type": 9,
    "components": [{"type": 10, "content": "a fox"}],
    "accessory": {"type": 11, "media": {"url": f"{_OWN}a.png"}},
}
_FILE: JSON = {"type": 13, "file": {"url": f"{_OWN}a.png"}}
_VIDEO: JSON = {"type": "video", "url": "https://videos.example/1", "thumbnail": {"url": f"{_OWN}a.png"}}


def of_bot(files: str, *, embeds: tuple[JSON, ...] = (), components: tuple[JSON, ...] = ()) -> Show:
    """A message of another bot with these files."""

    async def show(person: Person) -> str:
        named = tuple(person.upload(name, png(40, 30)) for name in files.split())
        return await person.let_other_bot_say(files=named, embeds=embeds, components=components)

    return show


async def _forward(person: Person) -> str:
    return await person.forward(await posted(person, png(40, 30), channel="gallery"), "studio")


async def _forward_of_a_gallery(person: Person) -> str:
    first = await person.message(await _is(of_bot("a.png b.png", components=(_GALLERY,)), person))
    return await person.forward(await _seen(person, await person.forward(first, "gallery"), "gallery"), "studio")


async def _link(person: Person) -> str:
    first = await posted(person, png(40, 30), channel="gallery")
    return await person.say(f"look: {first.attachments[0]['url']}")


async def _sticker(person: Person) -> str:
    return await person.say("", sticker="Palette")


async def _is(show: Show, person: Person) -> Callable[[Message], bool]:
    made = await show(person)
    return lambda m: m.id == made


async def _seen(person: Person, message_id: str, channel: str = "studio") -> Message:
    return await person.message(lambda m: m.id == message_id, channel)


SHOWN: dict[str, tuple[Show, int]] = {
    "a forward": (_forward, 1),
    "a forward of a forwarded gallery": (_forward_of_a_gallery, 2),
    "a link to an image": (_link, 1),
    "a sticker": (_sticker, 1),
    "an embed's image and thumbnail": (
        of_bot("a.png b.png", embeds=({"title": "Foxes", "image": {"url": f"{_OWN}a.png"}, "thumbnail": {"url": f"{_OWN}b.png"}},)),
        2,
    ),
    "an embed of another host": (
        of_bot("a.png", embeds=({"image": {"url": "https://foxes.example/a.png", "proxy_url": f"{_OWN}a.png"}},)),
        1,
    ),
    "a gallery": (of_bot("a.png b.png", components=({"type": 17, "components": [_GALLERY]},)), 2),
    "a section's thumbnail": (of_bot("a.png", components=(_THUMBNAIL,)), 1),
    "a file component": (of_bot("a.png", components=(_FILE,)), 1),
}

NOT_SHOWN: dict[str, tuple[Show, str]] = {
    "an animated sticker": (lambda person: person.say("", sticker="Wave"), "That sticker is a vector animation"),
    "a video's preview": (of_bot("a.png", embeds=(_VIDEO,)), "That message has a video"),
    "an image of another format": (of_bot("fox.bmp logo.svg"), "fox.bmp is in BMP format. Save it as PNG or JPEG and try again."),
    "a video": (of_bot("fox.mp4"), "That message has a video"),
    "text": (lambda person: person.say("just words"), "That message has no image"),
}


async def chosen(person: Person, menu: str, message: Message, words: str) -> None:
    """Choose an entry of a message's menu, and wait for its answer."""
    seen = {m.id for m in person.messages()}
    await person.menu(menu, message)
    await person.message(lambda m: m.id not in seen and m.ephemeral and words in m.text)


async def test_every_way_of_showing_an_image_works_in_every_menu(app: App, ada: Person, ben: Person) -> None:
    for name, (show, count) in SHOWN.items():
        message = await _seen(ada, await show(ben))
        await chosen(ada, "Use as reference", message, f"Saved to your tray ({count} image")
        await chosen(ada, "Image details", message, "didn't create")
        await ada.menu("Report image", message)
        await ada.dismiss(await ada.modal())
        await ada.menu("Edit with Easel", message)
        modal = await ada.modal()
        assert any(c.get("custom_id") == "picture" for c in walk(modal.components)) == (count > 1), name
        await ada.dismiss(modal)
        await app.services.members.clear_tray(int(ada.id))


async def test_what_is_no_image_is_called_what_it_is(ada: Person, ben: Person) -> None:
    for show, sentence in NOT_SHOWN.values():
        message = await _seen(ada, await show(ben))
        for menu in ("Use as reference", "Image details", "Report image", "Edit with Easel"):
            await chosen(ada, menu, message, sentence)
    image = await posted(ada, png(40, 30))
    thread = await ada.thread("Foxes", image.channel_id, message=image)
    await ben.menu("Use as reference", await ben.message(lambda m: m.raw["type"] == _THREAD_STARTER, thread))
    await ben.message(lambda m: "Discord doesn't show Easel" in m.text, thread)  # without the intent


async def _hidden_link(person: Person) -> str:
    first = await posted(person, png(40, 30), channel="gallery")
    return await person.say(f"careful: ||{first.attachments[0]['url']} || and `||`")


async def test_what_is_behind_a_spoiler_stays_there(app: App, ada: Person, ben: Person) -> None:
    container: JSON = {"type": 17, "spoiler": True, "components": [_FILE]}
    for show in (of_bot("a.png b.png", components=(_GALLERY,)), of_bot("a.png", components=(container,)), _hidden_link):
        form = await ada.menu("Edit with Easel", await _seen(ada, await show(ben)))
        assert (await app.services.reader.read(kv.get, f"form:{form}") or {})["spoiler"]
    form = await ada.menu("Edit with Easel", await _seen(ada, await _link(ben)))
    assert "spoiler" not in (await app.services.reader.read(kv.get, f"form:{form}") or {})


# --- whose they are ----------------------------------------------------------------------------------------------------


async def _forwarded(by: Person, message: Message, channel: str = "gallery") -> Message:
    return await _seen(by, await by.forward(message, channel), channel)


async def test_the_author_of_a_forwarded_image_decides_who_may_edit_it(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    made, photo = await asked(), await posted(ada, png(40, 30))
    await consent(app, ada, Consent.NOBODY)
    for original in (made, photo):
        once = await _forwarded(ben, original)
        for message in (once, await _forwarded(ben, once)):
            for menu in ("Use as reference", "Edit with Easel"):
                await refused(ben, menu, message, "doesn't let you edit their images")


async def refused(person: Person, menu: str, message: Message, words: str) -> None:
    seen = {m.id for m in person.messages("gallery")}
    await person.menu(menu, message)
    await person.message(lambda m: m.id not in seen and m.ephemeral and words in m.text, "gallery")


async def test_a_forward_is_edited_stays_hidden_and_is_reported_as_who_forwarded_it(
    env: Env, app: App, ada: Person, ben: Person, asked: Ask
) -> None:
    forward = await _forwarded(ben, await asked(spoiler=True))
    await ada.menu("Edit with Easel", forward)
    await ada.submit(await ada.modal(), prompt="in winter")
    edit = await ada.message(lambda m: "in winter" in m.content and has_image(m), "gallery")
    assert edit.attachments[0]["filename"].startswith("SPOILER_")
    assert "easel-" in str((await env.generations())[1]["input_image"])
    await ada.menu("Report image", forward)  # hers, but not shown here by her
    await ada.submit(await ada.modal(), reason="not here")
    await ada.message(lambda m: "Thanks" in m.text, "gallery")
    (report,) = (await app.store.read(record.of_member, int(ben.id), guild_of(ada), now=system())).reports
    assert (report.message_id, report.job_id) == (int(forward.id), None)


async def test_details_of_a_forward_are_those_of_its_image_until_that_is_deleted(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    made = await asked()
    await written_down(app, made)  # with the preview that the panel shows
    forward = await _forwarded(ben, made)
    await ben.menu("Image details", forward)
    panel = await ben.message(lambda m: m.ephemeral and "**Support code**" in m.text, "gallery")
    assert job_id_of(made) in panel.text
    await refused(ben, "Use as reference", panel, "only previews")
    await press(ada, made, "Delete")
    await ada.until(lambda: all(m.id != made.id for m in ada.messages()) or None)
    await refused(ben, "Edit with Easel", forward, "The original of that image was deleted")


async def test_a_forward_carries_no_image_out_of_an_age_restricted_channel(ada: Person, ben: Person, asked: Ask) -> None:
    for original in (await asked("after-dark"), await posted(ada, png(40, 30), channel="after-dark")):
        forward = await _forwarded(ben, original)
        for menu in ("Edit with Easel", "Use as reference"):
            await refused(ben, menu, forward, "age-restricted")
        await ada.menu("Report image", forward)
        await ada.dismiss(await ada.modal())
