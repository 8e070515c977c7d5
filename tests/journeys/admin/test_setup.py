"""Setup and the panel's controls: each sets its setting, for managers only, and says what that means at once."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from prometheus_client import REGISTRY

from bot.app import App
from bot.domain.guild.document import Policy, changed
from bot.domain.outbox import ItemKind
from bot.store import kv, outbox
from cogs.admin.setup.ids import CHOOSE, Mode
from cogs.admin.setup.steps import SECTIONS, STEPS, WALK
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in
from tests.journeys.conftest import Ask, written_down
from tests.journeys.manager_steps import admin, change_rules, guild_of, private_reply, rules_of, updated
from tests.services.conftest import eventually


def control(step: str, name: str, mode: Mode = Mode.PANEL, role: int | None = None) -> str:
    """The id of a menu."""
    return CHOOSE(mode=mode, step=step, role=role, control=name)


async def opened(mo: Person, step: str) -> Message:
    """The panel, with one of its steps open."""
    return await show(mo, await admin(mo, "panel", "Easel on"), step)


async def show(mo: Person, panel: Message, step: str) -> Message:
    section = next(name for name, steps in SECTIONS.items() if step in steps)
    await updated(mo, panel, "Easel on")
    await mo.select(panel, f"v1:setup:open:{section}", step)
    return await updated(mo, panel, STEPS[step].about())


async def filled(mo: Person, panel: Message, button: str, **fields: Any) -> None:
    """Open a form by its button, and submit it."""
    await mo.click(panel, button)
    await mo.submit(await mo.modal(), **fields)


async def test_setup_walks_through_all_steps_and_ends_with_a_summary(app: App, mo: Person) -> None:
    panel = await admin(mo, "setup", "step 1 of 6")
    await mo.select(panel, control("budget", "budget", Mode.WALK), "5")
    await updated(mo, panel, "of $5.00 left")
    for step in WALK[1:]:
        await mo.click(panel, "Next")
        panel = await updated(mo, panel, STEPS[step].about())
    await mo.click(panel, "Back")
    panel = await updated(mo, panel, STEPS[WALK[-2]].about())
    await mo.click(panel, "Finish later")
    panel = await updated(mo, panel, "Three things to try")
    await mo.click(panel, "All settings")
    await updated(mo, panel, "Easel on Easel Studio")
    assert (await rules_of(app, mo)).usd_per_month == Decimal(5)


MENUS: tuple[tuple[str, str, tuple[str, ...], dict[str, Any]], ...] = (
    ("pool", "pool", ('{"size": 500, "refill_per_day": 50}',), {"pool": {"size": 500, "refill_per_day": 50}}),
    ("everyone", "count", ("2",), {"everyone": {"max_count": 2}}),
    ("everyone", "ratios", ("1:1", "16:9"), {"everyone": {"aspect_ratios": ["1:1", "16:9"]}}),
    ("flags", "quorum", ("5",), {"flags": {"quorum": 5}}),
    ("checks", "checks", ("[true, false]",), {"checks": {"prompts": True}}),
    ("checks", "ondown", ("refuse",), {"checks": {"on_down": "refuse"}}),
    ("strikes", "strikes", ("none",), {"strikes": {"ladder": []}}),
    ("gallery", "stars", ("10",), {"gallery": {"stars": 10}}),
    ("members", "wait", ("24",), {"newcomers": {"wait_hours": 24}}),
)
FORMS: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("budget", "Other amount", {"dollars": "8,50"}, "of $8.50 left"),
    ("pool", "Other amounts", {"size": "40", "refill": "4", "percent": "20"}, "up to 20% of the pool"),
    ("strikes", "Points", {"halflife": "7", "falseflag": "2"}, "false flag 2"),
    ("strikes", "Own lockouts", {"lockouts": "3:2, 6:48"}, "6 points: blocked for 48 h"),
    ("prompts", "Add words", {"block": "gore\nsplatter", "flag": "blood"}, "⛔ block 2 · 🚩 flag 1"),
    ("gallery", "Other amounts", {"stars": "7", "reward": "1"}, "The gallery is off"),
    ("members", "Other amounts", {"emoji": "🎁", "credits": "1"}, "Reacting with 🎁 gives 1 credit"),
    ("pause", "Pause with a reason", {"reason": "A leak."}, "paused: A leak."),
    ("prices", "Set a price", {"model0": ["flux-2-dev"], "credits": "9"}, "costs 9 credits here"),
)


async def test_each_menu_sets_what_was_chosen(app: App, mo: Person) -> None:
    """From every section of the panel, and back to it."""
    expected = Policy()
    panel = await admin(mo, "panel", "Easel on")
    for step, menu, values, patch in MENUS:
        await show(mo, panel, step)
        await mo.select(panel, control(step, menu), *values)
        await mo.click(await updated(mo, panel, STEPS[step].about()), "Back to all settings")
        expected = changed(expected, patch)
        assert await rules_of(app, mo) == expected


async def test_each_form_sets_what_was_typed(mo: Person) -> None:
    panel = await admin(mo, "panel", "Easel on")
    for step, button, fields, words in FORMS:
        await filled(mo, await show(mo, panel, step), button, **fields)
        await mo.click(await updated(mo, panel, words), "Back to all settings")


async def test_every_setting_can_be_opened_from_its_section(mo: Person) -> None:
    panel = await admin(mo, "panel", "Easel on")
    for step in [step for steps in SECTIONS.values() for step in steps]:
        await mo.click(await show(mo, panel, step), "Back to all settings")
        await updated(mo, panel, "Easel on Easel Studio")


async def test_menus_of_channels_and_roles_set_lists(app: App, mo: Person) -> None:
    studio, quiet, role = mo.channel("studio"), mo.channel("quiet"), mo.roles["Artists"]
    panel = await opened(mo, "channels")
    await mo.select(panel, control("channels", "allowed"), studio, quiet)
    await mo.select(panel, control("channels", "denied"), quiet)
    await updated(mo, panel, f"in <#{studio}>, but not in <#{quiet}>")
    await mo.select(panel, control("channels", "allowed"))
    await updated(mo, panel, f"everywhere except <#{quiet}>")
    panel = await opened(mo, "moderators")
    await mo.select(panel, control("moderators", "roles"), role)
    await updated(mo, panel, f"<@&{role}>")


async def test_a_role_gets_limits_of_its_own_and_loses_them(app: App, mo: Person) -> None:
    role = int(mo.roles["Artists"])
    panel = await opened(mo, "roles")
    await mo.select(panel, "v1:setup:role:panel:roles:-", str(role))
    panel = await updated(mo, panel, "has no limits of its own")
    await mo.select(panel, control("roles", "count", role=role), "3")
    panel = await updated(mo, panel, "3 images per request")
    await filled(mo, panel, "Size, credits and queue", size="20", refill_per_day="2,5", waiting="4")
    panel = await updated(mo, panel, "20 credits, refilling by 2.5 credits a day")
    await mo.click(panel, "Remove this role's limits")
    await updated(mo, panel, "No role has limits of its own")
    assert await rules_of(app, mo) == Policy()


async def test_wrong_input_is_explained_and_changes_nothing(app: App, mo: Person) -> None:
    panel = await opened(mo, "flags")
    await filled(mo, panel, "Other amounts", quorum="many", after_days="7")
    await private_reply(mo, "Flags needed must be a number, such as 5 or 2.5; “many” isn't.")
    panel = await opened(mo, "flags")
    await filled(mo, panel, "Other amounts", quorum="1000", after_days="7")
    await private_reply(mo, "Flags needed to hide an image must be at most 100")
    assert await rules_of(app, mo) == Policy()


async def test_a_word_is_removed_again_and_those_of_automod_are_imported(app: App, mo: Person) -> None:
    await admin(mo, "rules add", "block list", to="block", word="gore")
    panel = await opened(mo, "prompts")
    await mo.select(panel, control("prompts", "entries"), "block:w:gore")
    panel = await updated(mo, panel, "⛔ block 0")
    await mo.permit_bot("manage_guild", True)
    await mo.click(panel, "Import AutoMod's words")
    panel = await updated(mo, panel, "Imported from AutoMod")
    assert "⛔ block 0" not in panel.text


async def test_only_managers_use_its_controls(app: App, mo: Person) -> None:
    panel = await admin(mo, "setup", "step 1 of 6")
    await mo.role("Mo", "Moderators", on=False)
    for button in ("Next", "Other amount"):
        await mo.click(panel, button)
    await mo.select(panel, control("budget", "budget", Mode.WALK), "5")
    await mo.until(lambda: len([m for m in mo.messages() if "Only members with the Manage Server permission" in m.text]) == 3 or None)
    assert await rules_of(app, mo) == Policy()


# --- joining a server ------------------------------------------------------------------------------------------------


async def test_joining_a_server_offers_setup_once_to_its_managers(env: Env, ada: Person, mo: Person) -> None:
    await mo.bot_member(on=False)
    await mo.bot_member(on=True)
    offer = await ada.message(lambda m: "Set up Easel" in m.buttons)
    await ada.click(offer, "Set up Easel")
    await private_reply(ada, "Only members with the Manage Server permission can do this.")
    await mo.click(await mo.message(lambda m: m.id == offer.id), "Set up Easel")
    await private_reply(mo, "step 1 of 6")
    assert "$" not in offer.text


async def test_after_a_restart_or_an_outage_setup_is_not_offered_again(env: Env) -> None:
    async with Person.connect(env.discord.url, "Mo") as mo:
        async with env.app(), person_in(env, "Mo"):
            await mo.bot_member(on=False)
            await mo.bot_member(on=True)
            await mo.message(lambda m: "Set up Easel" in m.buttons)
        async with env.app() as app:
            await mo.slash("imageadmin panel")
            await private_reply(mo, "Easel on")
            await eventually(lambda: app.store.read(lambda conn: not outbox.due(conn, 2**60)))
            assert len([m for m in mo.messages() if "Set up Easel" in m.buttons]) == 1


def _welcomes() -> float:
    """How many were sent."""
    return REGISTRY.get_sample_value("easel_outbox_total", {"kind": ItemKind.WELCOME, "outcome": "done"}) or 0


async def test_without_a_channel_to_write_in_the_owner_is_told(app: App, mo: Person) -> None:
    before = _welcomes()
    await mo.permit("studio", "send_messages", False)
    await mo.bot_member(on=False)
    await mo.bot_member(on=True)

    async def is_told() -> bool:
        return _welcomes() == before + 1

    await eventually(is_told)
    assert await app.store.read(kv.get, f"welcome:{guild_of(mo)}")
    assert [m for m in mo.messages() if "Set up Easel" in m.buttons] == []


# --- what a change means at once -------------------------------------------------------------------------------------


async def closed_to_all_but_moderators(mo: Person, channel: str) -> None:
    for role in ("", "Moderators"):
        await mo.permit(channel, "view_channel", True, role=role)
    await mo.permit(channel, "view_channel", False, role="@everyone")


async def test_a_cases_channel_that_others_read_is_said_until_it_is_so_no_more(app: App, mo: Person) -> None:
    channel, role = mo.channel("after-dark"), mo.roles["Artists"]
    answer = await admin(mo, "cases", "⚠️ Everyone can read <#", channel=channel)
    await closed_to_all_but_moderators(mo, "after-dark")
    panel = await admin(mo, "panel", "Easel on")
    assert "can read" not in panel.text
    await mo.permit("after-dark", "view_channel", True, role="Artists")
    await mo.click(panel, "Refresh")
    await updated(mo, panel, f"⚠️ <@&{role}> can read <#{channel}>; they would see reports without being moderators.")
    await mo.click(answer, "Undo")
    await updated(mo, answer, "There's no cases channel")
    assert await rules_of(app, mo) == Policy()


async def test_what_is_wrong_with_the_gallery_and_an_imported_log_is_said(mo: Person) -> None:
    await admin(mo, "gallery", "members under 18 don't see the gallery", channel=mo.channel("after-dark"))
    await closed_to_all_but_moderators(mo, "gallery")
    panel = await opened(mo, "gallery")
    await mo.select(panel, control("gallery", "gallery"), mo.channel("gallery"))
    await updated(mo, panel, "⚠️ Only moderators can read")
    file = mo.upload("settings.json", json.dumps({"log_channel_id": mo.channel("studio")}).encode(), "application/json")
    preview = await admin(mo, "import", "⚠️ Everyone can read", file=file)
    await mo.click(preview, "Apply")
    await updated(mo, preview, "the log would be public")
    await mo.permit("studio", "attach_files", False)
    await admin(mo, "panel", "Easel can't send messages and attach files in")


async def test_a_new_limit_says_who_is_over_it_already(env: Env, app: App, mo: Person, ben: Person, asked: Ask) -> None:
    await change_rules(app, everyone={"purse": {"size": 2}})
    await written_down(app, await asked())
    await admin(mo, "everyone", "⚠️ 1 member has too few credits for an image and can create again <t:", credits=1.5, refill_per_day=1)
    await admin(mo, "everyone", "costs more than members can have here", credits=1)
    await change_rules(app, everyone={"purse": None}, pool={"size": 3})
    await ben.slash("generate", prompt="a red fox", count=2)
    await ben.message(has_image)
    await admin(mo, "pool", "⚠️ The pool has too few credits for an image now. Members can create again <t:", size=4, refill_per_day=1)
    await change_rules(app, pool=None, everyone={"running": 1})
    env.switchboard.turn_on("generation-stuck")
    await ben.slash("generate", prompt="a red fox", count=4)
    await admin(mo, "everyone", "⚠️ 1 member already has more images in the queue", max_queued=1)
    env.switchboard.turn_off("generation-stuck")


async def test_a_new_limit_says_what_the_default_model_cannot_do(app: App, mo: Person) -> None:
    default = app.services.orders.default_model
    await admin(mo, "models", "is the default model, but not for everyone any more", deny=default)
    await admin(mo, "models", "Models for everyone: all models", allow="all")
    await admin(mo, "everyone", "can't do any of these aspect ratios", aspect_ratios="7:3")
    await admin(mo, "budget", "so no new images until", dollars=0)


async def test_what_the_operator_decided_is_said_and_not_offered(env: Env) -> None:
    async with env.app(DEFAULT_MODEL="flux-2-dev", MANAGERS_MAY_SET="none"), person_in(env, "Mo") as mo:
        panel = await opened(mo, "pool")
        assert "🔧 Only the bot's operator can set how many credits members get." in panel.text
        assert set(panel.buttons) == {"Back to all settings"}
        panel = await opened(mo, "everyone")
        await mo.click(panel, "Size, credits and queue")
        assert "credits" not in str((await mo.modal()).components)
        await mo.submit(await mo.modal(), max_megapixels="0.5")
        await updated(mo, panel, "FLUX.2 [dev], the default model, makes larger images by default")
