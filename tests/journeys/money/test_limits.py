"""Attacks on the operator's money: what managers and members set moves prices, and never what may be spent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.app import App
from bot.domain.guild.document import Policy
from bot.store.money import audit
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in
from tests.journeys.manager_steps import admin, change_rules, granted_left, guild_of, private_reply

# An image of the default model costs 1.4 cents.
TWO_IMAGES, ALL_FREE = "0.03", {"prices": {"black-forest-labs-flux-2-klein-4b": 0}}
GENEROUS: list[dict[str, Any]] = [
    ALL_FREE,
    ALL_FREE | {"usd_per_month": 1_000_000},
    {"everyone": {"purse": {"size": 1_000_000, "refill_per_day": 1_000_000}, "waiting": 100}, "usd_per_month": 1000},
    {"pool": {"size": 1_000_000}, "slow_lane": {"on": True, "share_percent": 100}},
]


@pytest.fixture
def limited(env: Env) -> None:
    """The operator allows each server two images a month, and all together three."""
    env.overrides |= {"MONTHLY_LIMIT_USD_PER_SERVER": TWO_IMAGES, "MONTHLY_LIMIT_USD": "0.044"}


async def ordered(person: Person, channel: str = "studio", /, **options: Any) -> Message:
    seen = {message.id for message in person.messages(channel)}
    await person.slash("generate", channel, **{"prompt": "a red fox", **options})
    return await person.message(lambda m: m.id not in seen and (has_image(m) or "🚫" in m.text), channel)


@pytest.mark.parametrize("rules", GENEROUS)
@pytest.mark.usefixtures("limited")
async def test_no_rule_of_a_server_raises_what_its_images_may_cost(app: App, ada: Person, env: Env, rules: dict[str, Any]) -> None:
    await change_rules(app, **rules)
    assert has_image(await ordered(ada, count=2))
    assert "more than what's left of this server's monthly budget" in (await ordered(ada)).text
    assert len(await env.generations()) == 2


async def test_a_price_of_zero_still_counts_against_the_servers_budget(app: App, ada: Person, env: Env) -> None:
    await change_rules(app, **ALL_FREE, usd_per_month=0.02)
    assert has_image(await ordered(ada))
    assert "more than what's left of this server's monthly budget" in (await ordered(ada)).text
    assert len(await env.generations()) == 1


async def test_a_budget_below_what_is_spent_says_until_when_no_images_are_created(app: App, ada: Person, mo: Person) -> None:
    await change_rules(app, **ALL_FREE)
    await ordered(ada, count=2)
    await admin(mo, "budget", "$0.02 is already spent, so no new images until <t:", dollars=0.01)


async def test_orders_at_once_cannot_exceed_a_budget(app: App, ada: Person, env: Env) -> None:
    await change_rules(app, **ALL_FREE, usd_per_month=0.05)
    await asyncio.gather(*(ada.slash("generate", prompt=f"fox {n}") for n in range(8)))
    await ada.until(lambda: sum(map(has_image, ada.messages())) == 3 and sum("🚫" in m.text for m in ada.messages()) == 5)
    assert len(await env.generations()) == 3
    assert (await app.store.read(audit.prove)).wrong == ()


@pytest.mark.usefixtures("limited")
async def test_the_operators_limit_holds_over_servers_and_direct_messages(app: App, ada: Person, env: Env) -> None:
    assert has_image(await ordered(ada, count=2))
    assert has_image(await ordered(ada, "dm"))
    assert "of the bot's monthly budget" in (await ordered(ada, "dm")).text
    assert len(await env.generations()) == 3


async def test_usage_counts_what_the_provider_charges(app: App, ada: Person, mo: Person) -> None:
    await change_rules(app, **ALL_FREE)
    await ordered(ada, count=2)
    await mo.slash("usage")
    assert "2 images · 0 credits ($0.0280)" in (await private_reply(mo, "2 images")).text


@pytest.mark.usefixtures("limited", "app")
async def test_a_manager_who_asks_for_a_larger_budget_is_told_the_operators(mo: Person) -> None:
    await admin(mo, "budget", "budget set to $0.03", dollars=500.0)


async def test_credits_that_a_manager_grants_are_good_on_their_server_only(app: App, mo: Person, ada: Person) -> None:
    await admin(mo, "grant", f"Granted <@{ada.id}> 1,000,000 credits", credits=1_000_000, member=ada.id)
    await ada.slash("generate", "dm", prompt="a red fox")
    assert has_image(await ada.message(has_image, "dm"))
    assert await granted_left(app, ada) == 1_000_000
    await ordered(ada)
    assert await granted_left(app, ada) == 1_000_000 - 1.4


@pytest.mark.parametrize(
    ("may", "command", "values", "words"),
    [
        ("quotas,grants", "price", {"model": "flux-2-dev", "credits": 0.0}, "Only the bot's operator can set prices"),
        ("prices,grants", "pool", {"size": 5.0}, "Only the bot's operator can set how many credits"),
        ("prices,grants", "everyone", {"credits": 5.0}, "Only the bot's operator can set how many credits"),
        ("none", "grant", {"credits": 5.0}, "Only the bot's operator can grant credits"),
        ("prices", "gallery", {"channel": "gallery", "reward": 5.0}, "Only the bot's operator can grant credits"),
    ],
)
async def test_managers_set_what_the_operator_lets_them(env: Env, may: str, command: str, values: dict[str, Any], words: str) -> None:
    async with env.app(MANAGERS_MAY_SET=may) as app, person_in(env, "Mo") as mo:
        channel = {"channel": mo.channel("gallery")} if "channel" in values else {}
        await admin(mo, command, words, **{**values, **channel})
        assert (await app.services.guilds.settings(guild_of(mo))).policy == Policy()


async def test_what_was_set_before_the_operator_forbade_it_no_longer_holds(env: Env) -> None:
    async with env.app() as app, person_in(env, "Mo"):
        await change_rules(app, **ALL_FREE, pool={"size": 5})
    async with env.app(MANAGERS_MAY_SET="none") as app, person_in(env, "Mo") as mo:
        await admin(mo, "members", "New members wait 2 hours", wait_hours=2)
        policy = (await app.services.guilds.settings(guild_of(mo))).policy
        assert (policy.prices, policy.pool, policy.newcomers.wait_hours) == ({}, None, 2)


async def test_a_server_that_the_operator_does_not_name_gets_nothing(env: Env) -> None:
    async with env.app() as app, person_in(env, "Ada") as ada:
        made = await ordered(ada)
    async with env.app(SERVERS="1") as app, person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="a red fox")
        await private_reply(ada, "isn't available on this server")
        await ada.click(made, "Again")
        await ada.until(lambda: sum("isn't available on this server" in m.text for m in ada.messages()) == 2)
        await ada.react(made, "🔁")
        await ada.slash("generate", "dm", prompt="a blue fox")
        await ada.message(has_image, "dm")
    assert len(await env.generations()) == 2
    assert app.services.guilds.serves(None)
