"""What Discord refuses of a message: it is sent once more without that, and ends in any case."""

from __future__ import annotations

import pytest

from bot.app import App
from bot.store.money import ledger
from sandbox.person import Person
from tests.env.app import Env, has_image, person_in, statement_of
from tests.journeys.conftest import Ask, written_down
from tests.journeys.images.test_history import gallery, opened, picked
from tests.journeys.moderator_steps import GALLERY, MODERATORS, case_post, decide, with_moderators
from tests.journeys.operations.test_faults import PRICE, finished
from tests.journeys.reaction_steps import acted_on, seen
from tests.journeys.result_steps import press

SCAM = "a fox at https://scam.example/free"
LEFT_OUT = "[not allowed by Discord]"


async def test_an_image_is_shown_without_the_words_that_discord_refuses(env: Env, app: App, ada: Person) -> None:
    for number, fault in enumerate(("words-refused", "words-refused-automod"), 1):
        env.switchboard.turn_on(fault)
        await ada.slash("generate", prompt=SCAM, private=fault == "words-refused")
        await ada.until(lambda: len([m for m in ada.messages() if finished(m)]) == number or None)  # noqa: B023  awaited at once
        env.switchboard.turn_off(fault)
    for message in ada.messages():
        assert has_image(message)
        assert LEFT_OUT in message.content
        assert LEFT_OUT in (message.attachments[0].get("description") or "")
        await written_down(app, message)
    assert (await statement_of(app, int(ada.id))).spent == 2 * PRICE


@pytest.mark.faults("images-refused")
async def test_an_image_that_discord_refuses_is_refunded_with_a_sentence(app: App, ada: Person) -> None:
    await app.services.members.change(int(ada.id), lambda chosen: chosen.model_copy(update={"tell_when_done": True}))
    await ada.slash("generate", prompt="a red fox", count=2)
    message = await ada.message(finished)
    assert not has_image(message)
    assert "Image 2 couldn't be used. Discord's filter refused it as explicit. You were refunded." in message.content
    statement = await statement_of(app, int(ada.id))
    assert (statement.held, statement.spent) == (0, 0)
    assert await app.store.read(ledger.audit) == []
    await ada.message(lambda m: "ended without an image" in m.content, "dm")


@pytest.mark.faults("images-refused", times=1)
async def test_an_image_may_be_accepted_behind_a_spoiler(app: App, ada: Person) -> None:
    await ada.slash("generate", prompt="a red fox")
    message = await ada.message(finished)
    assert message.attachments[0]["filename"].startswith("SPOILER_")
    assert (await statement_of(app, int(ada.id))).spent == PRICE


@pytest.mark.faults("upload-refused")
async def test_an_inline_image_that_is_too_large_at_any_size_is_refunded(env: Env) -> None:
    async with env.app(settings=env.oxlo, OXEN_API_KEY="") as app, person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="a red fox")
        assert "It's too large for Discord. You were refunded." in (await ada.message(finished)).content
        assert (await statement_of(app, int(ada.id))).spent == 0


async def test_history_shows_a_row_without_its_words(env: Env, ada: Person, asked: Ask, app: App) -> None:
    for prompt in ("a red fox", SCAM, "a blue bird", "scam.example in winter"):
        await written_down(app, await asked(prompt=prompt))
    env.switchboard.turn_on("words-refused")
    panel = await opened(ada)
    assert [panel.text.count(words) for words in ("a red fox", "scam", "a blue bird", LEFT_OUT)] == [1, 0, 1, 2]
    one = await picked(ada, panel, 2)
    assert LEFT_OUT in one.text


async def test_a_panel_shows_its_text_if_its_images_are_refused(env: Env, ada: Person, asked: Ask, app: App) -> None:
    await written_down(app, await asked())
    for fault in ("gallery-edits-refused", "images-refused", "upload-refused"):
        panel = await opened(ada)
        env.switchboard.turn_on(fault)
        one = await picked(ada, panel)
        assert "a red fox in the snow" in one.text
        assert gallery(one) == []
        env.switchboard.turn_off(fault)


