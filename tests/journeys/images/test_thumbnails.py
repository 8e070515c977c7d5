"""Thumbnails are fetched when a panel first shows them, and then kept."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image
from sqlalchemy import func, select, update

from bot.app import App
from bot.store import steps
from bot.store.tables import generations, thumbnails
from sandbox.person import Message, Person
from tests.env.app import Env, has_image
from tests.journeys.conftest import Ask, job_id_of, written_down
from tests.journeys.images.test_history import gallery, opened
from tests.journeys.result_steps import press


async def stored(app: App) -> int:
    return await app.store.read(lambda conn: conn.scalar(select(func.count()).select_from(thumbnails)) or 0)


@pytest.fixture
async def made(app: App, ada: Person, asked: Ask) -> Message:
    """A finished message with two images, whose delivery is stored."""
    message = await asked(count=2)
    await written_down(app, message)
    return message


async def shown(person: Person) -> list[Image.Image]:
    """The images of a fresh panel."""
    return [Image.open(BytesIO(await person.fetch(url))) for url in gallery(await opened(person))]


def by_proxy(env: Env) -> list[str]:
    """What was fetched from Discord's media proxy."""
    return [path for path in env.discord.downloads if path.startswith("/media/attachments/")]


async def expire_links(env: Env, app: App, message: Message) -> None:
    for n in range(2):
        await app.store.write(steps.refresh_url, job_id_of(message), n, f"{env.images.url}/results/gone.png?expires=1")


async def forget(env: Env, app: App, message: Message) -> None:
    """Expire the links, and make the image API not know the images any more."""
    await expire_links(env, app, message)
    unknown = update(generations).where(generations.c.job_id == job_id_of(message)).values(provider_id=None)
    await app.store.write(lambda conn: conn.execute(unknown).rowcount)


async def remove(mo: Person, ada: Person, message: Message) -> None:
    await mo.delete(await mo.message(lambda m: m.id == message.id))
    await ada.until(lambda: all(m.id != message.id for m in ada.messages()) or None)


async def test_a_delivery_makes_no_thumbnails(app: App, made: Message) -> None:
    assert await stored(app) == 0


async def test_discord_resizes_the_image_in_the_message(env: Env, app: App, ada: Person, made: Message) -> None:
    images = await shown(ada)
    assert {(image.format, max(image.size) <= 384) for image in images} == {("WEBP", True)}
    assert (len(images), len(set(by_proxy(env))), await stored(app)) == (2, 2, 2)


async def test_the_second_panel_shows_what_is_kept(env: Env, app: App, ada: Person, mo: Person, made: Message) -> None:
    await shown(ada)
    before = by_proxy(env)
    await remove(mo, ada, made)
    await forget(env, app, made)
    assert (len(await shown(ada)), by_proxy(env)) == (2, before)


async def test_without_its_message_the_original_is_made_smaller(app: App, ada: Person, mo: Person, made: Message) -> None:
    await remove(mo, ada, made)
    assert [image.format for image in await shown(ada)] == ["WEBP", "WEBP"]
    assert await stored(app) == 2


async def test_an_expired_link_to_the_original_is_renewed(env: Env, app: App, ada: Person, mo: Person, made: Message) -> None:
    await remove(mo, ada, made)
    await expire_links(env, app, made)
    assert len(await shown(ada)) == 2


async def test_if_message_and_original_are_gone_the_request_is_shown_without_an_image(
    env: Env, app: App, ada: Person, mo: Person, made: Message
) -> None:
    await remove(mo, ada, made)
    await forget(env, app, made)
    panel = await opened(ada)
    assert ("a red fox" in panel.text, gallery(panel), await stored(app)) == (True, [], 0)


async def test_a_private_image_comes_from_the_image_api(env: Env, app: App, ada: Person, asked: Ask) -> None:
    await written_down(app, await asked(private=True))
    assert len(await shown(ada)) == 1
    assert by_proxy(env) == []


async def test_details_show_thumbnails_to_others(app: App, ben: Person, made: Message) -> None:
    await press(ben, await ben.message(has_image), "Details")
    panel = await ben.message(lambda m: m.ephemeral and "**Prompt**" in m.text)
    assert (len(gallery(panel)), await stored(app)) == (2, 2)


async def test_a_withheld_image_is_not_shown(app: App, ada: Person, made: Message) -> None:
    await app.store.write(steps.spoil, job_id_of(made), 0, "not allowed here", 1)
    assert len(await shown(ada)) == 1
