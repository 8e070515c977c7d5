"""/quota, /gift and /leaderboard."""

from __future__ import annotations

import asyncio

import pytest

from bot.app import App
from bot.domain.actor import Actor
from bot.domain.money.quota import MICRO
from bot.store.money import audit
from sandbox.person import Message, NotDoneError, Person
from tests.env.jobs import request_by
from tests.journeys.conftest import Ask
from tests.journeys.manager_steps import change_rules, grant, granted_left, guild_of

OWN = {"everyone": {"purse": {"size": 50}}}


async def quota(person: Person, channel: str = "studio") -> str:
    await person.slash("quota", channel)
    return (await person.message(lambda m: "### Prices" in m.text, channel)).text


async def refused(person: Person, words: str, channel: str = "studio") -> Message:
    found = await person.message(lambda m: m.ephemeral and words in m.text, channel)
    assert "🚫" in found.text
    return found


# --- /quota ----------------------------------------------------------------------------------------------------------


async def test_without_server_rules_a_member_has_the_operator_s_quota(ada: Person) -> None:
    text = await quota(ada)
    assert "## Your credits" in text
    assert "**1,000** of 1,000 left" in text
    assert "pool" not in text


async def test_a_server_with_a_pool_and_a_budget_shows_both(app: App, ada: Person, asked: Ask) -> None:
    await change_rules(app, pool={"size": 40, "refill_per_day": 5}, usd_per_month=1, slow_lane={"on": False})
    await asked()
    text = await quota(ada)
    assert "## This server's shared pool" in text
    assert "**38.6** of 40 left" in text
    assert "**98.6** of 100 credits left · renews" in text


async def test_members_of_a_role_with_a_quota_have_credits_beside_the_pool(app: App, ada: Person, ben: Person) -> None:
    await change_rules(app, pool={"size": 40}, roles={ada.roles["Artists"]: {"purse": {"size": 7}}})
    artist, guest = await quota(ada), await quota(ben)
    assert ("**7** of 7 left" in artist, "### This server's shared pool" in artist) == (True, True)
    assert ("**40** of 40 left" in guest, "Your credits" in guest) == (True, False)


async def test_prices_are_those_of_the_server(app: App, ada: Person) -> None:
    await change_rules(app, prices={"black-forest-labs-flux-2-klein-4b": 9})
    here, direct = await quota(ada), await quota(ada, "dm")
    assert ("Klein 4B: 9 credits" in here, "Klein 4B: 1.4 credits" in direct) == (True, True)


# --- /gift -----------------------------------------------------------------------------------------------------------


async def test_a_gift_is_shown_to_both_and_pings_the_receiver(app: App, ada: Person, ben: Person) -> None:
    await grant(app, ada, 10)
    await ada.slash("gift", member=ben.id, credits=2.5)
    said = await ben.message(lambda m: "gave" in m.content)
    assert said.content == f"🎁 <@{ada.id}> gave <@{ben.id}> 2.5 credits."
    assert said.pings == [ben.id]
    assert [await granted_left(app, each) for each in (ada, ben)] == [7.5, 2.5]


async def test_what_was_given_is_used_first_and_on_this_server_only(app: App, ada: Person, asked: Ask) -> None:
    await grant(app, ada, 10)
    await asked()
    text = await quota(ada)
    assert ("**8.6** extra credits you were granted or given on this server" in text, "**1,000** of 1,000 left" in text) == (True, True)
    assert "granted or given" not in await quota(ada, "dm")


async def test_repeated_presses_cannot_give_more_than_the_balance(app: App, ada: Person, ben: Person) -> None:
    await grant(app, ada, 1000)
    presses = (ada.slash("gift", member=ben.id, credits=300) for _ in range(6))
    await asyncio.gather(*presses)
    await refused(ada, "You can give 100 credits here")
    assert [await granted_left(app, each) for each in (ada, ben)] == [100, 900]
    assert (await app.store.read(audit.prove)).wrong == ()


async def test_an_interaction_delivered_twice_is_one_gift(app: App, ada: Person, ben: Person) -> None:
    await grant(app, ada, 1)
    by_ada, receiver = request_by(Actor(user_id=int(ada.id)), guild_id=guild_of(ada)), Actor(user_id=int(ben.id))
    once = [app.services.money.gift(by_ada, receiver, amount=MICRO, key="gift:1") for _ in range(5)]
    assert sum(await asyncio.gather(*once)) == 1
    assert await granted_left(app, ben) == 1


