"""An image, its prompt and its link reach only those who may see them where they were made: every way out of a channel is pressed.

After-dark is age-restricted. Quiet is hidden: only artists (Ada) and moderators (Mo) read it. Ben reads neither of them from the studio.
"""

from __future__ import annotations

import pytest

from bot.app import App
from sandbox.person import Message, Person
from tests.env.app import has_image
from tests.journeys.conftest import Ask, written_down
from tests.journeys.manager_steps import granted_left, guild_of
from tests.journeys.moderator_steps import GALLERY, change_rules
from tests.journeys.reaction_steps import marked, seen
from tests.services.conftest import eventually

ADULT, HIDDEN = "after-dark", "quiet"


async def hide(mo: Person, channel: str, *roles: str) -> None:
    """Only these roles, and the bot, read the channel from now on."""
    await mo.permit(channel, "view_channel", True)
    await mo.permit(channel, "send_messages", True)
    for role in (*roles, "Moderators"):
        await mo.permit(channel, "view_channel", True, role=role)
    await mo.permit(channel, "view_channel", False, role="@everyone")


@pytest.fixture
async def hidden(app: App, ada: Person, mo: Person) -> str:
    """The hidden channel, once the bot has heard that it is."""
    await hide(mo, HIDDEN, "Artists")

    async def is_known() -> bool:
        channel = app.client.get_channel(int(ada.channel(HIDDEN)))
        guild = app.client.get_guild(guild_of(ada))
        return guild is not None and not channel.permissions_for(guild.default_role).view_channel  # type: ignore[union-attr]

    await eventually(is_known)
    return HIDDEN


async def starred(app: App, person: Person, message: Message, channel: str) -> None:
    await written_down(app, message)
    await person.react(await seen(person, message, channel), "⭐")
    await marked(person, message, "✅", channel)


@pytest.mark.parametrize("where", [ADULT, HIDDEN])
async def test_the_gallery_shows_nothing_that_its_readers_may_not_see(
    app: App, ada: Person, mo: Person, hidden: str, asked: Ask, where: str
) -> None:
    """Nor does it earn anything there."""
    await change_rules(app, ada, gallery={"channel_id": mo.channel(GALLERY), "stars": 1, "reward": 3})
    await starred(app, mo, await asked(where, prompt="a secret"), where)
    assert await granted_left(app, ada) == 0
    await starred(app, mo, await asked(), "studio")
    assert "a red fox" in (await mo.message(has_image, GALLERY)).content
    assert not any("a secret" in message.content for message in mo.messages(GALLERY))


async def test_a_gallery_of_the_same_readers_shows_a_hidden_image(app: App, ada: Person, mo: Person, hidden: str, asked: Ask) -> None:
    await change_rules(app, ada, gallery={"channel_id": mo.channel(GALLERY), "stars": 1})
    await hide(mo, GALLERY, "Artists")
    await starred(app, mo, await asked(hidden), hidden)
    assert "a red fox" in (await mo.message(has_image, GALLERY)).content
