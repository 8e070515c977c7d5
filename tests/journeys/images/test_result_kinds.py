"""Results of every kind: shown as they are where Discord can, else as a link, else refunded with a sentence. None waits for ever."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from PIL import Image

from bot.app import App
from bot.core.errors import ImageError
from bot.media import codec
from bot.store.money import ledger
from sandbox.images.odd_results import ODD_RESULTS
from sandbox.painter import PaintedImage
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in, statement_of
from tests.env.scripted import scripted
from tests.journeys.conftest import written_down
from tests.journeys.images.test_history import picked
from tests.journeys.moderator_steps import case_post, change_rules, with_moderators
from tests.journeys.operations.test_faults import PRICE, finished
from tests.journeys.operations.test_result_links import endpoint
from tests.journeys.reaction_steps import seen
from tests.journeys.result_steps import press

UNCHANGED = {  # fault: format, frames
    "result-jpeg": ("JPEG", 1),
    "result-profile": ("PNG", 1),
    "result-broken-exif": ("PNG", 1),
    "result-16bit": ("PNG", 1),
    "result-gif": ("GIF", 3),
    "result-animated-webp": ("WEBP", 3),
    "result-animated-png": ("PNG", 3),
}
KNOWN_BAD: dict[str, Any] = {"known_bad": {"hashes": ["0123456789abcdef"]}}
CHECKED: dict[str, Any] = {"checks": {"results": True}}
OXLO_MODEL = "stable-diffusion-1.5"


async def ordered(person: Person, channel: str = "studio", **options: object) -> Message:
    await person.slash("generate", channel, prompt="a red fox", **options)
    return await person.message(finished, channel, timeout_s=30)  # some are large


async def paid(app: App, person: Person) -> int:
    assert await app.store.read(ledger.audit) == []
    statement = await statement_of(app, int(person.id))
    assert statement.held == 0
    return statement.spent


@asynccontextmanager
async def inline(env: Env) -> AsyncIterator[tuple[App, Person]]:
    """A bot whose image API returns images in its answers, and a member."""
    async with env.app(settings=env.oxlo, OXEN_API_KEY="") as app, person_in(env, "Ada") as ada:
        yield app, ada


# --- as they are -------------------------------------------------------------------------------------------------------


async def unchanged(person: Person, message: Message, kind: tuple[str, int]) -> None:
    image = Image.open(io.BytesIO(await person.fetch(message.attachments[0]["url"])))
    assert (image.format, getattr(image, "n_frames", 1)) == kind
    assert "converted" not in message.content


@pytest.mark.parametrize("fault", UNCHANGED)
@pytest.mark.parametrize("options", [{}, {"private": True}, {"channel": "dm"}], ids=["public", "private", "dm"])
async def test_what_discord_shows_is_sent_as_it_is(env: Env, app: App, ada: Person, fault: str, options: dict[str, Any]) -> None:
    env.switchboard.turn_on(fault)
    await unchanged(ada, await ordered(ada, **options), UNCHANGED[fault])
    assert await paid(app, ada) == PRICE


@pytest.mark.parametrize("fault", UNCHANGED)
async def test_an_inline_image_is_sent_as_it_is(env: Env, fault: str) -> None:
    env.switchboard.turn_on(fault)
    async with inline(env) as (_app, ada):
        await unchanged(ada, await ordered(ada), UNCHANGED[fault])


@pytest.mark.parametrize("fault", UNCHANGED)
async def test_a_server_that_checks_images_gets_the_same(app: App, env: Env, ada: Person, fault: str) -> None:
    await change_rules(app, ada, **KNOWN_BAD, **CHECKED)
    env.switchboard.turn_on("moderation-narrow")
    env.switchboard.turn_on(fault)
    await unchanged(ada, await ordered(ada), UNCHANGED[fault])
    assert await paid(app, ada) == PRICE


# --- what is converted -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["result-avif", "result-avif-alpha"])
@pytest.mark.parametrize("rules", [{}, {**KNOWN_BAD, **CHECKED}], ids=["free", "checked"])
async def test_an_avif_becomes_a_png(env: Env, app: App, ada: Person, fault: str, rules: dict[str, Any]) -> None:
    await change_rules(app, ada, **rules)
    env.switchboard.turn_on(fault)
    message = await ordered(ada)
    image = Image.open(io.BytesIO(await ada.fetch(message.attachments[0]["url"])))
    assert (image.format, image.has_transparency_data) == ("PNG", fault.endswith("alpha"))
    assert "Image 1 was converted from AVIF to PNG." in message.content
    assert await paid(app, ada) == PRICE


@pytest.mark.faults("result-avif")
async def test_an_inline_avif_becomes_a_png_and_can_be_opened_later(env: Env) -> None:
    async with inline(env) as (app, ada):
        message = await ordered(ada)
        await written_down(app, message)
        await ada.react(message, "✉️")
        sent = await ada.message(has_image, "dm")
        assert [each.attachments[0]["filename"].rpartition(".")[2] for each in (message, sent)] == ["png", "png"]


@pytest.mark.faults("result-wide")
async def test_a_transparent_image_wider_than_webp_allows_is_made_smaller(env: Env, app: App, ada: Person) -> None:
    message = await ordered(ada)
    image = Image.open(io.BytesIO(await ada.fetch(message.attachments[0]["url"])))
    assert image.has_transparency_data
    assert "Image 1 was converted to" in message.content
    assert await paid(app, ada) == PRICE


@pytest.mark.faults("result-gif-large")
async def test_an_animation_above_the_upload_limit_is_shown_as_a_link(app: App, ada: Person) -> None:
    message = await ordered(ada)
    assert not has_image(message)
    assert "The animation is too large for 10 MB. Open it here: <http" in message.content
    assert await paid(app, ada) == PRICE


async def test_the_link_in_an_answer_is_kept_beside_the_image(env: Env) -> None:
    large = ODD_RESULTS["result-gif-large"](PaintedImage(data=b"", media_type="")).data
    async with scripted() as api:

        async def answer(request: web.Request) -> web.StreamResponse:
            if request.method == "POST":
                return web.json_response({"data": [{"url": f"{api.url}/a.gif"}]})
            return web.Response(body=large)

        api.answer = answer
        async with env.app(settings=endpoint(api.url)) as app, person_in(env, "Ada") as ada:
            assert f"Open it here: <{api.url}/a.gif>" in (await ordered(ada)).content
            assert await paid(app, ada) == 2_000_000


@pytest.mark.faults("result-gif-large")
async def test_without_a_link_an_animation_becomes_a_still_and_the_note_says_so(env: Env) -> None:
    async with inline(env) as (app, ada):
        message = await ordered(ada)
        assert has_image(message)
        assert "Image 1 was shown as a still image, because the animation can't be sent in 10 MB." in message.content
        assert await paid(app, ada) > 0


# --- what cannot be decoded --------------------------------------------------------------------------------------------


@pytest.mark.faults("result-bomb")
async def test_an_image_above_the_pixel_limit_is_shown_as_a_link(app: App, ada: Person) -> None:
    message = await ordered(ada)
    assert not has_image(message)
    assert "The image has 400 megapixels. The limit is" in message.content
    (link,) = [part for part in message.content.split("<") if part.startswith("http")]
    assert (await ada.fetch(link.partition(">")[0])).startswith(b"\x89PNG")
    assert "The link works until <t:" in message.content
    assert "Edit" not in message.buttons
    assert await paid(app, ada) == PRICE


@pytest.mark.faults("result-bomb")
@pytest.mark.parametrize("by_reaction", [False, True])
async def test_what_is_shown_as_a_link_alone_is_reported_and_hidden(app: App, ada: Person, mo: Person, by_reaction: bool) -> None:
    await with_moderators(app, ada, quorum=1)
    message = await seen(mo, await ordered(ada))
    if by_reaction:
        await mo.react(message, "🚩")
    else:
        await press(mo, message, "Report")
        await mo.submit(await mo.modal(), reason="Not here")
    await mo.click(await case_post(mo), "Hide")
    await ada.message(lambda m: m.id == message.id and "||🔗 Image" in m.content)


@pytest.mark.faults("result-bomb")
async def test_a_link_of_a_spoiler_stays_behind_it(ada: Person) -> None:
    content = (await ordered(ada, spoiler=True)).content
    assert content.rpartition("||🔗 Image 1")[2].endswith("||")


@pytest.mark.faults("result-bomb", times=1)
async def test_a_link_beside_an_image_is_hidden_with_it(app: App, ada: Person, mo: Person) -> None:
    await with_moderators(app, ada, quorum=1)
    first = await ordered(ada, count=2)
    await mo.react(await seen(mo, first), "🚩")
    await mo.click(await case_post(mo), "Hide")
    await ada.message(lambda m: m.id == first.id and "||🔗 Image" in m.content)


@pytest.mark.faults("result-bomb", "result-expired")
async def test_a_link_that_has_expired_is_renewed_before_it_is_shown(ada: Person) -> None:
    assert "Open it here: <http" in (await ordered(ada)).content


@pytest.mark.faults("result-bomb")
async def test_a_link_that_needs_the_key_is_not_shown(env: Env, app: App, ada: Person) -> None:
    env.switchboard.turn_on("result-locked")
    message = await ordered(ada)
    assert "http" not in message.content
    assert "You were refunded." in message.content


@pytest.mark.faults("result-bomb")
async def test_a_link_is_not_logged(ada: Person, capsys: pytest.CaptureFixture[str]) -> None:
    await ordered(ada)
    assert "signature=" not in capsys.readouterr().out


@pytest.mark.faults("result-bomb")
async def test_without_a_link_it_is_refunded(env: Env) -> None:
    async with inline(env) as (app, ada):
        message = await ordered(ada)
        assert "The limit is" in message.content
        assert "You were refunded." in message.content
        assert await paid(app, ada) == 0


@pytest.mark.faults("result-bomb")
@pytest.mark.parametrize("rules", [KNOWN_BAD, CHECKED, {"checks": {"results": True, "on_down": "refuse"}}])
@pytest.mark.parametrize("private", [False, True])
async def test_what_a_check_cannot_read_is_withheld_and_refunded(app: App, ada: Person, rules: dict[str, Any], private: bool) -> None:
    await change_rules(app, ada, **rules)
    message = await ordered(ada, private=private)
    assert "This server's content check can't read it, and images must pass it. You were refunded." in message.content
    assert "http" not in message.content
    assert await paid(app, ada) == 0


@pytest.mark.faults("result-bomb")
async def test_a_server_may_allow_what_its_check_cannot_read(app: App, ada: Person) -> None:
    await change_rules(app, ada, checks={"results": True, "on_down": "allow"})
    assert "Open it here: <http" in (await ordered(ada)).content
    assert await paid(app, ada) == PRICE


@pytest.mark.faults("result-tiff")
async def test_an_image_of_another_type_is_linked_at_once(app: App, ada: Person) -> None:
    assert "Easel can't show images of type TIFF. Open it here: <http" in (await ordered(ada)).content
    assert await paid(app, ada) == PRICE


@pytest.mark.parametrize("fault", ["result-tiff", "result-not-image"])
async def test_or_refunded_with_a_sentence_that_is_no_advice(env: Env, fault: str) -> None:
    env.switchboard.turn_on(fault)
    async with inline(env) as (app, ada):
        message = await ordered(ada)
        assert "You were refunded." in message.content
        assert "Use" not in message.content
        assert await paid(app, ada) == 0


# --- what the codec does not expect ------------------------------------------------------------------------------------


def fails(error: Exception) -> Callable[..., Any]:
    def fail(*_args: object, **_options: object) -> Any:
        raise error

    return fail


ERRORS = [ImageError("The image is damaged."), KeyError("unexpected")]


@pytest.mark.faults("result-large")
@pytest.mark.parametrize("error", ERRORS, ids=["expected", "unexpected"])
async def test_an_image_that_cannot_be_made_smaller_is_linked(app: App, ada: Person, monkeypatch: Any, error: Exception) -> None:
    monkeypatch.setattr(codec, "fit", fails(error))
    assert "Open it here: <http" in (await ordered(ada)).content
    assert await paid(app, ada) == PRICE


@pytest.mark.faults("result-large")
@pytest.mark.parametrize("error", ERRORS, ids=["expected", "unexpected"])
async def test_or_refunded_where_there_is_no_link(env: Env, monkeypatch: Any, error: Exception) -> None:
    monkeypatch.setattr(codec, "fit", fails(error))
    async with inline(env) as (app, ada):
        assert "You were refunded." in (await ordered(ada)).content
        assert await paid(app, ada) == 0


@pytest.mark.parametrize("error", ERRORS, ids=["expected", "unexpected"])
async def test_an_image_that_cannot_be_compared_with_known_ones_is_withheld(
    app: App, ada: Person, monkeypatch: Any, error: Exception
) -> None:
    await change_rules(app, ada, **KNOWN_BAD)
    monkeypatch.setattr("bot.media.likeness.fingerprint", fails(error))
    assert "content check can't read it, and images must pass it. You were refunded." in (await ordered(ada)).content
    assert await paid(app, ada) == 0


async def test_an_image_on_which_the_codec_fails_is_linked(app: App, ada: Person, monkeypatch: Any) -> None:
    monkeypatch.setattr(codec, "inspect", fails(KeyError("unexpected")))
    assert "Easel can't read this image. Open it here: <http" in (await ordered(ada)).content
    assert await paid(app, ada) == PRICE


@pytest.mark.faults("upload-refused")
async def test_an_image_that_discord_refuses_at_every_size_is_linked(app: App, ada: Person) -> None:
    assert "It's too large for Discord. Open it here: <http" in (await ordered(ada)).content
    assert await paid(app, ada) == PRICE


# --- what is said ------------------------------------------------------------------------------------------------------


@pytest.mark.faults("result-large")
async def test_what_was_changed_is_said_wherever_the_image_is_sent(env: Env, app: App, ada: Person, mo: Person) -> None:
    await with_moderators(app, ada, quorum=1)
    first, words = await ordered(ada), "Image 1 was converted to JPEG"
    assert words in first.content
    await ada.react(first, "✉️")
    await ada.message(lambda m: words in m.content, "dm")
    await mo.react(await seen(mo, first), "🚩")
    assert words in (await case_post(mo)).content
    await ada.slash("history")
    await picked(ada, await ada.message(lambda m: "Your history" in m.text))
    await ada.click(await ada.message(lambda m: "Post here" in m.buttons), "Post here")
    await ada.message(lambda m: m.id != first.id and has_image(m) and words in m.content)