async def test_a_second_account_cannot_pass_on_the_credits_that_everybody_gets(app: App, ada: Person, ben: Person) -> None:
    await change_rules(app, **OWN)
    for channel in ("studio", "private"):
        await ada.slash("gift", channel, member=ben.id, credits=1)
        await refused(ada, "You have no credits to give here", channel)
    assert await granted_left(app, ben) == 0


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"gifts": {"on": False}}, "can't give each other credits on this server"),
        ({"newcomers": {"wait_hours": 8760}}, "New members can't give credits here yet"),
    ],
)
async def test_a_gift_is_refused_where_the_rules_forbid_it(
    app: App, ada: Person, ben: Person, rules: dict[str, object], words: str
) -> None:
    await ada.join("Cleo", days=1)
    await change_rules(app, **rules)
    async with Person.connect(ada.url, "Cleo") as cleo:
        await cleo.slash("gift", member=ben.id, credits=1)
        await refused(cleo, words)
    assert await granted_left(app, ben) == 0


async def test_nobody_gives_to_themselves_or_to_a_bot(ada: Person) -> None:
    for receiver, words in ((ada.id, "You can't give credits to yourself"), (ada.people["Easel"]["id"], "You can't give credits to a bot")):
        await ada.slash("gift", member=receiver, credits=1)
        await refused(ada, words)
    with pytest.raises(NotDoneError, match=r"credits must be 0\.01 or more"):
        await ada.slash("gift", member=ada.id, credits=0)


async def test_nobody_gives_to_a_member_who_left(app: App, ada: Person, ben: Person, mo: Person) -> None:
    await grant(app, ada, 10)
    await ben.leave()
    await ada.slash("gift", member=ben.id, credits=1)
    await refused(ada, f"<@{ben.id}> isn't a member of this server")
    await mo.slash("imageadmin grant", credits=1, member=ben.id)
    await refused(mo, f"<@{ben.id}> isn't a member of this server")
    assert [await granted_left(app, each) for each in (ada, ben)] == [10, 0]


async def test_a_reaction_gives_its_credits_once(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    await change_rules(app, gifts={"by_reaction": {"emoji": "🪙", "credits": 2}})
    await grant(app, ben, 10)
    made = await asked()
    seen = await ben.message(lambda m: m.id == made.id)
    for on in (True, False, True):
        await ben.react(seen, "🪙", on=on)
    await ben.message(lambda m: f"You gave <@{ada.id}> 2 credits" in m.content, "dm")
    await ada.message(lambda m: f"<@{ben.id}> gave you 2 credits" in m.content, "dm")
    assert await granted_left(app, ben) == 8
    assert (await app.store.read(audit.prove)).wrong == ()


async def test_a_gift_reaction_without_credit_is_explained(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    await change_rules(app, gifts={"by_reaction": {"emoji": "🪙", "credits": 2000}})
    made = await asked()
    await ben.react(await ben.message(lambda m: m.id == made.id), "🪙")
    await ben.message(lambda m: "You have no credits to give here" in m.content, "dm")


# --- /leaderboard ----------------------------------------------------------------------------------------------------


async def board(person: Person, **options: object) -> Message:
    seen = {message.id for message in person.messages()}
    await person.slash("leaderboard", **options)
    return await person.message(lambda m: "Most images" in m.text and m.id not in seen)


async def test_a_server_without_a_leaderboard_says_so(ada: Person) -> None:
    await ada.slash("leaderboard")
    await refused(ada, "This server has no leaderboard.")


async def test_the_leaderboard_leaves_out_members_who_opted_out(app: App, ada: Person, asked: Ask) -> None:
    await change_rules(app, leaderboard=True)
    await asked()
    listed = await board(ada)
    assert (listed.ephemeral, f"🥇 <@{ada.id}> · 1 image" in listed.text) == (True, True)
    await ada.slash("settings")
    await ada.click(await ada.message(lambda m: "Listed: on" in m.buttons), "Listed: on")
    await ada.message(lambda m: "Listed: off" in m.buttons)
    shared = await board(ada, share=True)
    assert (shared.ephemeral, ada.id in shared.text, shared.pings) == (False, False, [])
