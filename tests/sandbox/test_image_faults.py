"""Every named fault of the local image API shows in its HTTP responses as documented."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import struct
import sys
import time
from email.utils import parsedate_to_datetime

import aiohttp
import pytest
from yarl import URL

from bot.media import codec
from bot.media.codec import TooManyPixels
from sandbox import images
from sandbox.answers import ANSWERS
from sandbox.faults import FAULTS, FaultSide, Switchboard
from tests.sandbox.wire import ENDED, KLEIN, SD, Client

QUIET = images.ApiTiming(queue_s=0.01, image_min_s=0.05, image_max_s=0.05, keep_alive_s=0.02)


def test_every_fault_of_the_image_api_is_tested_here() -> None:
    marks = [mark for test in vars(sys.modules[__name__]).values() for mark in getattr(test, "pytestmark", [])]
    tested = {name for mark in marks if mark.name == "faults" for name in mark.args}
    assert tested == {fault.name for fault in FAULTS if fault.side is FaultSide.IMAGES} - set(ANSWERS)


# Enqueueing


@pytest.mark.faults("enqueue-answer-lost")
async def test_a_lost_enqueue_answer_leaves_a_generation_that_can_be_found(client: Client) -> None:
    with pytest.raises(aiohttp.ClientError):
        await client.enqueue(seed=77)
    (row,) = (await client.get("/api/ai/queue", params={"model": KLEIN})).json["generations"]
    assert (row["seed"], row["prompt"]) == (77, "a fox")


@pytest.mark.faults("enqueue-cut")
async def test_a_cut_enqueue_takes_nothing(client: Client, server: images.ImageServer) -> None:
    with pytest.raises(aiohttp.ClientError):
        await client.enqueue()
    assert (await client.ledger())["enqueued"] == 0
    assert server.received("POST", "/api/ai/queue")[0].status is None


@pytest.mark.faults("enqueue-empty")
async def test_an_empty_enqueue_answer_takes_nothing(client: Client) -> None:
    answer = await client.enqueue()
    assert (answer.status, answer.json["generations"]) == (200, [])
    assert answer.json["error"]["message"]
    assert (await client.ledger())["enqueued"] == 0


@pytest.mark.faults("rows-rewritten")
async def test_a_rewritten_row_names_another_prompt(client: Client) -> None:
    assert (await client.made(prompt="a fox"))["prompt"] == "a fox, highly detailed"


@pytest.mark.faults("body-refused")
async def test_a_large_request_is_refused_and_takes_nothing(client: Client) -> None:
    calls = [client.call("POST", path, data=bytes(2**20 - 1)) for path in ("/api/ai/queue", "/v1/images/generations")]
    assert [(await each).status for each in calls] == [413, 413]
    assert (await client.ledger())["enqueued"] == 0
    assert (await client.made())["status"] == "succeeded"


@pytest.mark.faults("charge-doubled")
async def test_an_image_can_cost_twice_its_price(client: Client) -> None:
    await client.made()
    assert [each["cost"] for each in (await client.get("/api/ai/generations")).json["generations"]] == ["0.028"]


@pytest.mark.faults("size-ignored")
async def test_an_image_can_be_smaller_than_asked(client: Client) -> None:
    (image,) = (await client.draw(size="512x256")).inline_images
    assert image.size == (256, 128)


# Events


@pytest.mark.faults("events-early")
async def test_an_early_event_comes_before_the_enqueue_answer(client: Client) -> None:
    async with client.events() as stream:
        enqueueing = asyncio.create_task(client.enqueue())
        _, event = await stream.event()
        generation_id = (await enqueueing).json["generations"][0]["generation_id"]
    assert event["generation_id"] == generation_id
    assert (await client.row(generation_id))["status"] == "succeeded"


@pytest.mark.faults("events-lost")
async def test_a_lost_event_never_comes(client: Client, switchboard: Switchboard) -> None:
    async with client.events() as stream:
        await client.made()
        switchboard.turn_off("events-lost")
        seen = await client.made()
        _, event = await stream.event()
    assert event["generation_id"] == seen["generation_id"]


@pytest.mark.faults("events-doubled")
async def test_a_doubled_event_comes_twice(client: Client) -> None:
    async with client.events() as stream:
        await client.enqueue()
        assert await stream.event() == await stream.event()


@pytest.mark.faults("events-strangers")
async def test_an_event_of_another_key_comes_first(client: Client) -> None:
    async with client.events() as stream:
        row = await client.made()
        (name, other), (same_name, ours) = await stream.event(), await stream.event()
    assert name == same_name
    assert other["generation_id"] != row["generation_id"] == ours["generation_id"]


@pytest.mark.faults("events-other-types")
async def test_events_of_other_types_come_first(client: Client) -> None:
    async with client.events() as stream:
        await client.enqueue()
        names = [(await stream.event())[0] for _ in range(3)]
    assert names == ["repository_pushed", "message", "media_generation_completed"]


@pytest.mark.faults("events-garbled")
async def test_a_garbled_event_comes_among_bad_bytes_and_other_line_endings(client: Client) -> None:
    async with client.events() as stream:
        row = await client.made()
        seen = await stream.until(b"}\r\n\r\n")
    with pytest.raises(UnicodeDecodeError):
        seen.decode()
    assert f'data: {{"generation_id":"{row["generation_id"]}"'.encode() in seen


@pytest.mark.faults("events-huge")
async def test_a_huge_event_comes_first(client: Client) -> None:
    async with client.events() as stream:
        row = await client.made()
        assert len(await stream.block()) > 4 * 2**20
        assert (await stream.event())[1]["generation_id"] == row["generation_id"]


@pytest.mark.faults("events-cut")
async def test_the_stream_is_cut_after_an_event(client: Client) -> None:
    async with client.events() as stream:
        await client.enqueue()
        await stream.event()
        with pytest.raises(aiohttp.ClientPayloadError):
            await stream.block()


@pytest.mark.parametrize("timing", [QUIET])
@pytest.mark.faults("events-silent")
async def test_a_silent_stream_sends_neither_events_nor_comments(client: Client, switchboard: Switchboard) -> None:
    async with client.events() as stream:
        await client.made()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.block(), 0.1)
        switchboard.turn_off("events-silent")
        assert await stream.block() == b": keep-alive"


@pytest.mark.faults("events-refused")
async def test_a_refused_stream_answers_503(client: Client, switchboard: Switchboard) -> None:
    assert (await client.get("/api/events")).status == 503
    switchboard.turn_off("events-refused")
    async with client.events() as stream:
        switchboard.turn_on("events-refused")
        with pytest.raises(aiohttp.ClientPayloadError):
            await stream.block()


# Generations


@pytest.mark.faults("generation-fails")
async def test_a_failing_generation_says_why_and_costs_nothing(client: Client) -> None:
    row = await client.made()
    assert (row["status"], row["error_message"]) == ("failed", "The model ran out of memory")
    assert (await client.ledger())["paid"] == 0


@pytest.mark.faults("generation-cancelled")
async def test_the_provider_cancels_without_an_event(client: Client, switchboard: Switchboard) -> None:
    async with client.events() as stream:
        assert (await client.made())["status"] == "cancelled"
        switchboard.turn_off("generation-cancelled")
        row = await client.made()
        assert (await stream.event())[1]["generation_id"] == row["generation_id"]


@pytest.mark.parametrize("timing", [images.ApiTiming(queue_s=0, image_min_s=60, image_max_s=60)])
@pytest.mark.faults("cancel-charged")
async def test_what_was_begun_and_cancelled_may_be_charged(client: Client) -> None:
    (taken,) = (await client.enqueue()).json["generations"]
    await client.reaches(taken["generation_id"], "processing")
    await client.call("DELETE", f"/api/ai/queue/{taken['generation_id']}")
    answer = (await client.get("/api/ai/generations")).json
    assert [(each["status"], each["cost"]) for each in answer["generations"]] == [("cancelled", "0.014")]


@pytest.mark.faults("generation-stuck")
async def test_a_stuck_generation_goes_on_when_the_fault_is_turned_off(client: Client, switchboard: Switchboard) -> None:
    stuck, cancelled = (await client.enqueue(num_generations=2)).json["generations"]
    for each in (stuck, cancelled):
        await client.reaches(each["generation_id"], "processing")
    await client.call("DELETE", f"/api/ai/queue/{cancelled['generation_id']}")
    switchboard.turn_off("generation-stuck")
    ends = [(await client.reaches(each["generation_id"], *ENDED))["status"] for each in (stuck, cancelled)]
    assert ends == ["succeeded", "cancelled"]


# Results


@pytest.mark.faults("result-expired")
async def test_the_first_links_have_expired_and_later_ones_work(client: Client) -> None:
    async with client.events() as stream:
        row = await client.made()
        _, event = await stream.event()
    fresh = await client.row(row["generation_id"])
    urls = (event["url"], row["result_url"], fresh["result_url"])
    assert [(await client.get(url)).status for url in urls] == [403, 403, 200]


@pytest.mark.faults("result-cut")
async def test_a_cut_result_ends_half_way(client: Client) -> None:
    row = await client.made()
    async with client.session.get(row["result_url"]) as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    assert response.content_length


@pytest.mark.faults("result-huge")
async def test_a_huge_result_has_no_content_length(client: Client) -> None:
    row = await client.made()
    async with client.session.get(row["result_url"]) as response:
        assert (response.status, response.content_length) == (200, None)
        assert len(await response.content.readexactly(32 * 2**20)) == 32 * 2**20


@pytest.mark.faults("result-not-image")
async def test_a_result_that_is_a_web_page(client: Client) -> None:
    answer = await client.get((await client.made())["result_url"])
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


KINDS = {  # format, mode, frames
    "result-avif": ("AVIF", "RGB", 1),
    "result-avif-alpha": ("AVIF", "RGBA", 1),
    "result-jpeg": ("JPEG", "RGB", 1),
    "result-tiff": ("TIFF", "RGB", 1),
    "result-broken-exif": ("PNG", "RGB", 1),
    "result-profile": ("PNG", "RGB", 1),
    "result-16bit": ("PNG", "I;16", 1),
    "result-gif": ("GIF", "P", 3),
    "result-animated-webp": ("WEBP", "RGB", 3),
    "result-animated-png": ("PNG", "RGB", 3),
    "result-gif-large": ("GIF", "L", 3),
    "result-large": ("PNG", "RGB", 1),
    "result-wide": ("PNG", "RGBA", 1),
}


@pytest.mark.faults(*KINDS, times=1)
async def test_results_of_other_kinds(client: Client) -> None:
    for kind in KINDS.values():
        answer = await client.get((await client.made())["result_url"])
        image = answer.image
        assert (image.format, image.mode, getattr(image, "n_frames", 1)) == kind
        assert answer.headers["Content-Type"] == f"image/{kind[0].lower()}"


@pytest.mark.faults("result-bomb")
async def test_a_bomb_is_small_in_bytes_and_large_in_pixels(client: Client) -> None:
    answer = await client.get((await client.made())["result_url"])
    width, height = struct.unpack(">II", answer.data[16:24])
    assert (answer.headers["Content-Type"], width * height) == ("image/png", 400_000_000)
    assert len(answer.data) < 2**17


@pytest.mark.faults("result-bomb-gif", "result-bomb-webp", "result-bomb-animation", "result-bomb-avif", times=1)
async def test_bombs_of_other_formats_announce_more_than_a_hundred_megapixels(client: Client) -> None:
    for kind in ("gif", "webp", "webp", "avif"):
        answer = await client.get((await client.made())["result_url"])
        assert (answer.headers["Content-Type"], len(answer.data) < 1000) == (f"image/{kind}", True)
        with pytest.raises(TooManyPixels):
            codec.inspect(answer.data, max_pixels=100_000_000)


@pytest.mark.faults("result-elsewhere")
async def test_a_result_redirects_to_a_private_address(client: Client) -> None:
    answer = await client.get((await client.made())["result_url"], allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (302, "http://10.255.255.1/image.png")


@pytest.mark.faults("result-short")
async def test_a_short_result_has_the_length_that_it_states(client: Client) -> None:
    answer = await client.get((await client.made())["result_url"])
    assert (answer.status, int(answer.headers["Content-Length"])) == (200, len(answer.data))
    with pytest.raises(OSError, match="truncated"):
        answer.image.load()


@pytest.mark.faults("result-late", times=1)
async def test_a_late_result_answers_404_before_it_is_there(client: Client) -> None:
    url = (await client.made())["result_url"]
    assert [(await client.get(url)).status for _ in range(2)] == [404, 200]


@pytest.mark.faults("result-busy", times=1)
async def test_a_busy_storage_answers_520(client: Client) -> None:
    url = (await client.made())["result_url"]
    assert [(await client.get(url)).status for _ in range(2)] == [520, 200]


@pytest.mark.faults("result-locked")
async def test_a_locked_result_opens_with_the_key_only(client: Client) -> None:
    url = (await client.made())["result_url"]
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 401
    assert (await client.get(url)).status == 200


@pytest.mark.faults("result-compressed")
async def test_a_compressed_result_says_so(client: Client) -> None:
    answer = await client.get((await client.made())["result_url"])
    assert answer.headers["Content-Encoding"] == "gzip"


@pytest.mark.faults("result-long-header")
async def test_a_long_header_comes_with_a_result(client: Client) -> None:
    url = (await client.made())["result_url"]
    async with client.session.get(url, max_field_size=2**16) as response:
        assert len(response.headers["X-Metadata"]) == 9600


@pytest.mark.faults("result-odd-link")
async def test_an_odd_link_is_valid_only_as_written(client: Client) -> None:
    url = (await client.made())["result_url"]
    for address, status in ((URL(url, encoded=True), 200), (URL(url), 403)):
        async with client.session.get(address) as response:
            assert response.status == status


@pytest.mark.faults("result-link-missing", times=1)
async def test_a_link_may_come_after_the_success(client: Client) -> None:
    row = await client.made()
    assert (row["status"], row["result_url"]) == ("succeeded", None)
    assert (await client.row(row["generation_id"]))["result_url"]


@pytest.mark.faults("result-wrapped")
async def test_wrapped_base64_has_lines_and_no_padding(client: Client, server: images.ImageServer) -> None:
    body = {"model": SD, "prompt": "a fox"}
    async with client.session.post(
        f"{server.openai_url}/images/generations", json=body, headers={"Authorization": f"Bearer {server.openai_key}"}
    ) as response:
        (image,) = (await response.json())["data"]
    assert {len(line) for line in image["b64_json"].split("\n")[:-1]} == {76}
    assert not set(image["b64_json"]) & {*"+/="}


@pytest.mark.faults("reference-unread")
async def test_an_unread_reference_fails_as_a_link_only(client: Client) -> None:
    pixel = f"data:image/png;base64,{base64.b64encode((await client.get((await client.made())['result_url'])).data).decode()}"
    by_link, inline = [await client.made(input_image=[each]) for each in ("https://x.test/a.png", pixel)]
    assert by_link["error_message"] == "403 Client Error: Forbidden for url: https://x.test/a.png"
    assert inline["status"] == "succeeded"


@pytest.mark.faults("random-answers")
async def test_random_answers_are_counted(client: Client) -> None:
    statuses = []
    for _ in range(30):
        with contextlib.suppress(aiohttp.ClientError):
            statuses.append((await client.get("/api/ai/queue/unknown")).status)
    assert {200, 404, 500} & {*statuses}
    assert (await client.get("/sandbox/random")).json["answers"] >= 30


@pytest.mark.faults("rows-fail")
async def test_rows_that_fail_have_words(client: Client) -> None:
    generation_id = (await client.enqueue()).json["generations"][0]["generation_id"]
    answer = await client.get(f"/api/ai/queue/{generation_id}")
    assert (answer.status, bool(answer.json["error"])) == (500, True)


@pytest.mark.faults("rows-huge")
async def test_a_huge_row_echoes_a_reference(client: Client) -> None:
    generation_id = (await client.enqueue()).json["generations"][0]["generation_id"]
    assert len((await client.get(f"/api/ai/queue/{generation_id}")).data) > 20_000_000


@pytest.mark.faults("status-odd")
async def test_an_odd_status_is_another_spelling(client: Client) -> None:
    generation_id = (await client.enqueue()).json["generations"][0]["generation_id"]
    await client.call("DELETE", f"/api/ai/queue/{generation_id}")
    assert (await client.row(generation_id))["status"] == "canceled"


# The whole API


@pytest.mark.faults("out-of-credit")
async def test_without_credit_both_kinds_of_call_are_refused(client: Client) -> None:
    for answer in (await client.enqueue(), await client.generate()):
        assert (answer.status, answer.json) == (402, {"error": {"message": "Insufficient credits"}})


@pytest.mark.faults("key-refused")
async def test_a_refused_key_is_answered_without_an_error_object(client: Client) -> None:
    for path in ("/api/ai/queue", "/api/ai/models", "/api/events"):
        answer = await client.get(path)
        assert (answer.status, answer.json) == (401, {"status": "error", "status_message": "unauthenticated"})


@pytest.mark.parametrize("timing", [images.ApiTiming(retry_after_s=3)])
@pytest.mark.faults("images-rate-limited")
async def test_a_rate_limit_has_a_retry_after(client: Client) -> None:
    answer = await client.enqueue()
    assert (answer.status, answer.headers["Retry-After"]) == (429, "3")
    assert (await client.ledger())["enqueued"] == 0


@pytest.mark.faults("images-error")
async def test_an_error_affects_calls_but_neither_models_nor_events(client: Client) -> None:
    answers = [await client.enqueue(), await client.generate(), await client.get("/api/ai/queue"), await client.get("/api/ai/models")]
    assert [answer.status for answer in answers] == [500, 500, 500, 200]
    assert answers[0].json["error"]["type"] == "unknown_error"


@pytest.mark.faults("models-down")
async def test_the_models_are_down_while_the_queue_works(client: Client) -> None:
    paths = ("/api/ai/models", "/api/ai/models/search?search=flux", f"/api/ai/models/{KLEIN}", "/api/ai/queue")
    assert [(await client.get(path)).status for path in paths] == [500, 500, 500, 200]


@pytest.mark.faults("oxen-down")
async def test_while_oxen_is_down_oxlo_works(client: Client) -> None:
    for call in (client.enqueue(), client.get("/api/ai/models"), client.get("/api/events"), client.get("/results/x.png")):
        with pytest.raises(aiohttp.ClientError):
            await call
    assert (await client.draw()).status == 200


@pytest.mark.faults("oxlo-down")
async def test_while_oxlo_is_down_oxen_works(client: Client) -> None:
    with pytest.raises(aiohttp.ClientError):
        await client.draw()
    assert (await client.made())["status"] == "succeeded"


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_canned_answer_replaces_the_real_one_before_or_after_the_image_is_made(
    client: Client, switchboard: Switchboard, name: str
) -> None:
    switchboard.turn_on(name)
    canned = ANSWERS[name]
    assert {(await client.draw()).status, (await client.enqueue()).status, (await client.generate()).status} == {canned.status}
    assert sum(call["paid"] for call in await client.calls()) == int(canned.made)
    assert (await client.ledger())["enqueued"] == int(canned.made)


@pytest.mark.faults("answer-events")
async def test_an_answer_may_be_a_stream_of_events(client: Client) -> None:
    answer = await client.draw()
    assert [line for line in answer.data.decode().splitlines() if line.startswith(("event", ":"))] == [
        "event: image_generation.partial_image",
        ": keep-alive",
        "event: image_generation.completed",
    ]


@pytest.mark.faults("clock-behind")
async def test_a_clock_that_is_behind_dates_answers_and_rows(client: Client) -> None:
    answer = await client.get("/api/ai/queue")
    there = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    assert time.time() - there > 290
    assert abs((await client.made())["enqueued_at"] - there) < 10


@pytest.mark.faults("rows-lean")
async def test_lean_rows_leave_out_the_prompt_and_the_charges_have_it(client: Client) -> None:
    assert {"prompt", "seed"}.isdisjoint(await client.made(seed=7))
    (row,) = (await client.get("/api/ai/generations")).json["generations"]
    assert row["seed"] == 7


@pytest.mark.faults("charges-down")
async def test_there_may_be_no_list_of_charges(client: Client) -> None:
    assert (await client.get("/api/ai/generations")).status == 404


async def test_oxen_going_down_cuts_streams_and_calls_while_its_queue_goes_on(client: Client, switchboard: Switchboard) -> None:
    switchboard.turn_on("generation-stuck")
    waiting = asyncio.create_task(client.generate())
    async with client.events() as stream:
        (taken,) = (await client.enqueue()).json["generations"]
        await client.reaches(taken["generation_id"], "processing")
        switchboard.turn_on("oxen-down")
        with pytest.raises(aiohttp.ClientError):
            await stream.block()
    with pytest.raises(aiohttp.ClientError):
        await waiting
    switchboard.turn_off("generation-stuck")
    switchboard.turn_off("oxen-down")
    assert (await client.reaches(taken["generation_id"], *ENDED))["status"] == "succeeded"
    assert (await client.ledger())["paid"] == 1


async def test_a_counted_fault_occurs_exactly_that_often(client: Client, switchboard: Switchboard) -> None:
    switchboard.turn_on("images-error", times=2)
    assert [(await client.get("/api/ai/queue")).status for _ in range(3)] == [500, 500, 200]
