"""The local image API keeps its contract, endpoint by endpoint."""

from __future__ import annotations

import asyncio
import base64
import io
from typing import Any

import aiohttp
import pytest
from aiohttp import test_utils, web
from PIL import Image

from sandbox import images
from sandbox.painter import Brief, paint
from tests.sandbox.wire import DEV, KLEIN, Client, until

SLOW = images.ApiTiming(queue_s=0.0, image_min_s=60, image_max_s=60)


# Pictures at once


async def test_generate_answers_a_link_to_the_picture(client: Client) -> None:
    answer = await client.generate(prompt="A red cube", aspect_ratio="1:1", seed=42)
    assert answer.json.keys() == {"model", "created", "images"}
    picture = await client.get(answer.json["images"][0]["url"])
    assert picture.headers["Content-Type"] == "image/png"
    assert picture.headers["Content-Length"] == str(len(picture.data))
    assert picture.image.size == (768, 768)


async def test_generate_answers_base64_where_asked(client: Client) -> None:
    by_link = await client.generate(seed=7)
    inline = await client.generate(seed=7, response_format="b64_json")
    linked = await client.get(by_link.json["images"][0]["url"])
    assert base64.b64decode(inline.json["images"][0]["b64_json"]) == linked.data


@pytest.mark.parametrize("references", [{}, {"input_image": ["https://hub.oxen.ai/bloxy.png"]}])
async def test_edit_works_with_and_without_references(client: Client, references: dict[str, Any]) -> None:
    answer = await client.call("POST", "/api/ai/images/edit", {"model": DEV, "prompt": "a superhero", "seed": 1, **references})
    picture = await client.get(answer.json["images"][0]["url"])
    assert (answer.status, picture.headers["Content-Type"]) == (200, "image/webp")


async def test_a_synchronous_call_is_paid_but_not_in_the_queue(client: Client) -> None:
    await client.generate()
    ledger = await client.ledger()
    listed = await client.get("/api/ai/queue", params={"status": "succeeded"})
    assert (ledger["enqueued"], ledger["paid"], listed.json["count"]) == (0, 1, 0)


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


async def test_a_seed_that_was_not_submitted_is_not_echoed(client: Client) -> None:
    assert "seed" not in await client.made()


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 0),
        ({"status": "succeeded"}, 2),
        ({"status": "failed"}, 1),
        ({"status": "succeeded", "model": DEV}, 1),
        ({"status": "succeeded", "namespace": "club"}, 1),
        ({"status": "succeeded", "media_type": "video"}, 0),
        ({"status": "succeeded", "repo": "pictures", "folder": "foxes"}, 1),
    ],
)
async def test_the_list_is_filtered(client: Client, query: dict[str, str], count: int) -> None:
    await asyncio.gather(
        client.made(target_namespace="club"),
        client.made(model=DEV, target_repo="pictures", target_directory="foxes"),
        client.made(seed="no number"),
    )
    listed = (await client.get("/api/ai/queue", params=query)).json
    assert (listed["count"], len(listed["generations"])) == (count, count)


async def test_generations_of_another_key_are_not_found(client: Client) -> None:
    row = await client.made()
    answer = await client.get(f"/api/ai/queue/{row['generation_id']}", headers={"Authorization": "Bearer another"})
    assert (answer.status, answer.json["error"]["type"]) == (404, "resource_not_found")


@pytest.mark.parametrize("timing", [SLOW])
async def test_cancel_ends_an_active_generation_and_gives_the_money_back(client: Client) -> None:
    (taken,) = (await client.enqueue()).json["generations"]
    await client.reaches(taken["generation_id"], "processing")
    answer = await client.call("DELETE", f"/api/ai/queue/{taken['generation_id']}")
    assert (answer.status, answer.json["status"]) == (200, "cancelled")
    assert (await client.get("/api/ai/queue")).json["count"] == 0
    assert (await client.ledger())["paid"] == 0


