"""The local image API keeps Oxen's contract."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import images
from tests.sandbox.wire import KLEIN, Client

SLOW = images.ApiTiming(queue_s=0.0, image_min_s=60, image_max_s=60)


# Images at once


async def test_generate_answers_a_link_to_the_image(client: Client) -> None:
    answer = await client.generate(prompt="A red cube", aspect_ratio="1:1", seed=42)
    assert answer.json.keys() == {"model", "created", "images"}
    file = await client.get(answer.json["images"][0]["url"])
    assert file.headers["Content-Type"] == "image/png"
    assert file.headers["Content-Length"] == str(len(file.data))
    assert file.image.width == file.image.height


# The queue


async def test_enqueue_takes_up_to_four(client: Client) -> None:
    answer = await client.enqueue(num_generations=4)
    assert [each["status"] for each in answer.json["generations"]] == ["queued"] * 4
    assert len({each["generation_id"] for each in answer.json["generations"]}) == 4


async def test_a_row_echoes_what_was_submitted(client: Client) -> None:
    row = await client.made(prompt="a fox", seed=5, aspect_ratio="3:4", num_inference_steps=20, target_namespace="club")
    echoed = {name: row[name] for name in ("prompt", "seed", "aspect_ratio", "num_inference_steps", "target_namespace", "model_name")}
    assert echoed == {
        "prompt": "a fox",
        "seed": 5,
        "aspect_ratio": "3:4",
        "num_inference_steps": 20,
        "target_namespace": "club",
        "model_name": KLEIN,
    }
    assert (row["status"], row["media_type"], row["error_message"]) == ("succeeded", "image", None)
    assert row["enqueued_at"] <= row["started_at"] <= row["completed_at"]


async def test_generations_of_another_key_are_not_found(client: Client) -> None:
    row = await client.made()
    answer = await client.get(f"/api/ai/queue/{row['generation_id']}", headers={"Authorization": "Bearer another"})
    assert (answer.status, answer.json["error"]["type"]) == (404, "resource_not_found")


@pytest.mark.parametrize("timing", [SLOW])
async def test_cancel_ends_an_active_generation_and_refunds_it(client: Client) -> None:
    (taken,) = (await client.enqueue()).json["generations"]
    await client.reaches(taken["generation_id"], "processing")
    answer = await client.call("DELETE", f"/api/ai/queue/{taken['generation_id']}")
    assert (answer.status, answer.json["status"]) == (200, "cancelled")
    assert (await client.get("/api/ai/queue")).json["count"] == 0
    assert (await client.ledger())["paid"] == 0


@pytest.mark.parametrize("timing", [images.ApiTiming(queue_s=0, image_min_s=0, image_max_s=0, link_lifetime_s=-1)])
async def test_an_expired_link_is_forbidden(client: Client) -> None:
    assert (await client.get((await client.made())["result_url"])).status == 403


# Refusals


@pytest.mark.parametrize("header", ["", "Bearer ", "Bearer wrong", "Basic abc"])
async def test_a_missing_or_wrong_key_is_unauthenticated(client: Client, header: str) -> None:
    answer = await client.get("/api/ai/queue", headers={"Authorization": header})
    assert (answer.status, answer.json["status_message"]) == (401, "unauthenticated")
    assert answer.json["error"]["type"] == "unauthenticated"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"model": "dall-e-9"}, "Model not found: dall-e-9"),
        ({"model": "sandbox-scribe-text"}, ":unsupported_media_type"),
        ({"num_generations": 0}, "num_generations must be an integer between 1 and 4"),
        ({"num_generations": 5}, "num_generations must be an integer between 1 and 4"),
        ({"num_generations": "2"}, "num_generations must be an integer between 1 and 4"),
    ],
)
async def test_enqueue_refuses_what_is_documented(client: Client, body: dict[str, Any], sentence: str) -> None:
    answer = await client.enqueue(**body)
    assert (answer.status, answer.json) == (400, {"error": {"message": sentence}})
    assert (await client.ledger())["enqueued"] == 0


async def test_without_credit_nothing_is_enqueued(client: Client) -> None:
    await client.call("POST", "/sandbox/credit", {"usd": 0.028})
    answers = [await client.enqueue(num_generations=count) for count in (3, 2, 1)]
    assert [answer.status for answer in answers] == [402, 200, 402]
    assert answers[0].json["error"]["message"] == "Insufficient credits"


# References


# Events


async def test_a_success_is_announced_with_a_link(client: Client) -> None:
    async with client.events() as stream:
        (taken,) = (await client.enqueue()).json["generations"]
        name, event = await stream.event()
    assert stream.response.headers["Content-Type"] == "text/event-stream"
    assert name == "media_generation_completed"
    assert (await client.get(event.pop("url"))).status == 200
    assert event == {"generation_id": taken["generation_id"], "status": "succeeded", "media_type": "image", "model": KLEIN}


async def test_events_are_neither_replayed_nor_shared_between_keys(client: Client) -> None:
    await client.made()
    async with client.events() as stream:
        (theirs,) = (await client.enqueue(key="another")).json["generations"]
        ours = await client.made()
        _, event = await stream.event()
    assert event["generation_id"] == ours["generation_id"] != theirs["generation_id"]


# The server


# Charges


@pytest.mark.parametrize(
    ("body", "cost"),
    [
        ({}, "0.014"),
        ({"model": "gpt-image-2"}, "0.42"),
        ({"model": "gpt-image-2", "quality": "high", "resolution": "4K"}, "1.47"),
        ({"model": "ideogram-v4", "num_images": 4}, "0.24"),
        ({"model": "ideogram-v4", "rendering_speed": "QUALITY"}, "0.09"),
        ({"model": "bytedance-seedream-4", "size": "4K"}, "0.06"),
        ({"model": "flux-1-dev", "image_size": "optimize_for_speed"}, "0.015"),
        ({"model": "nano-banana-2", "resolution": "512"}, "0.045"),
        ({"model": "z-image-turbo", "num_inference_steps": 10}, "0.00500"),
    ],
)
async def test_a_generation_is_charged_for_its_options(client: Client, body: dict[str, Any], cost: str) -> None:
    row = await client.made(**body)
    answer = (await client.get("/api/ai/generations")).json
    assert [(each["generation_id"], each["cost"]) for each in answer["generations"]] == [(row["generation_id"], cost)]
    assert (answer["count"], answer["page_number"], answer["page_size"], answer["total_cost"]) == (1, 1, 50, cost)


@pytest.mark.parametrize("timing", [SLOW])
async def test_what_is_not_charged_has_no_cost(client: Client) -> None:
    await client.enqueue()
    answer = (await client.get("/api/ai/generations")).json
    assert ([each["cost"] for each in answer["generations"]], answer["total_cost"]) == ([None], "0")


async def test_charges_are_listed_in_pages_newest_first(client: Client) -> None:
    ids = [(await client.made())["generation_id"] for _ in range(3)]
    pages = [(await client.get(f"/api/ai/generations?page={page}&page_size=2")).json["generations"] for page in (1, 2, 3)]
    assert [[each["generation_id"] for each in page] for page in pages] == [[ids[2], ids[1]], [ids[0]], []]
    assert (await client.get("/api/ai/generations?page_size=1001")).status == 400


@pytest.mark.parametrize(
    ("model", "body", "estimate"),
    [
        ("gpt-image-2", {"quality": "low"}, {"type": "exact", "cost": "0.02"}),
        ("ideogram-v4", {"num_images": 2}, {"type": "exact", "cost": "0.12"}),
        ("topazlabs-image-upscale", {"upscale_factor": "4x"}, {"type": "exact", "cost": "0.1"}),
        ("topazlabs-wonder-3-image", {"enhancement_strength": "high"}, {"type": "exact", "cost": "0.06"}),
        ("nano-banana", {}, {"type": "range", "min_cost": "0.0150000", "max_cost": "0.0600000"}),
        ("z-image-turbo", {}, {"type": "range", "min_cost": "0.00200", "max_cost": "0.00800"}),
        ("sandbox-reel-video", {}, {"type": "rate", "cost_per_second": 0.05}),
    ],
)
async def test_an_estimate_is_for_exactly_the_options(client: Client, model: str, body: dict[str, Any], estimate: dict[str, Any]) -> None:
    assert (await client.call("POST", f"/api/ai/models/{model}/estimate", body)).json["estimate"] == estimate
