"""Edits that members ask for by a message: they reply to an image and mention the bot."""

from __future__ import annotations

import pytest

from bot.app import App
from bot.domain.preferences import Consent
from bot.store import history, jobs
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in, statement_of
from tests.env.images import png
from tests.journeys.conftest import Ask, written_down
from tests.journeys.reaction_steps import answer_to, direct_message, new_image, seen, spent, until_generations

PRICE = 1_400_000


def bot(person: Person) -> str:
    return f"<@{person.hello['bot']['id']}>"


async def ask(person: Person, words: str, message: Message | None = None, channel: str = "studio") -> Message:
    """Mention the bot in a message that replies to this one."""
    said = await person.say(f"{bot(person)} {words}".strip(), channel, reply_to=message)
    return await person.message(lambda m: m.id == said, channel)


async def refusal(person: Person, words: str, message: Message, channel: str = "studio") -> Message:
    """The note that answers a message."""
    return await person.message(lambda m: words in m.content and _answers(m, message), channel)


def _answers(found: Message, message: Message) -> bool:
    return (found.raw.get("message_reference") or {}).get("message_id") == message.id


async def ordered(app: App, person: Person) -> int:
    """How many jobs a member has, once all events before are handled."""
    await person.slash("ping", "dm")
    return (await app.store.read(history.page, int(person.id))).total


