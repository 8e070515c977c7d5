"""/usage: the usage of a guild for its moderators, as text, chart and file."""

from __future__ import annotations

import csv
import io

import pytest
from PIL import Image

from bot.app import App
from bot.domain.money.usage import UsageRow, total
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in
from tests.journeys.conftest import Ask, written_down
from tests.journeys.manager_steps import admin, change_rules, grant
from tests.services.conftest import eventually


async def opened(person: Person, **options: object) -> Message:
    seen = {message.id for message in person.messages()}
    await person.slash("usage", **options)
    return await person.message(lambda m: "CSV file" in m.buttons and m.id not in seen)


async def turned(person: Person, panel: Message, button: str, words: str) -> Message:
    await person.click(panel, button)
    return await person.message(lambda m: m.id == panel.id and words in m.text)


async def _total(app: App) -> UsageRow:
    return total(await app.services.money.table(app.client.guilds[0].id, days=1))


async def _are_made(app: App, count: int) -> bool:
    return (await _total(app)).images == count


async def _have_failed(app: App, count: int) -> bool:
    return (await _total(app)).failed == count


@pytest.fixture
async def busy(app: App, asked: Ask) -> None:
    """Ada asked for three images."""
    await written_down(app, await asked())
    await written_down(app, await asked(count=2, prompt="a blue fox"))


@pytest.mark.usefixtures("busy")
async def test_a_moderator_sees_sums_rows_and_a_chart_in_private(mo: Person, ada: Person) -> None:
    panel = await opened(mo)
    assert panel.ephemeral
    assert "**Last 30 days** · 3 images · 4.2 credits ($0.0420)" in panel.text
    assert f"1. <@{ada.id}> · 3 images" in panel.text
    chart = Image.open(io.BytesIO(await mo.fetch(panel.attachments[0]["url"])))
    assert chart.size == (1280, 720)


async def test_the_panel_switches_range_and_grouping(app: App, mo: Person, asked: Ask) -> None:
    await change_rules(app, usd_per_month=1)
    await written_down(app, await asked())
    panel = await opened(mo, days=7)
    panel = await turned(mo, panel, "By model", "1. FLUX.2 Klein 4B · 1 image")
    panel = await turned(mo, panel, "90 days", "Last 90 days")
    panel = await turned(mo, panel, "By day", "1. <t:")
    assert "**$0.9860** of $1.00 left" in panel.text
    assert len(panel.attachments) == 1


async def test_the_settings_show_the_same_money(env: Env, app: App, mo: Person, ada: Person, ben: Person, asked: Ask) -> None:
    """After images that a bucket, the slow lane, the pool and a sponsor paid, a refund and a failure."""
    role = mo.roles["Artists"]
    await change_rules(app, usd_per_month=1, pool={"size": 100}, roles={role: {"purse": {"size": 2}}})
    refunded = await written_down(app, await asked())
    await written_down(app, await asked())
    await mo.slash("imagemod refund", image=refunded.id)
    await grant(app, mo, 10)
    await mo.slash("sponsor start", credits=5)
    for _payer in ("the sponsor", "and the pool"):
        await ben.slash("generate", prompt="a blue fox", count=3)
    await eventually(lambda: _are_made(app, 8))
    env.switchboard.turn_on("generation-fails", times=1)
    await ben.slash("generate", prompt="a green fox")
    await eventually(lambda: _have_failed(app, 1))
    spent = await opened(mo)
    shared = spent.text.splitlines()[1:5]
    assert shared[0].startswith("**Last 30 days** · 8 images · 11.2 credits ($0.1120) · 1 failed")
    assert (shared[1], shared[3].endswith("**$0.8880** of $1.00 left")) == ("-# 1.4 credits refunded.", True)
    panel = await admin(mo, "panel", "Easel on")
    assert "\n".join(shared) in panel.text


@pytest.mark.usefixtures("busy")
async def test_usage_can_be_filtered_by_member(mo: Person, ada: Person, ben: Person) -> None:
    assert f"Usage by <@{ada.id}>" in (await opened(mo, member=ada.id, by="model")).text
    assert "No images." in (await opened(mo, member=ben.id)).text


@pytest.mark.usefixtures("busy")
async def test_the_file_has_every_member_model_and_day(mo: Person, ada: Person) -> None:
    panel = await opened(mo)
    await mo.click(panel, "CSV file")
    file = await mo.message(lambda m: any(each["filename"].endswith(".csv") for each in m.attachments))
    content = (await mo.fetch(file.attachments[0]["url"])).decode("utf-8-sig")
    (line,) = csv.DictReader(io.StringIO(content))
    assert (line["user_id"], line["pictures"], line["credits"], line["usd"]) == (f"'{ada.id}", "3", "4.2", "0.0420")
    assert file.ephemeral


async def test_a_panel_of_an_earlier_run_still_works(env: Env) -> None:
    async with env.app(), person_in(env, "Mo") as mo:
        panel = await opened(mo)
        async with person_in(env, "Ada") as ada:
            await ada.slash("generate", prompt="a red fox")
            await ada.message(has_image)
    async with env.app(), person_in(env, "Mo") as mo:
        await turned(mo, panel, "By model", "1. FLUX.2 Klein 4B · 1 image")
