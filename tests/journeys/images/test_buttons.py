"""Buttons, menus and modals of a finished image, also after a restart."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from bot.app import App
from bot.core.clock import system
from bot.domain.job import JobState
from bot.domain.preferences import Style
from bot.store.moderation import record
from bot.store.tables import outbox
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in, statement_of
from tests.journeys.conftest import Ask, job_id_of, written_down
from tests.journeys.result_steps import panel_of, press


async def another(person: Person, *seen: Message) -> Message:
    """The next finished message."""
    known = {message.id for message in seen}
    return await person.message(lambda m: has_image(m) and m.id not in known)


async def private_reply(person: Person, words: str) -> None:
    """Wait for an ephemeral message with these words."""
    await person.message(lambda m: m.ephemeral and words in m.content)


async def test_a_finished_message_has_three_buttons_in_one_row(asked: Ask) -> None:
    rows = [[button["label"] for button in row["components"]] for row in (await asked()).raw["components"]]
    assert rows == [["Edit", "Again", "More"]]


async def test_again_makes_another_image_on_the_quota_of_the_presser(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    await ben.click(await another(ben), "Again")
    second = await another(ben, first)
    assert f"<@{ben.id}>" in second.content
    assert (await statement_of(app, int(ben.id))).spent == 1_400_000


async def test_details_show_all_that_is_known(app: App, ada: Person, asked: Ask) -> None:
    first = await asked(seed=5, steps="9")
    await written_down(app, first)
    await press(ada, first, "Details")
    text = (await ada.message(lambda m: m.ephemeral and "**Support code**" in m.text)).text
    for part in ("**Seeds** `5`", "FLUX.2 Klein 4B", "`num_inference_steps=9`", "**Cost** 1.4 credits", "**Support code** `"):
        assert part in text
    for time in ("**Requested** <t:", "**Queued for** ", "**Generated in** ", "**Delivered** <t:"):
        assert time in text


async def test_again_follows_the_private_setting(app: App, ada: Person, asked: Ask) -> None:
    first = await asked()
    await app.services.members.change(int(ada.id), lambda chosen: chosen.model_copy(update={"private": True}))
    await ada.click(first, "Again")
    assert (await another(ada, first)).ephemeral


# --- Details ---------------------------------------------------------------------------------------------------------


async def test_details_name_the_seeds_of_all_images(ada: Person, asked: Ask) -> None:
    await press(ada, await asked(count=3, seed=5), "Details")
    await ada.message(lambda m: m.ephemeral and "**Seeds** `5`, `6`, `7`" in m.text)


async def test_details_name_the_member_s_own_style(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    ink = Style(name="Ink", suffix="black ink on paper")
    await app.services.members.change(int(ada.id), lambda chosen: chosen.model_copy(update={"styles": (ink,)}))
    first = await asked(prompt="a red fox, black ink on paper")
    await press(ada, first, "Details")
    await press(ben, await ben.message(has_image), "Details")
    await ada.message(lambda m: m.ephemeral and "**Style** Ink" in m.text)
    assert "**Style**" not in (await ben.message(lambda m: m.ephemeral and "**Support code**" in m.text)).text


# --- Report ----------------------------------------------------------------------------------------------------------


async def test_a_report_reaches_the_moderators_once(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    for answer in ("Thanks", "already reported"):
        await press(ben, await ben.message(lambda m: m.id == first.id and has_image(m)), "Report")
        await ben.submit(await ben.modal(), reason="too red")
        await private_reply(ben, answer)
    (report,) = (await app.store.read(record.of_member, int(ada.id), int(ada.hello["guild"]["id"]), now=system())).reports
    assert (report.user_id, report.reason, report.job_id) == (int(ben.id), "too red", job_id_of(first))


# --- Delete ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["dm", "private", "elsewhere"])
async def test_members_delete_their_own_image_where_the_bot_has_no_permissions(ada: Person, asked: Ask, channel: str) -> None:
    await press(ada, await asked(channel), "Delete")
    await ada.until(lambda: not any(has_image(m) for m in ada.messages(channel)) or None)


async def test_a_press_is_carried_out_if_the_response_to_its_deferral_is_lost(env: Env, ada: Person, asked: Ask) -> None:
    message = await asked()
    panel = await panel_of(ada, message)
    env.switchboard.turn_on("first-answer-lost", times=1)
    await ada.click(panel, "Delete")
    await ada.until(lambda: not any(has_image(m) for m in ada.messages()) or None)


# --- a restart -------------------------------------------------------------------------------------------------------


async def test_buttons_work_after_a_restart(env: Env) -> None:
    async with env.app(), person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="a red fox")
        await ada.message(has_image)
    async with env.app(), person_in(env, "Ada") as ada:
        await ada.click(await ada.message(has_image), "Again")
        await ada.until(lambda: len([m for m in ada.messages() if has_image(m)]) == 2 or None)


async def test_the_outbox_hides_and_deletes_a_message_if_the_bot_ends_before_it_has(app: App, ada: Person, asked: Ask) -> None:
    message = await asked()
    job, orders = await written_down(app, message), app.services.orders

    async def ends() -> None:
        raise ConnectionError

    where, message_id = int(message.channel_id), int(message.id)
    with pytest.raises(ConnectionError):
        await orders.hide_message(job.id, message_id, channel_id=where, hide=ends)
    assert (await orders.job(job.id)).spoiler
    with pytest.raises(ConnectionError):
        await orders.delete_message(job.id, message_id, channel_id=where, remove=ends)
    assert (await orders.job(job.id)).state is JobState.DELETED
    left = await app.store.read(lambda conn: conn.execute(select(outbox.c.kind, outbox.c.data).order_by(outbox.c.kind)).all())
    assert [tuple(row) for row in left] == [(kind, {"channel_id": where, "message_id": message_id}) for kind in ("cover", "remove")]
