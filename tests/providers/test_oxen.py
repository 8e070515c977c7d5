"""Oxen's client: request bodies, modes, other endpoints, faults of the event stream."""

from __future__ import annotations

import asyncio

import pytest

from bot.core.errors import AnswerLost, ProviderAccount, ProviderBusy, ProviderRefused
from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import Catalog, Slots
from bot.domain.catalog.params import build_params
from bot.providers.oxen import Linked, Oxen
from bot.providers.provider import Accepted, CompletedImage, GenerationReport, ReportState, Submission
from sandbox import images
from tests.env.providers import DEV, KLEIN_4B, KLEIN_9B, MakeOxen

OX = Submission(model=KLEIN_4B, prompt="an ox in the rain", seed=7, params={"aspect_ratio": "1:1"})
UPSCALER = "topazlabs-image-upscale"
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


async def submitted(oxen: Oxen) -> str:
    answer = await oxen.submit(OX)
    assert isinstance(answer, Accepted)
    return answer.provider_id


async def test_a_body_carries_the_models_own_names(make_oxen: MakeOxen, server: images.ImageServer) -> None:
    oxen = make_oxen(namespace="herd", slots=lambda _: Slots(seed="noise_seed", references="image", many=False))
    await oxen.submit(Submission(model=KLEIN_4B, prompt="p", seed=3, params={"steps": 4}, references=("https://x.test/a.png",)))
    (request,) = server.received("POST", "/api/ai/queue")
    expected = {"model": KLEIN_4B, "prompt": "p", "noise_seed": 3, "steps": 4, "image": "https://x.test/a.png", "target_namespace": "herd"}
    assert request.json == expected


@pytest.mark.parametrize(
    ("model", "options", "references"),
    [
        (KLEIN_4B, {Idea.STEPS: "30", Idea.GUIDANCE: "2.5", Idea.QUALITY: "high", Idea.FORMAT: "jpeg", Idea.ASPECT_RATIO: "4:3"}, 0),
        (KLEIN_9B, {Idea.STEPS: "1", Idea.GUIDANCE: "10", Idea.QUALITY: "standard", Idea.FORMAT: "webp", Idea.ASPECT_RATIO: "3:4"}, 1),
        (DEV, {Idea.RESOLUTION: "2 MP", Idea.QUALITY: "80", Idea.FORMAT: "jpg", Idea.ASPECT_RATIO: "match_input_image"}, 3),
    ],
)
async def test_every_documented_parameter_is_accepted(make_oxen: MakeOxen, model: str, options: dict[Idea, str], references: int) -> None:
    oxen = make_oxen(mode="sync")
    catalog = Catalog.read(await oxen.models(), credit_usd=0.01, model_prices={})
    params = build_params(catalog.get(model), options)
    made = await oxen.submit(Submission(model=model, prompt="an ox", seed=1, params=params, references=(PIXEL,) * references))
    assert isinstance(made, CompletedImage)


async def test_several_references_are_a_list_and_nothing_is_sent_that_was_not_chosen(oxen: Oxen, server: images.ImageServer) -> None:
    await oxen.submit(Submission(model=DEV, prompt="p", references=(PIXEL, PIXEL)))
    (request,) = server.received("POST", "/api/ai/queue")
    assert sorted(request.json) == ["input_image", "model", "prompt"]
    assert len(request.json["input_image"]) == 2


async def test_an_upscale_has_no_prompt(make_oxen: MakeOxen, server: images.ImageServer) -> None:
    oxen = make_oxen(slots=lambda _: Slots(many=False))
    await oxen.submit(Submission(model=UPSCALER, prompt="", params={"upscale_factor": "4x"}, references=(PIXEL,)))
    (request,) = server.received("POST", "/api/ai/queue")
    assert request.json == {"model": UPSCALER, "input_image": PIXEL, "upscale_factor": "4x"}


@pytest.mark.parametrize(("described", "certain"), [("", True), (None, True), ("an oak, by the model itself", False)])
async def test_a_lost_upscale_is_found_without_a_prompt(make_oxen: MakeOxen, described: str | None, certain: bool) -> None:
    oxen = make_oxen()
    row = GenerationReport(
        provider_id="one", state=ReportState.SUCCEEDED, model=UPSCALER, prompt=described, seed=None, enqueued_at=None, result_url=None
    )
    found = oxen._match(row, Submission(model=UPSCALER, prompt=""), 0)
    assert found is not None
    assert found.is_certain is certain


async def test_a_mask_has_the_model_s_own_name(make_oxen: MakeOxen, server: images.ImageServer) -> None:
    oxen = make_oxen(slots=lambda _: Slots(mask="mask_url"))
    await oxen.submit(Submission(model="gpt-image-2", prompt="p", references=(PIXEL,), mask=PIXEL))
    assert server.received("POST", "/api/ai/queue")[-1].json["mask_url"] == PIXEL


