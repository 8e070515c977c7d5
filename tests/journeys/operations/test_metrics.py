"""What the metrics say is what happened, and they name nobody."""

from __future__ import annotations

import asyncio
import re

import pytest
from prometheus_client import REGISTRY, generate_latest
from structlog.testing import capture_logs

from bot.app import App
from bot.client.requests import route_of
from bot.services import gauges
from sandbox.person import Person
from tests.env.app import Env, has_image
from tests.services.conftest import eventually

FOX = "a red fox in the snow"


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def grown(name: str, before: float, **labels: str) -> None:
    async def has_grown() -> bool:
        return value(name, **labels) > before

    await eventually(has_grown)


async def test_an_order_is_counted_timed_and_paid(app: App, ada: Person) -> None:
    names = ("easel_order_seconds_count", "easel_credits_total", "easel_stream_events_total")
    before = {name: value(name, provider="oxen") for name in names}
    shown = value("easel_images_total", provider="oxen", outcome="shown")
    answered, written = value("easel_acknowledged_total", outcome="in time"), value("easel_database_write_seconds_count")
    await ada.slash("generate", prompt=FOX)
    await ada.message(has_image)
    await grown("easel_images_total", shown, provider="oxen", outcome="shown")
    assert {name: value(name, provider="oxen") - count for name, count in before.items()} == {
        "easel_order_seconds_count": 1,
        "easel_credits_total": pytest.approx(1.4),
        "easel_stream_events_total": 1,
    }
    assert value("easel_acknowledged_total", outcome="in time") == answered + 1
    assert value("easel_database_write_seconds_count") > written
    assert (value("easel_gateway_up"), value("easel_stream_up", provider="oxen")) == (1, 1)
    await app.gauges.read()
    assert [value("easel_today", what=what) for what in ("images", "credits")] == [1, pytest.approx(1.4)]
    assert {value("easel_background_loop_up", loop=name) for name in ("dispatch", "housekeeping", "watch oxen")} == {1}
    page = generate_latest(REGISTRY).decode()
    assert re.findall(r'="[^"]*\d{15,}', page) == []  # ids of Discord
    assert FOX not in page


@pytest.mark.faults("generation-stuck")
async def test_what_waits_is_counted_with_its_age(app: App, env: Env, ada: Person) -> None:
    await ada.slash("generate", prompt=FOX)

    async def is_running() -> bool:
        await app.gauges.read()
        return value("easel_queue_items", state="running") == 1

    await eventually(is_running)
    ages = [value("easel_queue_age_seconds", state=state) for state in ("running", "waiting")]
    assert ages[0] > 0 == ages[1]
    assert value("easel_queue_age_seconds", state="running") > ages[0]  # it grows without another reading
    reserved, left = value("easel_month_usd", part="reserved"), value("easel_month_usd", part="left")
    assert reserved > 0
    assert left + reserved == pytest.approx(app.settings.monthly_limit_usd)
    assert value("easel_database_bytes", part="data") > 0


@pytest.mark.faults("generation-fails")
async def test_a_failed_image_is_counted_by_its_reason(ada: Person) -> None:
    failed = value("easel_images_total", provider="oxen", outcome="fault")
    await ada.slash("generate", prompt=FOX)
    await grown("easel_images_total", failed, provider="oxen", outcome="fault")


@pytest.mark.faults("events-refused")
async def test_a_lost_stream_is_shown(ada: Person) -> None:
    await grown("easel_stream_lost_total", value("easel_stream_lost_total", provider="oxen"), provider="oxen")
    assert value("easel_stream_up", provider="oxen") == 0


@pytest.mark.faults("discord-error", times=1)
async def test_a_failure_of_discord_is_counted_and_logged(ada: Person) -> None:
    failed = value("easel_discord_responses_total", status="503")
    with capture_logs() as logged:
        await ada.slash("generate", prompt=FOX)
        await ada.message(has_image)
    assert value("easel_discord_responses_total", status="503") == failed + 1
    routes = [each["route"] for each in logged if each["event"] == "Discord failed"]
    assert routes == ["PATCH /webhooks/{id}/{token}/messages/{id}"]


@pytest.mark.faults("first-answer-lost", times=1)
async def test_a_lost_first_answer_is_counted(ada: Person) -> None:
    lost = value("easel_acknowledged_total", outcome="lost")
    await ada.slash("generate", prompt=FOX)
    await ada.message(has_image)
    assert value("easel_acknowledged_total", outcome="lost") == lost + 1


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/api/v10/channels/123456789012345678/messages/123456789012345679", "PATCH /channels/{id}/messages/{id}"),
        ("/api/v10/webhooks/12/aW50ZXJhY3Rpb246MTI/messages/@original", "PATCH /webhooks/{id}/{token}/messages/@original"),
        ("/proxy/api/v10/interactions/12/se-cr_et/callback", "PATCH /interactions/{id}/{token}/callback"),
        ("/api/v10/channels/1/messages/2/reactions/⏳/@me", "PATCH /channels/{id}/messages/{id}/reactions/{emoji}/@me"),
        ("/api/v10/users/@me/channels", "PATCH /users/@me/channels"),
    ],
)
def test_a_route_has_no_ids_and_no_tokens(path: str, route: str) -> None:
    assert route_of("PATCH", path) == route


async def test_the_gauges_are_read_again_and_again(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges, "EVERY_S", 0.01)
    before = value("easel_last_read_timestamp_seconds")
    reading = asyncio.create_task(app.gauges.run())
    await grown("easel_last_read_timestamp_seconds", before)
    reading.cancel()