@pytest.mark.parametrize("timing", [images.ApiTiming(queue_s=60)])
async def test_cancelling_a_queued_generation_answers_shortly(client: Client) -> None:
    (taken,) = (await client.enqueue()).json["generations"]
    answer = await client.call("DELETE", f"/api/ai/queue/{taken['generation_id']}")
    assert answer.json == {"status": "success", "generation_id": taken["generation_id"]}


async def test_cancel_leaves_a_finished_generation_alone(client: Client) -> None:
    row = await client.made()
    answer = await client.call("DELETE", f"/api/ai/queue/{row['generation_id']}")
    assert (answer.status, answer.json["status"]) == (200, "succeeded")
    assert (await client.call("DELETE", "/api/ai/queue/unheard-of")).status == 404


async def test_a_reading_gives_a_fresh_link_each_time(client: Client) -> None:
    row = await client.made()
    again = await client.row(row["generation_id"])
    assert row["result_url"] != again["result_url"]
    assert (await client.get(row["result_url"])).data == (await client.get(again["result_url"])).data


@pytest.mark.parametrize("timing", [images.ApiTiming(queue_s=0, image_min_s=0, image_max_s=0, link_lifetime_s=-1)])
async def test_an_expired_link_is_forbidden(client: Client) -> None:
    assert (await client.get((await client.made())["result_url"])).status == 403


async def test_a_link_that_was_tampered_with_is_forbidden(client: Client) -> None:
    url = (await client.made())["result_url"].replace("expires=1", "expires=9")
    assert (await client.get(url)).status == 403


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


@pytest.mark.parametrize("prompt", ["", "  ", None])
async def test_a_synchronous_call_refuses_an_empty_prompt(client: Client, prompt: str | None) -> None:
    answer = await client.generate(prompt=prompt)
    assert (answer.status, answer.json["error"]["message"]) == (400, "Prompt cannot be empty")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"aspect_ratio": "7:5"}, "aspect_ratio"),
        ({"num_inference_steps": 51}, "num_inference_steps"),
        ({"seed": "five"}, "seed"),
        ({"input_image": "https://hub.oxen.ai/one.png"}, "input_image"),
        ({"guidance": 2}, "guidance"),  # this model calls it guidance_scale
        ({"prompt": ""}, "Prompt cannot be empty"),
        ({"model": "sandbox-reel-video"}, "makes no videos"),
    ],
)
async def test_a_bad_parameter_fails_late_with_a_message(client: Client, body: dict[str, Any], words: str) -> None:
    row = await client.made(**body)
    assert (row["status"], row["result_url"]) == ("failed", None)
    assert words in row["error_message"]
    assert (await client.ledger())["paid"] == 0


async def test_without_credit_nothing_is_taken(client: Client) -> None:
    await client.call("POST", "/sandbox/credit", {"usd": 0.028})
    answers = [await client.enqueue(num_generations=count) for count in (3, 2, 1)]
    assert [answer.status for answer in answers] == [402, 200, 402]
    assert answers[0].json["error"]["message"] == "Insufficient credits"


async def test_a_body_that_is_no_object_is_refused(client: Client) -> None:
    assert (await client.call("POST", "/api/ai/queue", [1])).status == 400
    assert (await client.call("POST", "/api/ai/images/generate", data=b"{")).status == 400


# References


async def test_references_are_fetched_from_loopback_and_all_of_them_show(client: Client) -> None:
    row = await client.made(seed=1)
    links = [row["result_url"], (await client.row(row["generation_id"]))["result_url"]]
    one, two = [await client.made(seed=2, input_image=links[:count]) for count in (1, 2)]
    pictures = {(await client.get(each["result_url"])).data for each in (row, one, two)}
    assert len(pictures) == 3


async def test_a_data_uri_is_a_reference_and_match_input_image_follows_it(client: Client) -> None:
    out = io.BytesIO()
    Image.new("RGB", (300, 200), "green").save(out, "PNG")
    uri = f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
    row = await client.made(model=DEV, input_image=[uri], aspect_ratio="match_input_image")
    assert (await client.get(row["result_url"])).image.size == (768, 512)
    assert row["input_image"] == [uri]