async def test_the_words_are_left_out_wherever_the_image_is_shown(env: Env, app: App, ada: Person, ben: Person, mo: Person) -> None:
    env.switchboard.turn_on("words-refused")
    gallery_of = {"channel_id": ada.channel(GALLERY), "stars": 1}
    await with_moderators(app, ada, quorum=1, log_channel_id=ada.channel(MODERATORS), gallery=gallery_of)
    await app.services.members.change(int(ada.id), lambda chosen: chosen.model_copy(update={"tell_when_done": True}))
    await ada.slash("generate", prompt=SCAM)
    first = await ada.message(finished)
    shown = [await mo.message(lambda m: LEFT_OUT in m.content, MODERATORS), await ada.message(lambda m: LEFT_OUT in m.content, "dm")]
    await ben.react(await seen(ben, first), "⭐")
    shown.append(await ben.message(has_image, GALLERY))
    await press(ada, first, "Details")
    shown.append(await ada.message(lambda m: "**Seeds**" in m.text))
    await ben.react(await seen(ben, first), "✉️")
    shown.append(await ben.message(has_image, "dm"))
    await mo.react(await seen(mo, first), "🚩")
    shown.append(await case_post(mo))
    await mo.slash("imagemod cases", MODERATORS)
    shown.append(await mo.message(lambda m: m.ephemeral and "Case 1" in m.text, MODERATORS))
    await decide(mo, await case_post(mo), "Delete")
    shown.append(await ada.message(lambda m: "deleted your image" in m.content, "dm"))
    assert [LEFT_OUT in each.text for each in shown] == [True] * len(shown)


async def test_of_an_image_that_cannot_be_hidden_the_image_is_taken_off(env: Env, app: App, ada: Person, mo: Person, asked: Ask) -> None:
    await with_moderators(app, ada, quorum=1)
    first = await asked()
    env.switchboard.turn_on("images-refused")
    await mo.react(await seen(mo, first), "🚩")
    post = await case_post(mo)
    assert not has_image(post)
    await mo.click(post, "Hide")
    bare = await ada.message(lambda m: m.id == first.id and not has_image(m))
    assert "Discord doesn't accept its images" in bare.content


async def test_an_image_that_discord_refuses_is_not_sent_on_and_the_member_reads_why(env: Env, app: App, ada: Person, asked: Ask) -> None:
    first = await asked()
    env.switchboard.turn_on("images-refused")
    for gesture in ("✉️", "🙈"):
        await ada.react(first, gesture)
    await ada.until(lambda: {"✉️", "🙈"} <= {word for m in ada.messages("dm") if "as explicit" in m.content for word in m.content.split()})
    await ada.slash("history")
    await picked(ada, await ada.message(lambda m: "Your history" in m.text))
    await ada.click(await ada.message(lambda m: "Post here" in m.buttons), "Post here")
    await ada.message(lambda m: "refused this image as explicit" in m.content)


@pytest.mark.faults("dms-too-fast")
async def test_dms_that_are_opened_too_fast_are_not_closed(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    await ben.react(await seen(ben, first), "✉️")
    await acted_on(app, ben, first, "✉️")
    await ada.slash("mydata export")
    assert "right now, so here it is" in (await ada.message(lambda m: m.ephemeral and bool(m.attachments))).content


async def test_a_job_ends_although_every_text_about_it_is_refused(env: Env, app: App, ada: Person) -> None:
    env.switchboard.turn_on("generation-stuck")
    await ada.slash("generate", prompt="a red fox")
    await ada.message(lambda m: "Cancel" in m.buttons)
    env.switchboard.turn_on("texts-refused")
    env.switchboard.turn_off("generation-stuck")
    await ada.until(lambda: not ada.messages() or None)  # nothing says that it waits
    assert (await statement_of(app, int(ada.id))).spent == 0
