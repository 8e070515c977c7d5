"""Members who come, go, change roles and languages, and what the bot hears of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import discord
import pytest

from sandbox.discord import DiscordServer
from sandbox.person import NotDoneError, Person

from .conftest import logged_in
from .parrot import Parrot


async def test_a_user_menu_tells_whom_it_was_opened_on(bot: Parrot, ada: Person) -> None:
    await ada.user_menu("Usage", "Ben")
    answer = await ada.message(lambda m: m.ephemeral)
    assert answer.content == "usage of Ben: Member"
    assert answer.raw["interaction_metadata"]["target_user"]["username"] == "Ben"


async def test_a_user_menu_that_is_not_offered_is_refused(bot: Parrot, ada: Person) -> None:
    with pytest.raises(NotDoneError, match=r"There is no Inspect in this menu\."):
        await ada.user_menu("Inspect", "Ben")


async def test_an_interaction_tells_who_asks_where_and_in_which_language(bot: Parrot, ada: Person) -> None:
    await ada.speak("de")
    held = await bot.hear(ada.slash("hold"))
    assert isinstance(held.user, discord.Member)
    assert [role.name for role in held.user.roles] == ["@everyone", "Artists"]
    assert held.user.joined_at is not None
    assert held.permissions.send_messages
    assert not held.permissions.manage_messages
    assert held.app_permissions.attach_files
    assert (held.locale, held.guild_locale) == (discord.Locale.german, discord.Locale.american_english)
    assert held.context.guild
    assert held.is_guild_integration()
    assert not held.is_user_integration()


async def test_a_language_that_discord_does_not_have_is_refused(ada: Person) -> None:
    with pytest.raises(NotDoneError, match=r"Discord has no language tlh\."):
        await ada.speak("tlh")


async def test_people_and_roles_are_shown(ada: Person) -> None:
    assert set(ada.roles) == {"Easel", "Moderators", "Artists", "Stewards", "Helpers"}
    assert ada.people["Ada"]["roles"] == [ada.roles["Artists"]]
    assert [name for name, person in ada.people.items() if person["manages"]] == ["Mo"]


async def test_a_role_is_given_and_taken_by_those_who_manage_the_server(bot: Parrot, ada: Person, mo: Person) -> None:
    with pytest.raises(NotDoneError, match="Manage Server"):
        await ada.role("Ada", "Moderators")
    await mo.role("Ada", "Moderators")
    await ada.until(lambda: "text" in ada.commands["admin"]["kinds"])
    await mo.role("Ada", "Moderators", on=False)
    await ada.until(lambda: not ada.people["Ada"]["moderator"])


async def test_a_new_member_has_been_here_as_long_as_told(bot: Parrot, ada: Person) -> None:
    await ada.join("Zoe", days=2)
    async with Person.connect(ada.url, "Zoe") as zoe:
        held = await bot.hear(zoe.slash("hold"))
    assert isinstance(held.user, discord.Member)
    assert held.user.joined_at is not None
    assert discord.utils.utcnow() - held.user.joined_at - timedelta(days=2) < timedelta(minutes=1)
    assert held.user.created_at < held.user.joined_at


async def test_who_leaves_sees_the_direct_messages_and_the_rest_no_more(bot: Parrot, ada: Person, ben: Person) -> None:
    await ada.leave()
    await ada.until(lambda: not ada.people["Ada"]["member"])
    assert [channel["kind"] for channel in ada.hello["channels"]] == ["dm", "private", "elsewhere"]
    await ben.until(lambda: not ben.people["Ada"]["member"])
    with pytest.raises(NotDoneError, match="left the server already"):
        await ada.leave()


async def test_who_comes_back_is_the_same_and_a_member_since_just_now(bot: Parrot, ada: Person, mo: Person) -> None:
    await ada.say("before")
    before = ada.id
    await ada.leave()
    assert (await mo.join("Ada"))["id"] == before
    await ada.message(lambda m: m.content == "before")
    held = await bot.hear(ada.slash("hold"))
    assert isinstance(held.user, discord.Member)
    assert held.user.joined_at is not None
    assert discord.utils.utcnow() - held.user.joined_at < timedelta(minutes=1)
    assert [role.name for role in held.user.roles] == ["@everyone"]


async def test_somebody_who_has_left_can_still_be_named(bot: Parrot, ada: Person, ben: Person) -> None:
    await ben.leave()
    held = await bot.hear(ada.slash("anywhere", member=ben.id))
    assert isinstance(held.namespace.member, discord.User)


async def test_closed_direct_messages_refuse_the_bot_until_they_are_opened(bot: Parrot, ada: Person) -> None:
    await ada.dms(open=False)
    user = await bot.fetch_user(int(ada.id))
    with pytest.raises(discord.Forbidden) as refused:
        await user.send("psst")
    assert refused.value.code == 50007
    await ada.dms(open=True)
    await user.send("psst")


class TestWithPrivileges:
    @pytest.fixture
    def privileged(self) -> frozenset[str]:
        return frozenset({"members"})

    @pytest.mark.parametrize("listens", [True, False])
    async def test_coming_and_going_is_heard_with_the_intent_alone(
        self, server: DiscordServer, mo: Person, ben: Person, listens: bool
    ) -> None:
        intents = discord.Intents.default()
        intents.members = listens
        heard: asyncio.Queue[str] = asyncio.Queue()
        async with logged_in(Parrot(intents), server) as bot:

            @bot.event
            async def on_socket_event_type(event: str) -> None:
                await heard.put(event)

            await bot.wait_until_ready()
            await ben.leave()
            await mo.join("Ben")
            await mo.role("Ben", "Artists")
            await bot.hear(ben.slash("hold"))
        events = [heard.get_nowait() for _ in range(heard.qsize())]
        expected = ["GUILD_MEMBER_REMOVE", "GUILD_MEMBER_ADD", "GUILD_MEMBER_UPDATE"] if listens else []
        assert [event for event in events if event.startswith("GUILD_MEMBER_")] == expected
