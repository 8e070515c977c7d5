"""Reactions to images: what each gesture does, also after a restart."""

from __future__ import annotations

import pytest

from bot.app import App
from bot.core.clock import system
from bot.domain.gestures import normalized_emoji
from bot.domain.preferences import Consent
from bot.store import messages
from bot.store.engine.base import Topic
from bot.store.moderation import record
from sandbox.person import Person
from tests.env.app import Env, has_image, person_in
from tests.journeys.conftest import Ask
from tests.journeys.reaction_steps import NOTE, PRICE, answer_to, direct_message, new_image, note_for, seen, spent, unmarked, until_stars
from tests.services.conftest import FakeClock, eventually

# --- ✏️ --------------------------------------------------------------------------------------------------------------


async def test_an_edit_reaction_posts_a_note_whose_button_opens_the_form(env: Env, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    await ben.react(await seen(ben, first), "✏️")
    await ben.click(await note_for(ben), NOTE)
    await ben.submit(await ben.modal(), prompt="in winter")
    await ben.message(lambda m: "in winter" in m.content and has_image(m))
    assert "easel-" in str((await env.generations())[1]["input_image"])


async def test_the_note_is_deleted_when_its_form_is_sent(ada: Person, asked: Ask) -> None:
    await ada.react(await asked(), "✏️")
    note = await note_for(ada)
    await ada.click(note, NOTE)
    await ada.submit(await ada.modal(), prompt="in winter")
    await ada.until(lambda: all(m.id != note.id for m in ada.messages()) or None)


async def test_the_note_is_deleted_after_two_minutes(env: Env) -> None:
    clock = FakeClock()
    async with env.app(clock=clock) as app, person_in(env, "Ada") as ada:
        await ada.react(await new_image(ada), "✏️")
        await note_for(ada)
        clock.advance(121_000)
        app.store.wake(Topic.MEMBERS)  # a fake clock sends no event
        await ada.until(lambda: not any(NOTE in m.buttons for m in ada.messages()) or None)


async def test_the_note_is_deleted_when_the_reaction_is_removed(ada: Person, asked: Ask) -> None:
    first = await asked()
    await ada.react(first, "✏️")
    await note_for(ada)
    await ada.unreact(first, "✏️")
    await ada.until(lambda: not any(NOTE in m.buttons for m in ada.messages()) or None)


async def test_an_image_is_not_edited_without_the_author_s_consent(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    await app.services.members.change(int(ada.id), lambda chosen: chosen.model_copy(update={"consent": Consent.NOBODY}))
    first = await asked()
    for emoji in ("✏️", "🎨"):
        await ben.react(await seen(ben, first), emoji)
        await direct_message(ben, "doesn't let you edit")


# --- presets ---------------------------------------------------------------------------------------------------------


async def test_a_preset_edits_on_the_quota_of_the_reacting_member_and_replies(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    await ben.react(await seen(ben, first), "🎨")
    edit = await answer_to(ben, first)
    await unmarked(ben, first)
    assert "watercolour" in edit.content
    assert f"<@{ben.id}>" in edit.content
    assert (await spent(app, ben), await spent(app, ada)) == (PRICE, PRICE)


async def test_an_emoji_matches_with_and_without_its_variation_selector(ada: Person, asked: Ask) -> None:
    first = await asked()
    await ada.react(first, normalized_emoji("❄️"))
    assert "winter" in (await answer_to(ada, first)).content


async def test_a_preset_uses_the_first_of_several_images(env: Env, ada: Person, asked: Ask) -> None:
    first = await asked(count=2)
    await ada.react(first, "🌙")
    await answer_to(ada, first)
    assert first.attachments[0]["filename"] in str((await env.generations())[2]["input_image"])


async def test_the_edit_of_a_hidden_image_is_hidden(ada: Person, asked: Ask) -> None:
    first = await asked(spoiler=True)
    await ada.react(first, "🎨")
    assert (await answer_to(ada, first)).attachments[0]["filename"].startswith("SPOILER_")


async def test_without_credit_a_direct_message_says_so(env: Env) -> None:
    async with env.app(QUOTA_CREDITS="2", QUOTA_REFILL_PER_DAY="0"), person_in(env, "Ada") as ada:
        first = await new_image(ada)
        await ada.react(first, "🎨")
        await direct_message(ada, "This costs 1.4 credits")
        assert len([m for m in ada.messages() if has_image(m)]) == 1


async def test_a_preset_works_in_direct_messages(ada: Person, asked: Ask) -> None:
    first = await asked("dm")
    await ada.react(first, "🎨")
    await answer_to(ada, first, "dm")
    await unmarked(ada, first, "dm")


# --- 🔁 ✉️ -----------------------------------------------------------------------------------------------------------


async def test_again_replies_on_the_quota_of_the_reacting_member(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    await ben.react(await seen(ben, first), "🔁")
    second = await answer_to(ben, first)
    await unmarked(ben, first)
    assert f"<@{ben.id}>" in second.content
    assert await spent(app, ben) == PRICE


async def test_the_files_are_sent_by_direct_message_with_their_parameters(ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked(seed=5, count=2)
    await ben.react(await seen(ben, first), "✉️")
    files = await ben.message(has_image, "dm")
    assert len(files.attachments) == 2
    for part in ("a red fox in the snow", "FLUX.2 Klein 4B", "Seed: 5, 6"):
        assert part in files.content
    assert "Job" not in files.content


async def test_the_files_are_not_sent_where_direct_messages_are_closed(ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    await ben.dms(open=False)
    await ben.react(await seen(ben, first), "✉️")
    note = await ben.message(lambda m: ben.id in m.pings)
    assert "🚫 ✉️ Easel can't DM you why" in note.content


async def test_an_image_sent_by_direct_message_can_be_edited_there(ada: Person, ben: Person, asked: Ask) -> None:
    await ben.react(await seen(ben, await asked()), "✉️")
    files = await ben.message(has_image, "dm")
    await ben.react(files, "🎨")
    assert "watercolour" in (await answer_to(ben, files, "dm")).content


# --- ❌ 🙈 🚩 ⭐ ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Ada", "Mo"])
async def test_the_requester_and_moderators_delete_an_image(env: Env, app: App, asked: Ask, ada: Person, name: str) -> None:
    first = await asked()
    async with person_in(env, name) as person:
        await person.react(await seen(person, first), "❌")
        await ada.until(lambda: not any(has_image(m) for m in ada.messages()) or None)
    assert await spent(app, ada) == PRICE


async def test_others_cannot_delete_an_image(ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    await ben.react(await seen(ben, first), "❌")
    await direct_message(ben, "Only the author or a moderator")


async def test_a_delete_reaction_on_a_waiting_message_cancels(env: Env, app: App, ada: Person) -> None:
    env.switchboard.turn_on("generation-stuck")
    await ada.slash("generate", prompt="a red fox")
    await ada.react(await ada.message(lambda m: "Generating" in m.content), "❌")
    await ada.message(lambda m: "Cancelled" in m.content)
    assert await spent(app, ada) == 0


async def test_a_hide_reaction_hides_the_images_and_keeps_the_buttons(app: App, ada: Person, asked: Ask) -> None:
    first = await asked(count=2)
    await ada.react(first, "🙈")
    hidden = await ada.message(lambda m: m.id == first.id and "||" in m.content)
    assert [a["filename"].startswith("SPOILER_") for a in hidden.attachments] == [True, True]
    assert list(hidden.buttons) == list(first.buttons)
    assert hidden.content.startswith("**||a red fox in the snow||**\n-# 🙈 Hidden by its author.")
    shown = await app.store.read(messages.job_of, int(first.id))
    assert shown is not None
    assert shown.spoiler


async def test_others_cannot_hide_an_image(ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    await ben.react(await seen(ben, first), "🙈")
    await direct_message(ben, "Only the author or a moderator")
    assert not (await seen(ada, first)).attachments[0]["filename"].startswith("SPOILER_")


async def test_a_flag_is_stored_once(app: App, ada: Person, ben: Person, mo: Person, asked: Ask) -> None:
    await mo.permit_bot("manage_messages", on=False)
    first = await asked()
    await ben.react(await seen(ben, first), "🚩")
    await until_flagged(app, ada, [(int(ben.id), int(first.id))], stays=True)
    await ben.unreact(await seen(ben, first), "🚩")
    await until_flagged(app, ada, [])
    await ben.react(await seen(ben, first), "🚩")
    await until_flagged(app, ada, [(int(ben.id), int(first.id))])


async def until_flagged(app: App, author: Person, flags: list[tuple[int, int]], *, stays: bool = False) -> None:
    """Wait until these are the flags on a member's images, as pairs of user and message. `stays`: with their reactions."""

    async def is_so() -> bool | None:
        known = await app.store.read(record.of_member, int(author.id), int(author.hello["guild"]["id"]), now=system())
        is_settled = not stays or all(flag.reaction_stays for flag in known.reports)
        return (is_settled and [(flag.user_id, flag.message_id) for flag in known.reports] == flags) or None

    await eventually(is_so)


async def test_the_author_s_own_star_does_not_count(app: App, ada: Person, ben: Person, mo: Person, asked: Ask) -> None:
    first = await asked()
    for person in (ada, ben, mo):
        await person.react(await seen(person, first), "⭐")
    await until_stars(app, first, 2)
    await ben.unreact(await seen(ben, first), "⭐")
    await until_stars(app, first, 1)


async def test_an_old_image_is_repeated_after_a_restart(env: Env) -> None:
    async with env.app(), person_in(env, "Ada") as ada:
        await new_image(ada)
    async with env.app() as app, person_in(env, "Mo") as mo:
        first = await mo.message(has_image)
        await mo.react(first, "🔁")
        await answer_to(mo, first)
        assert await spent(app, mo) == PRICE
