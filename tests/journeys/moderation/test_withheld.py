"""An image that a check withheld: moderators alone see it, and decide whether its author gets it after all."""

from __future__ import annotations

import pytest

from bot.app import App
from bot.store.moderation import cases, conduct
from sandbox.person import Message, Person
from tests.env.app import has_image
from tests.journeys.manager_steps import guild_of, private_reply
from tests.journeys.moderation.test_visibility import hide
from tests.journeys.moderator_steps import MODERATORS, case_post, change_rules, decided, gone, with_moderators
from tests.services.conftest import eventually

BLOCK_ALL = {"results": True, "thresholds": {"flag": 0, "block": 0}}


async def withheld_image(app: App, ada: Person, mo: Person) -> Message:
    """Ada's message about an image that was withheld."""
    await with_moderators(app, mo, checks=BLOCK_ALL)
    await ada.slash("generate", prompt="a red fox")
    return await ada.message(lambda m: "content check" in m.content)


@pytest.fixture
async def withheld(app: App, ada: Person, mo: Person) -> Message:
    """The same where only moderators read the cases channel."""
    await hide(mo, MODERATORS)
    await eventually(lambda: _is_hidden(app, mo))
    return await withheld_image(app, ada, mo)


async def _is_hidden(app: App, mo: Person) -> bool:
    guild = app.client.get_guild(guild_of(mo))
    channel = None if guild is None else guild.get_channel(int(mo.channel(MODERATORS)))
    return guild is not None and channel is not None and not channel.permissions_for(guild.default_role).view_channel


async def test_moderators_see_it_and_keep_sends_it_to_its_author(app: App, ada: Person, mo: Person, withheld: Message) -> None:
    post = await case_post(mo)
    assert [a["filename"].startswith("SPOILER_withheld-") for a in post.attachments] == [True]
    assert list(post.buttons) == ["Keep", "Delete", "Block 24 h"]
    assert not has_image(withheld)
    await mo.click(post, "Keep")
    await decided(mo, post, "**Keep**")
    sent = await ada.message(lambda m: "found nothing wrong" in m.content and bool(m.attachments), "dm")
    assert "free of charge" in sent.content
    assert await app.store.read(conduct.strikes_of, guild_of(ada), int(ada.id)) != []
    record = (await app.services.guilds.settings(guild_of(ada))).policy.strikes
    assert await app.store.read(conduct.current_points, guild_of(ada), int(ada.id), rules=record, now=app.clock()) == 0


async def test_delete_adds_no_second_strike_and_nobody_sees_it(app: App, ada: Person, mo: Person, withheld: Message) -> None:
    post = await case_post(mo)
    await mo.click(post, "Delete")
    form = await mo.modal()
    assert "the strike stays" in str(form.components)
    await mo.submit(form)
    await gone(ada, withheld)
    notice = await ada.message(lambda m: "agreed with the check" in m.content, "dm")
    assert not notice.attachments
    assert len(await app.store.read(conduct.strikes_of, guild_of(ada), int(ada.id))) == 1


async def test_the_log_offers_only_what_can_be_decided(app: App, ada: Person, mo: Person) -> None:
    await change_rules(app, mo, log_channel_id=mo.channel("gallery"))
    await withheld_image(app, ada, mo)
    entry = await mo.message(lambda m: "Keep" in m.buttons, "gallery")
    assert list(entry.buttons) == ["Keep", "Delete", "Block 24 h"]


async def test_a_channel_that_others_read_does_not_show_it_and_the_private_panel_does(app: App, ada: Person, mo: Person) -> None:
    withheld = await withheld_image(app, ada, mo)
    post = await case_post(mo)
    assert not post.attachments
    assert "not only moderators read this channel" in post.content
    await mo.slash("imagemod cases")
    panel = await private_reply(mo, "1 case needs a decision")
    assert [a["filename"] for a in panel.attachments] != []
    (case,) = await app.store.read(cases.waiting, guild_of(ada))
    assert case.message_id == int(withheld.id)
