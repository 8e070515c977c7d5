"""A server whose roles and channels have not been sent: nothing is decided by their absence."""

from __future__ import annotations

import pytest

from bot.app import App
from bot.client import guilds
from bot.domain.guild.fields import IdKind
from bot.domain.guild.ids import NamedId
from bot.domain.money.accounts import AccountRef, member_account
from bot.domain.money.quota import MICRO, Bucket
from cogs.kit import channels
from sandbox.person import Person
from tests.env.app import Env
from tests.journeys.conftest import Ask, written_down
from tests.journeys.manager_steps import guild_of
from tests.journeys.moderator_steps import change_rules, gone
from tests.journeys.reaction_steps import PRICE, answer_to, direct_message, seen, unmarked
from tests.journeys.result_steps import delete

UNAVAILABLE = "server-unavailable"
at_the_start = pytest.mark.faults(UNAVAILABLE)


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """The times for which a reaction waits for what is not known."""
    monkeypatch.setattr(guilds, "_ARRIVES_S", 0.05)
    monkeypatch.setattr(channels, "ASKING_S", 0.2)


async def with_role_rule(app: App, person: Person) -> None:
    """Members with the role Artists, such as Ada, have an account of their own."""
    await change_rules(app, person, roles={person.roles["Artists"]: {"purse": {"size": 50}}})


async def spent_of_role(app: App, person: Person) -> int:
    account = AccountRef(name=member_account(guild_of(person), int(person.id)), fills=Bucket(size=50 * MICRO, refill_per_day=0))
    return (await app.services.pricing.statement_of(account)).spent


@at_the_start
async def test_an_order_has_the_roles_and_the_rights_of_its_member(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    await with_role_rule(app, ada)
    first = await asked()
    await written_down(app, first)
    assert await spent_of_role(app, ada) == PRICE
    artists = NamedId(kind=IdKind.ROLE, id=int(ada.roles["Artists"]))
    assert await channels.foreign(app.client, guild_of(ada), [artists]) == []
    await delete(mo, await seen(mo, first))
    await gone(ada, first)


@at_the_start
async def test_a_thread_is_as_restricted_as_its_channel(app: App, ada: Person, asked: Ask) -> None:
    thread = await ada.thread("late", "after-dark")
    first = await asked(thread)
    assert (await written_down(app, first)).age_restricted
    await ada.react(first, "🎨")
    assert (await written_down(app, await answer_to(ada, first, thread))).age_restricted


async def test_a_reaction_has_the_roles_and_the_rights_of_its_member(env: Env, app: App, ada: Person, mo: Person, asked: Ask) -> None:
    await with_role_rule(app, ada)
    first = await asked()
    env.switchboard.turn_on(UNAVAILABLE)
    await ada.react(first, "🎨")
    edit = await answer_to(ada, first)
    await unmarked(ada, first)
    assert await spent_of_role(app, ada) == 2 * PRICE
    await mo.react(await seen(mo, edit), "❌")
    await gone(ada, edit)
    env.switchboard.turn_off(UNAVAILABLE)
    await mo.react(await seen(mo, first), "❌")
    await gone(ada, first)


async def test_a_reaction_is_refused_while_discord_tells_nothing_of_the_server(env: Env, app: App, ada: Person, asked: Ask) -> None:
    await with_role_rule(app, ada)
    first = await asked()
    for fault in (UNAVAILABLE, "server-unread"):
        env.switchboard.turn_on(fault)
    await ada.react(first, "🎨")
    await direct_message(ada, "Discord hasn't told the bot about this server yet. Nothing was charged")
    assert await spent_of_role(app, ada) == PRICE


async def test_a_reaction_waits_for_the_server(env: Env, app: App, ada: Person, asked: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guilds, "_ARRIVES_S", 10.0)
    first = await asked()
    for fault in (UNAVAILABLE, "server-unread"):
        env.switchboard.turn_on(fault)
    await ada.react(first, "🎨")
    env.switchboard.turn_off(UNAVAILABLE)
    await answer_to(ada, first)