async def test_an_unreadable_reference_fails_with_the_address(client: Client) -> None:
    async def forbid(_: web.Request) -> web.Response:
        return web.Response(status=403)

    app = web.Application()
    app.router.add_get("/cat.png", forbid)
    async with test_utils.TestServer(app) as cdn:
        url = str(cdn.make_url("/cat.png"))
        row = await client.made(input_image=[url])
    assert row["error_message"] == f"Failed to download input image: 403 Client Error: Forbidden for url: {url}"


@pytest.mark.parametrize("reference", ["data:image/png;base64,AAAA", "data:text/plain,hi", "ftp://127.0.0.1/x", "cat.png"])
async def test_a_reference_that_is_no_picture_fails(client: Client, reference: str) -> None:
    row = await client.made(input_image=[reference])
    assert (row["status"], row["error_message"] is not None) == ("failed", True)


# Events


async def test_a_success_is_announced_with_a_link(client: Client) -> None:
    async with client.events() as stream:
        (taken,) = (await client.enqueue()).json["generations"]
        name, event = await stream.event()
    assert stream.response.headers["Content-Type"] == "text/event-stream"
    assert name == "media_generation_completed"
    assert (await client.get(event.pop("url"))).status == 200
    assert event == {"generation_id": taken["generation_id"], "status": "succeeded", "media_type": "image", "model": KLEIN}


async def test_a_failure_is_announced_with_its_error(client: Client) -> None:
    async with client.events() as stream:
        (taken,) = (await client.enqueue(seed="x")).json["generations"]
        _, event = await stream.event()
    assert event.keys() == {"generation_id", "status", "media_type", "error"}
    assert (event["generation_id"], event["status"]) == (taken["generation_id"], "failed")


async def test_events_are_neither_replayed_nor_shared_between_keys(client: Client) -> None:
    await client.made()
    async with client.events() as stream:
        (theirs,) = (await client.enqueue(key="another")).json["generations"]
        ours = await client.made()
        _, event = await stream.event()
    assert event["generation_id"] == ours["generation_id"] != theirs["generation_id"]


@pytest.mark.parametrize("timing", [images.ApiTiming(keep_alive_s=0.02)])
async def test_an_idle_stream_is_kept_alive_with_comments(client: Client) -> None:
    async with client.events() as stream:
        assert [await stream.block(), await stream.block()] == [b": keep-alive", b": keep-alive"]


async def test_everything_under_way_ends_at_once_when_the_server_stops() -> None:
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer k"}) as session:
        async with images.serve(timing=SLOW) as server:
            stream = await session.get(f"{server.url}/api/events")
            drawing = asyncio.create_task(session.post(f"{server.url}/api/ai/images/generate", json={"model": KLEIN, "prompt": "a fox"}))

            async def has_arrived() -> bool:
                return bool(server.received("POST", "/api/ai/images/generate"))

            await until(has_arrived)
            stopping_at = loop.time()
        assert loop.time() - stopping_at < 0.5
        assert (await drawing).status == 422
        with pytest.raises(aiohttp.ClientPayloadError):
            await stream.read()


# The server


async def test_requests_are_recorded(client: Client, server: images.ImageServer) -> None:
    await client.enqueue(seed=3)
    await client.get("/api/ai/queue", params={"status": "queued"})
    enqueue, listing = server.requests
    assert (enqueue.method, enqueue.path, enqueue.json["seed"], enqueue.status) == ("POST", "/api/ai/queue", 3, 200)
    assert server.received("GET", "/api/ai/queue") == [listing]
    assert listing.query == {"status": "queued"}


def test_a_pictures_time_is_the_same_each_time_and_within_its_bounds() -> None:
    timing = images.ApiTiming()
    times = {timing.image_s("a fox", seed) for seed in range(20)}
    assert len(times) == 20
    assert all(timing.image_min_s <= each <= timing.image_max_s for each in times)
    assert timing.image_s("a fox", 1) == timing.image_s("a fox", 1)


async def test_the_picture_is_what_the_painter_draws(client: Client) -> None:
    row = await client.made(prompt="a fox", seed=9, aspect_ratio="1:1")
    assert (await client.get(row["result_url"])).data == paint(Brief(prompt="a fox", seed=9)).data
