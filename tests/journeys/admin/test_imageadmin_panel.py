"""The panel of /imageadmin, and settings as a file: previewed, applied by a button, or refused with an explanation."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from bot.app import App
from bot.domain.guild.document import Policy
from bot.domain.moderation.audit import AuditAction
from bot.store.moderation import cases
from cogs.admin.setup.steps import SECTIONS, STEPS
from cogs.kit import texts
from sandbox.person import Message, Person
from tests.env.app import Env, person_in
from tests.journeys.conftest import Ask, written_down
from tests.journeys.manager_steps import admin, audit_lines, change_rules, guild_of, private_reply, rules_of, updated
from tests.services.conftest import eventually


async def imported(person: Person, document: Any, words: str, filename: str = "settings.json") -> Message:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return await admin(person, "import", words, file=person.upload(filename, content, "application/json"))


# --- the panel -------------------------------------------------------------------------------------------------------


async def test_the_panel_shows_everything_at_a_glance(app: App, mo: Person, ada: Person, asked: Ask) -> None:
    await admin(mo, "budget", "8.50", dollars=8.5)
    await admin(mo, "pool", "share a pool", size=100, refill_per_day=10)
    await admin(mo, "role", "<@&", role=mo.roles["Artists"], credits=200)
    await admin(mo, "rules add", "block list", to="block", word="gore")
    await written_down(app, await asked())
    panel = await admin(mo, "panel", "Easel on Easel Studio")
    for part in (
        "$8.48** of $8.50 left",
        "1 image · 1.4 credits ($0.0140)",
        "100 of 100 credits left",
        "in every channel",
        f"<@&{mo.roles['Artists']}> 200 credits",
        "⛔ block 1",
        "3 flags hide an image",
        "0 cases need a decision",
    ):
        assert part in panel.text
    assert set(panel.buttons) == {"Pause", "Open cases", "Lock flags", "Export", "Refresh"}


async def test_each_button_does_what_its_label_says_and_updates_the_panel(app: App, mo: Person, ada: Person) -> None:
    panel = await admin(mo, "panel", "Easel on")
    await mo.click(panel, "Pause")
    panel = await updated(mo, panel, "⏸️ Image creation is paused")
    await ada.slash("generate", prompt="a red fox")
    await private_reply(ada, "Image creation is paused")
    await mo.click(panel, "Lock flags")
    panel = await updated(mo, panel, "Flags are locked")
    await mo.click(panel, "Unlock flags")
    await mo.click(await updated(mo, panel, "3 flags hide"), "Resume")
    await updated(mo, panel, "Image creation is on")
    assert await rules_of(app, mo) == Policy()


async def test_two_managers_who_press_pause_at_once_pause_once(env: Env, app: App, mo: Person) -> None:
    await mo.role("Ben", "Moderators")
    async with person_in(env, "Ben") as ben:
        await mo.slash("imageadmin panel")
        await ben.slash("imageadmin panel")
        for who in (mo, ben):
            await who.click(await who.message(lambda m: "Pause" in m.buttons), "Pause")
    assert (await rules_of(app, mo)).pause.on
    assert len(await audit_lines(app, mo)) == 1


async def test_the_panel_fits_in_a_message_with_every_setting_at_its_limit(app: App, mo: Person) -> None:
    ids = [str(10**18 + number) for number in range(100)]
    steps = [{"points": 3 * step, "hours": 800 * step} for step in range(1, 11)]
    wanted = {
        "pause": {"on": True, "reason": "*_" * 150},
        "channels": {"allowed": ids, "denied": ["5"]},
        "everyone": {"models": [f"model-{number}" * 5 for number in range(50)]},
        "roles": {each: {"models": ["a" * 100] * 5, "purse": {"size": 1, "refill_per_day": 1}} for each in ids},
        "prices": {f"{number}" * 40: 1 for number in range(1, 10)},
        "checks": {"prompts": True, "categories": {f"{number}" * 60: {} for number in range(10, 60)}},
        "flags": {"role_ids": ids, "locked": True},
        "strikes": {"ladder": steps},
        "moderator_role_ids": ids,
        "gifts": {"by_reaction": {"emoji": "\u200d".join("🎁" * 30), "credits": 1}},
    }
    preview = await imported(mo, wanted, "This file would change")
    await mo.click(preview, "Apply")
    await updated(mo, preview, "settings were changed")
    await change_rules(app, **wanted)  # also with the ids, which are not of this server
    panel = await admin(mo, "panel", "Easel on")
    assert len(panel.text) <= texts.PANEL_MAX
    assert len(panel.components) <= 40
    assert "role 1000000000000000000" in preview.text
    for section, step in [(section, step) for section, steps in SECTIONS.items() for step in steps]:
        await mo.select(panel, f"v1:setup:open:{section}", step)
        shown = await updated(mo, panel, STEPS[step].about())
        assert (len(shown.text) <= texts.PANEL_MAX, len(shown.components) <= 40) == (True, True)
        await mo.click(shown, "Back to all settings")
        panel = await updated(mo, panel, "Easel on")
    await app.services.guilds.mark_gone(guild_of(mo), [int(each) for each in ids])
    await mo.click(panel, "Refresh")
    panel = await updated(mo, panel, "Deleted, but still in the settings")
    assert len(panel.text) <= texts.PANEL_MAX
    assert len(panel.components) <= 40


# --- files -----------------------------------------------------------------------------------------------------------


async def test_an_exported_file_is_imported_again_without_a_change(mo: Person) -> None:
    await admin(mo, "budget", "8.50", dollars=8.5)
    panel = await admin(mo, "panel", "Easel on")
    await mo.click(panel, "Export")
    answer = await mo.message(lambda m: m.ephemeral and bool(m.attachments))
    content = await mo.fetch(answer.attachments[0]["url"])
    assert json.loads(content)["usd_per_month"] == 8.5
    await imported(mo, content, "nothing to change")


async def test_a_file_is_previewed_and_applied_by_a_button(app: App, mo: Person) -> None:
    wanted = {"usd_per_month": 20, "flags": {"quorum": 4}, "prompts": {"block": {"words": ["gore"]}}, "roles": {"123456789012345678": {}}}
    panel = await imported(mo, wanted, "This file would change")
    for part in (
        "Monthly budget in US dollars: default → 20",
        "Flags needed to hide an image: 3 → 4",
        "+ gore",
        "Not on this server: role 123456789012345678",
    ):
        assert part in panel.text
    assert await rules_of(app, mo) == Policy()
    await mo.click(panel, "Apply")
    await updated(mo, panel, "settings were changed")
    policy = await rules_of(app, mo)
    assert (policy.usd_per_month, policy.flags.quorum) == (Decimal(20), 4)
    assert [line.action for line in await audit_lines(app, mo)] == [AuditAction.SETTINGS]


async def test_a_file_that_is_not_applied_changes_nothing(app: App, mo: Person) -> None:
    panel = await imported(mo, {"flags": {"quorum": 4}}, "This file would change")
    await mo.click(panel, "Don't apply")
    await updated(mo, panel, "Nothing was changed")
    assert await rules_of(app, mo) == Policy()


async def test_a_preview_that_is_out_of_date_is_shown_again(app: App, mo: Person) -> None:
    panel = await imported(mo, {"flags": {"quorum": 4}}, "This file would change 1 setting")
    await admin(mo, "pause", "paused")
    await mo.click(panel, "Apply")
    panel = await updated(mo, panel, "changed in the meantime")
    assert "Pause: on → off" in panel.text
    assert (await rules_of(app, mo)).pause.on
    await mo.click(panel, "Apply")
    await updated(mo, panel, "2 settings were changed")
    assert not (await rules_of(app, mo)).pause.on


async def test_a_file_is_applied_after_a_restart(env: Env) -> None:
    async with env.app(), person_in(env, "Mo") as mo:
        panel = await imported(mo, {"flags": {"quorum": 4}}, "This file would change")
    async with env.app() as app, person_in(env, "Mo") as mo:
        await mo.click(await mo.message(lambda m: m.id == panel.id), "Apply")
        await updated(mo, panel, "1 setting was changed")
        assert (await rules_of(app, mo)).flags.quorum == 4


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"quorum: 4", "isn't valid JSON"),
        (b"[]", "doesn't contain settings"),
        (b'{"flags": {"quorrum": 4}}', "“quorrum” isn't a setting. Did you mean “quorum”?"),
        (b'{"flags": {"quorum": 0}, "usd_per_month": -1}', "Monthly budget in US dollars must be at least 0"),
    ],
)
async def test_an_invalid_file_is_explained(app: App, mo: Person, content: bytes, sentence: str) -> None:
    await imported(mo, content, sentence)
    assert await rules_of(app, mo) == Policy()


async def test_a_file_that_is_too_large_is_not_read(app: App, mo: Person) -> None:
    await imported(mo, b"{" + b" " * 1024 * 1024 + b"}", "That file is too large")


async def test_flags_given_under_a_lock_count_once_it_is_removed(app: App, mo: Person, ada: Person, ben: Person, asked: Ask) -> None:
    await admin(mo, "flags", "locked", locked=True, needed=1, member_days=0)
    made = await asked()
    await written_down(app, made)
    await ben.react(made, "🚩")
    await eventually(lambda: app.store.read(cases.flags_on, int(made.id)))
    panel = await admin(mo, "panel", "0 cases need")
    await mo.click(panel, "Unlock flags")
    await updated(mo, panel, "1 case needs")