async def test_a_reply_with_a_mention_edits_the_image(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    said = await ask(ben, "make it <@123> winter", await seen(ben, first))
    edit = await answer_to(ben, said)
    assert (await written_down(app, edit)).prompt == "make it winter"
    link = f"https://discord.com/channels/{ben.hello['guild']['id']}/{first.channel_id}/{first.id}"
    assert f"edited by <@{ben.id}> from [this image]({link})" in edit.content
    assert edit.pings == []
    assert (await spent(app, ben), len([m for m in ben.messages() if has_image(m)])) == (PRICE, 2)


async def test_it_waits_in_a_reply_that_becomes_the_result(env: Env, app: App, ada: Person, asked: Ask) -> None:
    first = await asked()
    env.switchboard.turn_on("generation-stuck")
    said = await ask(ada, "make it winter", first)
    waiting = await ada.message(lambda m: "Cancel" in m.buttons and _answers(m, said))
    assert waiting.pings == []
    await ask(ada, "by night", waiting)
    await ada.message(lambda m: "isn't finished yet" in m.content)
    env.switchboard.turn_off("generation-stuck")
    assert (await answer_to(ada, said)).id == waiting.id


async def test_only_a_mention_by_name_is_a_request(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    first = await seen(ben, await asked())
    await ben.say("lovely, make it winter", reply_to=first)  # its ping alone
    await ben.say("@everyone @here make it winter", reply_to=first)
    await ben.let_other_bot_say(f"{bot(ben)} make it winter")
    assert await ordered(app, ben) == 0
    assert not [m for m in ben.messages() if "disappears" in m.content]


async def test_a_mention_alone_is_answered_with_how_to_ask_once(app: App, ada: Person, asked: Ask) -> None:
    hint = "reply to it, mention"
    await refusal(ada, hint, await ask(ada, "a red fox"))
    await ask(ada, "hello?")
    await refusal(ada, "Write what should change", await ask(ada, "", await asked()))
    assert len([m for m in ada.messages() if hint in m.content]) == 1


async def test_of_several_images_the_number_picks_one(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    grid = await asked(count=3)
    for words, number, prompt in (("by night", 1, "by night"), ("#3 by day", 3, "by day"), ("2 in winter", 2, "in winter")):
        said = await ask(ada, words, grid)
        await refusal(ada, f"Image {number} of 3.", said)
        edit = await written_down(app, await answer_to(ada, said))
        assert (edit.prompt, edit.parent_n) == (prompt, number - 1)
    await refusal(ben, "no image 7 there", await ask(ben, "#7 by night", await seen(ben, grid)))


async def test_attached_images_are_edited_or_more_references(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    photo = ada.upload("me.png", await ada.fetch(first.attachments[0]["url"]))
    alone = await ada.say(f"{bot(ada)} in winter", files=(photo, photo))
    edit = await answer_to(ada, await ada.message(lambda m: m.id == alone))
    assert len(await app.store.read(jobs.references_of, (await written_down(app, edit)).id)) == 2
    beside = await ada.say(f"{bot(ada)} by night", files=(photo,), reply_to=first)
    edit = await answer_to(ada, await ada.message(lambda m: m.id == beside))
    job = await written_down(app, edit)
    assert (len(await app.store.read(jobs.references_of, job.id)), job.origin_message_id) == (2, int(first.id))
    too_many = await ada.say(f"{bot(ada)} in spring", files=(photo,) * 4, reply_to=first)
    await refusal(ada, "up to 3 more images, not 4", await ada.message(lambda m: m.id == too_many))
    unread = await ben.say(f"{bot(ben)} in spring", files=(ben.upload("me.tiff", b"II*", "image/tiff"),), reply_to=await seen(ben, first))
    await refusal(ben, "TIFF", await ben.message(lambda m: m.id == unread))


async def test_what_others_posted_needs_the_message_content_intent(env: Env, app: App, ada: Person, ben: Person, asked: Ask) -> None:
    photo = ada.upload("me.png", await ada.fetch((await asked()).attachments[0]["url"]))
    hidden = await ada.say("me", files=(photo,))
    await refusal(ben, "Apps > Edit with Easel", await ask(ben, "in winter", await ben.message(lambda m: m.id == hidden)))
    open_to_it = await ada.say(f"{bot(ada)} look", files=(photo,))  # a message that mentions the bot is never hidden
    await answer_to(ben, await ask(ben, "in winter", await ben.message(lambda m: m.id == open_to_it)))


async def test_it_follows_replies_up_to_the_nearest_image(reading_env: Env) -> None:
    async with reading_env.app() as app, person_in(reading_env, "Ada") as ada, person_in(reading_env, "Ben") as ben:
        first = await new_image(ada)
        talk = await ben.say("nice!", reply_to=await seen(ben, first))
        said = await ask(ada, "in winter", await ada.message(lambda m: m.id == talk))
        edit = await written_down(app, await answer_to(ada, said))
        assert edit.origin_message_id == int(first.id)
        none = await ben.say("hello")
        await refusal(ada, "no image in the message", await ask(ada, "in winter", await ada.message(lambda m: m.id == none)))


async def test_the_rules_are_those_of_edit(app: App, ada: Person, ben: Person, mo: Person, asked: Ask) -> None:
    first = await asked()
    await app.services.members.change(int(ada.id), lambda chosen: chosen.model_copy(update={"consent": Consent.NOBODY}))
    said = await ask(ben, "in winter", await seen(ben, first))
    note = await refusal(ben, "doesn't let you edit their images", said)
    assert (note.content.startswith(f"<@{ben.id}> 🚫"), note.pings) == (True, [ben.id])
    await ben.delete(said)
    await ben.until(lambda: not any(m.id == note.id for m in ben.messages()) or None)
    await mo.permit("studio", "send_messages", False)
    await ask(ben, "in winter", await seen(ben, first))
    await direct_message(ben, "doesn't let you edit their images")
    assert await spent(app, ben) == 0


async def test_a_refused_edit_keeps_what_was_written(ada: Person, ben: Person) -> None:
    said = await ada.say(f"{bot(ada)} make it winter", files=(ada.upload("me.png", b"nothing"),))
    note = await refusal(ada, "me.png", await ada.message(lambda m: m.id == said))
    await ben.click(await seen(ben, note), "Change and try again")
    await ben.message(lambda m: m.ephemeral and "🚫" in m.content)
    await ada.click(note, "Change and try again")
    form = await ada.modal()
    assert form.control("prompt")["value"] == "make it winter"
    photo = ada.upload("me.png", png(48, 32))
    await ada.submit(form, prompt="make it spring", references=[photo])
    assert has_image(await ada.message(lambda m: has_image(m) and "make it spring" in m.content))


async def test_a_deleted_message_cancels_what_was_not_sent(env: Env) -> None:
    async with env.app(MAX_RUNNING_PER_USER="1") as app, person_in(env, "Ada") as ada:
        first = await new_image(ada)
        env.switchboard.turn_on("generation-stuck")
        await ada.slash("generate", prompt="something slow")
        await until_generations(env, 2)
        said = await ask(ada, "make it winter", first)
        waiting = await ada.message(lambda m: "Cancel" in m.buttons and _answers(m, said))
        await ada.delete(said)
        await ada.message(lambda m: m.id == waiting.id and "Cancelled" in m.content)
        assert (await statement_of(app, int(ada.id))).held == PRICE
        assert len(await env.generations()) == 2


@pytest.mark.faults("gateway-doubled", "gateway-replayed")
async def test_what_the_gateway_delivers_twice_is_done_once(env: Env) -> None:
    async with Person.connect(env.discord.url, "Ada") as ada:
        async with env.app():
            first = await new_image(ada)
            await answer_to(ada, await ask(ada, "make it winter", first))
        async with env.app() as app:
            await ada.until(lambda: ada.bot_online or None)
            assert await ordered(app, ada) == 2


async def test_a_waiting_message_whose_answer_is_lost_becomes_the_result(env: Env, app: App, ada: Person, asked: Ask) -> None:
    first = await asked()
    env.switchboard.turn_on("discord-answer-lost", times=1)
    said = await ask(ada, "make it winter", first)
    await answer_to(ada, said)
    assert len([m for m in ada.messages() if _answers(m, said)]) == 1


async def test_in_threads_and_direct_messages_it_works_the_same(ada: Person, asked: Ask) -> None:
    for channel in (await ada.thread("foxes"), "dm"):
        first = await asked(channel)
        assert await answer_to(ada, await ask(ada, "make it winter", first, channel), channel)
