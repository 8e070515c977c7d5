"""/imageadmin: changes of guild rules take effect at once, are confirmed, audited, and survive a restart."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from bot.app import App
from bot.domain.guild.document import Policy
from bot.domain.guild.sections import Offence, OnDown
from bot.domain.job import ReplyTarget
from bot.domain.moderation.audit import AuditAction
from bot.domain.money.quota import MICRO
from bot.media import likeness
from sandbox.person import NotDoneError, Person
from tests.env.app import Env, person_in, statement_of
from tests.env.images import png
from tests.env.jobs import request
from tests.journeys.manager_steps import admin, audit_lines, granted_left, guild_of, private_reply, rules_of, updated

KLEIN, DEV = "flux-2-klein-4b", "flux-2-dev"


@pytest.mark.parametrize(
    ("command", "values", "words", "path", "expected"),
    [
        ("budget", {"dollars": 8.5}, "budget set to $8.50", "usd_per_month", Decimal("8.5")),
        ("pool", {"size": 500, "refill_per_day": 50}, "500 credits, refilling by 50 credits a day", "pool.size", Decimal(500)),
        ("pool", {"slow_lane": False}, "no shared pool", "slow_lane.on", False),
        ("price", {"model": DEV, "credits": 9}, "costs 9 credits here", f"prices.{DEV}", Decimal(9)),
        ("everyone", {"max_images": 2, "private": False}, "2 images per request · no private images", "everyone.max_count", 2),
        ("everyone", {"aspect_ratios": "1:1, 16:9"}, "1:1, 16:9", "everyone.aspect_ratios", ("1:1", "16:9")),
        (
            "everyone",
            {"credits": 20, "refill_per_day": 5},
            "20 credits, refilling by 5 credits a day",
            "everyone.bucket.refill_per_day",
            Decimal(5),
        ),
        ("everyone", {"models": f"FLUX.2 [dev], {DEV}"}, "FLUX.2", "everyone.models", (DEV,)),
        ("models", {"allow": DEV}, "Models for everyone: FLUX.2", "everyone.models", (DEV,)),
        ("members", {"wait_hours": 24, "leaderboard": True}, "New members wait 24 hours", "newcomers.wait_hours", 24),
        ("members", {"gift_emoji": "🎁", "gift_credits": 1}, "Reacting with 🎁 gives 1 credit", "gifts.by_reaction.emoji", "🎁"),
        ("members", {"sponsoring": False}, "can't sponsor images", "sponsoring.on", False),
        (
            "age-restricted",
            {"allow_unfiltered": True},
            "can turn a model's safety checker off in age-restricted",
            "age_restricted.unchecked",
            True,
        ),
        ("checks", {"prompts": True, "if_unavailable": "refuse"}, "requests are refused", "checks.on_down", OnDown.REFUSE),
        ("checks", {"category": "violence", "block_score": 0.7}, "The content check is off", "checks.categories.violence.block", 0.7),
        ("flags", {"needed": 5, "locked": True}, "5 flags hide an image", "flags.quorum", 5),
        ("strikes", {"offence": "false_flag", "points": 2}, "false flag 2", "strikes.weights", None),
        ("strikes", {"lockouts": "3:2, 6:48"}, "6 points: blocked for 48 h", "strikes.half_life_days", 30),
        ("pause", {"reason": "A leak."}, "⏸️ Image creation is paused: A leak.", "pause.on", True),
        ("resume", {}, "Image creation is on", "pause.on", False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_command_changes_one_section_and_shows_the_new_rules(
    app: App, mo: Person, command: str, values: dict[str, Any], words: str, path: str, expected: object
) -> None:
    await admin(mo, command, words, **values)
    policy = await rules_of(app, mo)
    assert expected is None or _at(policy, path) == expected


def _at(policy: Policy, path: str) -> object:
    found: Any = policy
    for step in path.split("."):
        found = found[step] if isinstance(found, dict) else getattr(found, step)
    return found


async def test_strike_weights_and_steps_are_parsed(app: App, mo: Person) -> None:
    await admin(mo, "strikes", "blocked prompt 3", offence="prompt_blocked", points=3, lockouts="2.5:1, 9:100")
    rules = (await rules_of(app, mo)).strikes
    assert rules.weight(Offence.PROMPT_BLOCKED) == 3
    assert [(step.points, step.hours) for step in rules.steps] == [(2.5, 1), (9, 100)]


async def test_role_rules_are_added_and_removed(app: App, mo: Person) -> None:
    artists = int(mo.roles["Artists"])
    await admin(mo, "role", f"<@&{artists}> all models · 4 images per request", role=str(artists), models="all", max_images=4, credits=100)
    assert (await rules_of(app, mo)).roles[artists].bucket is not None
    await private_reply(mo, "at least as much: Models, Images per request.")
    await admin(mo, "role", "no limits of its own", role=str(artists), remove=True)
    assert (await rules_of(app, mo)).roles == {}


async def test_channels_are_allowed_denied_and_removed(app: App, mo: Person) -> None:
    orders, quiet = mo.channel("studio"), mo.channel("quiet")
    await admin(mo, "channels", f"in <#{orders}>, but not in <#{quiet}>", allow=orders, deny=quiet)
    await admin(mo, "channels", f"everywhere except <#{quiet}>, <#{orders}>", deny=orders)
    await admin(mo, "channels", f"everywhere except <#{orders}>", reset=quiet)
    await admin(mo, "channels", "in every channel", reset_all=True)
    assert (await rules_of(app, mo)).channels == Policy().channels


async def test_one_model_is_closed_and_the_others_stay_open(app: App, mo: Person) -> None:
    await admin(mo, "models", "Models for everyone", deny=DEV)
    open_now = (await rules_of(app, mo)).everyone.models
    assert set(open_now) == {model.id for model in app.models.offered} - {DEV}


@pytest.mark.parametrize(
    ("command", "values", "sentence"),
    [
        ("everyone", {"models": "no-such-model"}, "There's no model"),
        ("everyone", {"aspect_ratios": "wide"}, "🚫 Aspect ratios for everyone must be written like 16:9; “wide” isn't."),
        ("everyone", {"refill_per_day": 5}, "Credit limit for everyone can't be left out."),
        ("strikes", {"lockouts": "5 points"}, "written as points:hours, such as 5:1, 8:24; “5 points” isn't."),
        ("strikes", {"offence": "false_flag"}, "Choose an offence and its points together."),
        ("checks", {"flag_score": 0.9, "block_score": 0.1}, "can't be above the score for blocking"),
        ("checks", {"category": "violence"}, "Set the score for flagging or blocking"),
        ("rules add", {"to": "block"}, "either a word or a pattern"),
        ("rules add", {"to": "block", "pattern": "("}, "🚫 That pattern doesn't work: a closing ) is missing in (."),
        ("rules add", {"to": "block", "word": "*"}, "needs at least one letter or digit"),
        ("rules remove", {"entry": "nothing"}, "nothing isn't in the rules"),
        ("members", {"gift_emoji": "hello", "gift_credits": 1}, "hello isn't an emoji. Choose one emoji."),
        ("members", {"gift_emoji": "⭐", "gift_credits": 1}, "⭐ already has a meaning here. Choose another emoji."),
        ("members", {"gift_emoji": "❄", "gift_credits": 1}, "❄ can't both give credits and run the preset Winter. Choose another emoji."),
        ("grant", {"credits": 5}, "This server has no shared pool"),
    ],
)
async def test_an_invalid_value_is_explained_and_changes_nothing(
    app: App, mo: Person, command: str, values: dict[str, Any], sentence: str
) -> None:
    await admin(mo, command, sentence, **values)
    assert await rules_of(app, mo) == Policy()
    assert await audit_lines(app, mo) == []


@pytest.mark.parametrize(
    ("command", "option"), [("moderators", "add"), ("flags", "add_role"), ("role", "role")], ids=lambda value: str(value)
)
async def test_a_role_of_everyone_or_of_a_bot_is_refused(app: App, mo: Person, command: str, option: str) -> None:
    more = {"private": False} if command == "role" else {}
    bots_own = next(role.id for role in app.client.guilds[0].roles if role.managed)
    await admin(mo, command, "🚫 Everyone has the role @everyone. Choose one that", **{option: str(guild_of(mo)), **more})
    await admin(mo, command, f"🚫 <@&{bots_own}> is a bot's own role", **{option: str(bots_own), **more})
    assert await rules_of(app, mo) == Policy()


async def test_a_thread_is_no_channel_for_cases(mo: Person) -> None:
    with pytest.raises(NotDoneError, match="kind"):
        await mo.slash("imageadmin cases", channel=await mo.thread("Talk"))


async def test_the_log_channel_must_be_writable(app: App, mo: Person) -> None:
    await admin(mo, "log", "can't send messages", channel=mo.channel("quiet"))
    await admin(mo, "log", "logged in <#", channel=mo.channel("gallery"))
    await admin(mo, "cases", "posted in <#", channel=mo.channel("gallery"))
    await admin(mo, "gallery", "Images with 2 ⭐", channel=mo.channel("gallery"), stars=2)
    policy = await rules_of(app, mo)
    assert {policy.log_channel_id, policy.cases_channel_id, policy.gallery.channel_id} == {int(mo.channel("gallery"))}


async def test_every_change_is_audited_with_actor_and_value(app: App, mo: Person) -> None:
    await admin(mo, "flags", "5 flags", needed=5)
    await admin(mo, "flags", "5 flags", needed=5)  # nothing changes
    await mo.slash("presets remove", preset="watercolour")
    await private_reply(mo, "Removed Watercolour")
    presets, flags = await audit_lines(app, mo)
    assert (flags.action, flags.actor_id) == (AuditAction.SETTINGS, int(mo.id))
    assert flags.details == {"changes": [{"path": "flags.quorum", "was": 3, "now": 5}]}
    assert presets.details["changes"][0]["removed"][0]["name"] == "Watercolour"


def all_listed(person: Person, count: int) -> bool:
    return len([message for message in person.messages() if "was added to the block list" in message.content]) == count


async def test_concurrent_changes_of_two_managers_are_both_kept(env: Env, app: App, mo: Person) -> None:
    await mo.role("Ben", "Moderators")
    async with person_in(env, "Ben") as ben:
        words = [f"word{number}" for number in range(12)]
        await asyncio.gather(*(who.slash("imageadmin rules add", to="block", word=word) for word in words for who in (mo, ben)))
        for who in (mo, ben):  # so many at once are deferred
            await who.until(partial(all_listed, who, len(words)))
    assert set((await rules_of(app, mo)).prompts.block.words) == set(words)


# --- rules for prompts -----------------------------------------------------------------------------------------------


async def test_a_rule_is_added_tested_listed_and_removed(app: App, mo: Person, ada: Person) -> None:
    await admin(mo, "rules add", "`gore*` was added to the block list", to="block", word="gore*")
    await admin(mo, "rules add", "added to the flag list", to="flag", pattern=r"b[a4]nk")
    tested = await admin(mo, "rules test", "would be blocked", prompt="a gorefest at the b4nk")
    assert "Block: `gore*` (word)" in tested.text
    assert "`b[a4]nk` (pattern)" in tested.text
    assert "/b[a4]nk/" in (await admin(mo, "rules list", "Prompt rules")).text
    assert await mo.autocomplete("imageadmin rules remove", "entry", entry="gore") == [{"name": "Block: gore*", "value": "gore*"}]
    await admin(mo, "rules remove", "was removed", entry="gore*")
    assert (await rules_of(app, mo)).prompts.block.words == ()


async def test_a_rule_can_be_exact(app: App, mo: Person) -> None:
    await admin(mo, "rules add", "added to the block list", to="block", word="gore")
    await admin(mo, "rules test", "would be blocked", prompt="a g.o.r.e film")
    await admin(mo, "rules add", "added to the block list", to="block", word="gore", exact=True)
    await admin(mo, "rules test", "would be allowed", prompt="a g.o.r.e film")
    await admin(mo, "rules test", "would be blocked", prompt="a gore film")
    assert '`"gore"`' in (await admin(mo, "rules list", "Prompt rules")).text
    await admin(mo, "rules remove", "was removed", entry="gore")


async def test_automod_rules_are_imported_if_easel_may_read_them(app: App, mo: Person) -> None:
    await admin(mo, "rules import", "Easel can't read AutoMod here")
    await mo.permit_bot("manage_guild", True)
    taken = await admin(mo, "rules import", "Imported from AutoMod")
    assert "6 rules were added" in taken.text
    assert "Commonly flagged words" in taken.text
    assert "*bloodbath*" in (await rules_of(app, mo)).prompts.block.words
    await mo.slash("imageadmin rules import")
    await private_reply(mo, "0 rules were added")


async def test_an_image_hash_is_added_and_removed(app: App, mo: Person) -> None:
    image = mo.upload("bad.png", png(64, 48, noise=True), "image/png")
    await admin(mo, "rules hash", "won't be shown here", image=image, tolerance=4)
    known = (await rules_of(app, mo)).known_bad
    assert (known.matches(likeness.fingerprint(png(64, 48, noise=True))), known.distance) == (True, 4)
    await admin(mo, "rules remove", "was removed", entry=known.hashes[0])
    assert (await rules_of(app, mo)).known_bad.hashes == ()


async def test_a_file_that_is_no_image_is_refused_as_a_hash(mo: Person) -> None:
    await admin(mo, "rules hash", "🚫", image=mo.upload("bad.png", b"no image", "image/png"))


# --- money -----------------------------------------------------------------------------------------------------------


async def test_granted_credits_are_credited_and_audited(app: App, mo: Person, ada: Person) -> None:
    await admin(mo, "grant", f"Granted <@{ada.id}> 5 credits", credits=5, member=ada.id, note="For the poster")
    assert (await granted_left(app, ada), (await statement_of(app, int(ada.id))).available) == (5, 1000 * MICRO)
    (line,) = await audit_lines(app, mo)
    assert (line.action, line.target_id, line.details["amount"], line.details["note"]) == (
        AuditAction.GRANTED,
        int(ada.id),
        5_000_000,
        "For the poster",
    )


async def test_a_grant_delivered_twice_is_booked_once(app: App, mo: Person, ada: Person) -> None:
    grant: dict[str, Any] = {"to": None, "amount": 1_000_000, "note": None, "key": "grant:1"}
    await admin(mo, "pool", "share a pool", size=10)
    by_mo = await request(app.services, ReplyTarget(user_id=int(mo.id), channel_id=1, guild_id=guild_of(mo)))
    assert [await app.services.admin.grant(by_mo, **grant) for _time in range(2)] == [True, False]
    pool = (await app.services.admin.overview(by_mo)).pool
    assert pool is not None
    assert pool.available == 11_000_000


async def test_the_pool_and_those_who_pay_from_it_are_granted_credits(app: App, mo: Person) -> None:
    await admin(mo, "pool", "share a pool", size=10)
    await admin(mo, "grant", f"Granted <@{mo.id}> 5 credits", credits=5, member=mo.id)
    await admin(mo, "grant", "Added 5 credits to the shared pool", credits=5)
    assert await granted_left(app, mo) == 5


# --- a restart -------------------------------------------------------------------------------------------------------


async def test_the_rules_and_the_panel_survive_a_restart(env: Env) -> None:
    async with env.app() as app, person_in(env, "Mo") as mo:
        await admin(mo, "pause", "paused", reason="Back soon")
        panel = await admin(mo, "panel", "Back soon")
    async with env.app() as app, person_in(env, "Mo") as mo:
        panel = await mo.message(lambda m: m.id == panel.id)
        await mo.click(panel, "Resume")
        await updated(mo, panel, "Image creation is on")
        assert not (await rules_of(app, mo)).pause.on