async def test_many_megabytes_of_references_are_sent(oxen: Oxen) -> None:
    large = PIXEL + "A" * 4_000_000
    assert isinstance(await oxen.submit(Submission(model=DEV, prompt="p", references=(large, large))), Accepted)


async def test_sync_mode_edits_where_there_are_references(make_oxen: MakeOxen, server: images.ImageServer) -> None:
    oxen = make_oxen(mode="sync")
    assert isinstance(await oxen.submit(OX), CompletedImage)
    assert isinstance(await oxen.submit(Submission(model=DEV, prompt="p", references=(PIXEL,))), CompletedImage)
    paths = [request.path for request in server.received("POST", "/api/ai/images")]
    assert paths == ["/api/ai/images/generate", "/api/ai/images/edit"]


async def test_a_synchronous_image_may_be_a_link(oxen: Oxen) -> None:
    made = await oxen.make(OX, response_format="url")
    assert isinstance(made, Linked)
    assert made.url.startswith("http")


async def test_one_call_queues_up_to_four(oxen: Oxen) -> None:
    assert len({accepted.provider_id for accepted in await oxen.enqueue(OX, count=4)}) == 4
    with pytest.raises(ProviderRefused, match="between 1 and 4"):
        await oxen.enqueue(OX, count=5)


@pytest.mark.faults("generation-stuck")
async def test_only_active_generations_are_listed_unless_a_status_is_given(oxen: Oxen) -> None:
    provider_id = await submitted(oxen)
    assert [report.provider_id for report in await oxen.list_generations(model=KLEIN_4B)] == [provider_id]
    assert await oxen.list_generations(status="succeeded") == []
    assert await oxen.list_generations(model=DEV) == []


async def test_a_model_is_read_by_its_id(oxen: Oxen) -> None:
    assert (await oxen.read_model(DEV) or {})["id"] == DEV
    assert await oxen.read_model("no/such model") is None


@pytest.mark.faults("enqueue-empty")
async def test_an_empty_list_with_an_error_is_a_refusal(oxen: Oxen) -> None:
    with pytest.raises(ProviderRefused, match="No worker took the generation"):
        await oxen.submit(OX)


@pytest.mark.faults("models-down")
async def test_a_failing_list_is_retried_before_it_is_busy(oxen: Oxen, server: images.ImageServer) -> None:
    with pytest.raises(ProviderBusy):
        await oxen.models()
    assert len(server.received("GET", "/api/ai/models")) == 2


async def test_reads_are_retried_and_posts_are_not(oxen: Oxen, server: images.ImageServer) -> None:
    provider_id = await submitted(oxen)
    server.switchboard.turn_on("images-error", times=1)
    assert await oxen.read(provider_id) is not None
    server.switchboard.turn_on("images-error", times=1)
    with pytest.raises(AnswerLost):
        await oxen.submit(OX)
    assert len(server.received("POST", "/api/ai/queue")) == 2


# The event stream


@pytest.mark.faults("events-strangers", "events-other-types", "events-garbled", "events-huge")
async def test_unknown_events_in_the_stream_are_ignored(oxen: Oxen) -> None:
    async with asyncio.timeout(10), oxen.listen() as events:
        provider_id = await submitted(oxen)
        async for event in events:
            if event.provider_id == provider_id:
                break


@pytest.mark.faults("events-refused")
async def test_a_refused_stream_is_busy_on_entry(oxen: Oxen) -> None:
    with pytest.raises(ProviderBusy):
        async with oxen.listen():
            pytest.fail("nothing is connected")


@pytest.mark.faults("events-cut")
async def test_a_cut_stream_is_busy_after_its_last_event(oxen: Oxen) -> None:
    async with asyncio.timeout(5), oxen.listen() as events:
        provider_id = await submitted(oxen)
        assert (await anext(events)).provider_id == provider_id
        with pytest.raises(ProviderBusy):
            await anext(events)


@pytest.mark.faults("events-silent")
async def test_a_silent_stream_is_busy(make_oxen: MakeOxen) -> None:
    async with asyncio.timeout(5), make_oxen(silence_s=0.1).listen() as events:
        with pytest.raises(ProviderBusy):
            await anext(events)


async def test_a_listener_s_own_exception_is_unchanged(oxen: Oxen) -> None:
    with pytest.raises(TimeoutError):
        async with oxen.listen() as events, asyncio.timeout(0.05):
            await anext(events)


async def test_a_wrong_key_raises_provider_account(make_oxen: MakeOxen) -> None:
    with pytest.raises(ProviderAccount):
        async with make_oxen(api_key="wrong").listen():
            pytest.fail("nothing is connected")


def test_an_unknown_mode_is_refused(make_oxen: MakeOxen) -> None:
    with pytest.raises(ValueError, match="events, poll, sync"):
        make_oxen(mode="dream")
