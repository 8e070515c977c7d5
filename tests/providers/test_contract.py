"""The contract that every client of an image API fulfils. A new provider is added to `KINDS`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

import aiohttp
import pytest

from bot.core.errors import AnswerLost, ProviderAccount, ProviderBusy, ProviderError, ProviderRefused
from bot.core.settings.endpoints import EditEncoding, Endpoint
from bot.domain.catalog.models import Catalog
from bot.media.codec import inspect
from bot.providers.openai import OpenAi
from bot.providers.openai_models import models_of
from bot.providers.oxen import Oxen
from bot.providers.provider import Accepted, CompletedImage, GenerationReport, Provider, ReportState, Submission
from sandbox import images
from tests.env.providers import KLEIN_4B, SD_15

REFUSED_KEY = "wrong"
OX = Submission(model=KLEIN_4B, prompt="an ox in the rain", seed=7)
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

Open = Callable[[aiohttp.ClientSession, str, str], Provider]  # session, the server's address, key


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A client in one configuration."""

    open: Open
    ox: Submission = OX  # with a model of this API
    queues: bool = False
    streams: bool = False
    lists: bool = True  # reads the list of models from the image API


def oxen(mode: str, *, queues: bool = False, streams: bool = False) -> Kind:
    def open_(session: aiohttp.ClientSession, url: str, key: str) -> Provider:
        return Oxen(session=session, base_url=url, api_key=key, mode=mode, attempts=2)

    return Kind(open=open_, queues=queues, streams=streams)


def oxlo(encoding: EditEncoding) -> Kind:
    def open_(session: aiohttp.ClientSession, url: str, key: str) -> Provider:
        endpoint = Endpoint(name="oxlo", base_url=f"{url}/v1", edit_encoding=encoding, price_credits=2)
        return OpenAi(
            name=endpoint.name,
            session=session,
            base_url=endpoint.base_url,
            api_key=key,
            models=models_of(endpoint),
            edit_encoding=endpoint.edit_encoding,
        )

    return Kind(open=open_, ox=replace(OX, model=SD_15, params={"size": "512x512"}), lists=False)


KINDS: dict[str, Kind] = {
    "oxen-events": oxen("events", queues=True, streams=True),
    "oxen-poll": oxen("poll", queues=True),
    "oxen-sync": oxen("sync"),
    **{f"oxlo-{encoding}": oxlo(encoding) for encoding in EditEncoding},
}
queuing = pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.queues], indirect=True)
streaming = pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.streams], indirect=True)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def ox(kind: Kind) -> Submission:
    return kind.ox


@pytest.fixture
def provider(kind: Kind, session: aiohttp.ClientSession, server: images.ImageServer) -> Provider:
    return kind.open(session, server.url, server.key)


async def accepted(provider: Provider, submission: Submission = OX) -> str:
    answer = await provider.submit(submission)
    assert isinstance(answer, Accepted)
    return answer.provider_id


async def ended(provider: Provider, provider_id: str) -> GenerationReport:
    async with asyncio.timeout(5):
        while True:
            report = await provider.read(provider_id)
            if report is not None and report.state not in {ReportState.QUEUED, ReportState.PROCESSING}:
                return report


async def test_each_client_states_its_abilities(kind: Kind, session: aiohttp.ClientSession) -> None:
    provider = kind.open(session, "http://127.0.0.1:1", "key")
    assert (provider.queues, provider.streams) == (kind.queues, kind.streams)


async def test_a_submission_is_accepted_or_completed(provider: Provider, ox: Submission) -> None:
    answer = await provider.submit(ox)
    assert isinstance(answer, Accepted if provider.queues else CompletedImage)


async def test_every_client_accepts_a_reference_as_a_data_uri(provider: Provider, ox: Submission) -> None:
    answer = await provider.submit(replace(ox, references=(PIXEL,)))
    assert isinstance(answer, Accepted if provider.queues else CompletedImage)


async def test_a_completed_image_is_an_image(provider: Provider, ox: Submission) -> None:
    answer = await provider.submit(ox)
    if isinstance(answer, CompletedImage):
        assert inspect(answer.content or b"", max_pixels=10_000_000, verify=True).width > 0


@queuing
async def test_an_accepted_generation_can_be_read_until_it_has_succeeded(provider: Provider) -> None:
    report = await ended(provider, await accepted(provider))
    assert (report.state, report.prompt, report.seed, report.model) == (ReportState.SUCCEEDED, OX.prompt, OX.seed, OX.model)
    assert report.result_url is not None


@queuing
async def test_an_unknown_generation_reads_as_none(provider: Provider) -> None:
    assert await provider.read("00000000-0000-4000-8000-000000000000") is None


@queuing
async def test_cancelling_an_unknown_or_ended_generation_has_no_effect(provider: Provider) -> None:
    provider_id = await accepted(provider)
    await ended(provider, provider_id)
    await provider.cancel(provider_id)
    await provider.cancel("00000000-0000-4000-8000-000000000000")
    assert (await ended(provider, provider_id)).state is ReportState.SUCCEEDED


@queuing
@pytest.mark.faults("generation-stuck")
async def test_a_cancelled_generation_reads_as_cancelled(provider: Provider) -> None:
    provider_id = await accepted(provider)
    await provider.cancel(provider_id)
    assert (await ended(provider, provider_id)).state is ReportState.CANCELLED


@queuing
@pytest.mark.faults("generation-fails")
async def test_a_failed_generation_says_why(provider: Provider) -> None:
    report = await ended(provider, await accepted(provider))
    assert (report.state, report.result_url) == (ReportState.FAILED, None)
    assert report.error is not None
    assert report.error.startswith("The image service couldn't create this image")


@queuing
@pytest.mark.faults("enqueue-answer-lost")
async def test_a_generation_is_found_by_its_submission_after_a_lost_response(provider: Provider) -> None:
    with pytest.raises(AnswerLost):
        await provider.submit(OX)
    assert len(await provider.find(OX, since=0)) == 1
    assert await provider.find(replace(OX, seed=8), since=0) == []
    assert await provider.find(replace(OX, prompt="another"), since=0) == []
    assert await provider.find(OX, since=4_000_000_000_000) == []


@queuing
async def test_ended_generations_are_found_too_oldest_first(provider: Provider) -> None:
    first = await accepted(provider)
    await ended(provider, first)
    second = await accepted(provider)
    found = await provider.find(OX, since=0)
    assert {report.provider_id for report in found} == {first, second}
    assert [report.enqueued_at for report in found] == sorted(report.enqueued_at or 0 for report in found)


@queuing
@pytest.mark.faults("enqueue-cut")
async def test_a_cut_connection_is_a_lost_response(provider: Provider) -> None:
    with pytest.raises(AnswerLost):
        await provider.submit(OX)
    assert await provider.find(OX, since=0) == []


async def test_a_rejected_request_raises_provider_refused(provider: Provider) -> None:
    with pytest.raises(ProviderRefused, match=r"refused this request: .*no-such-model"):
        await provider.submit(replace(OX, model="no-such-model"))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param("out-of-credit", ProviderAccount, marks=pytest.mark.faults("out-of-credit")),
        pytest.param("key-refused", ProviderAccount, marks=pytest.mark.faults("key-refused")),
        pytest.param("images-rate-limited", ProviderBusy, marks=pytest.mark.faults("images-rate-limited")),
        pytest.param("images-error", AnswerLost, marks=pytest.mark.faults("images-error")),
    ],
)
async def test_every_fault_has_its_exception_and_a_plain_sentence(
    provider: Provider, ox: Submission, fault: str, error: type[ProviderError]
) -> None:
    with pytest.raises(error) as caught:
        await provider.submit(ox)
    assert caught.value.sentence.endswith(".")
    assert "http" not in caught.value.sentence


async def test_a_wrong_key_raises_provider_account_and_is_never_shown(
    kind: Kind, session: aiohttp.ClientSession, server: images.ImageServer
) -> None:
    with pytest.raises(ProviderAccount) as caught:
        await kind.open(session, server.url, REFUSED_KEY).submit(kind.ox)
    assert REFUSED_KEY not in repr(caught.value)


async def test_a_refused_connection_raises_provider_busy(kind: Kind, session: aiohttp.ClientSession) -> None:
    provider = kind.open(session, "http://127.0.0.1:1", "key")
    with pytest.raises(ProviderBusy):
        await provider.submit(kind.ox)
    if kind.lists:
        with pytest.raises(ProviderBusy):
            await provider.models()


@pytest.mark.parametrize(
    "fault",
    [pytest.param(name, marks=pytest.mark.faults(name)) for name in ("key-refused", "images-error", "images-rate-limited", "models-down")],
)
async def test_any_response_to_a_ping_counts_and_none_is_paid_for(provider: Provider, server: images.ImageServer, fault: str) -> None:
    await provider.ping()
    assert [request.method for request in server.requests] == ["GET"]


@pytest.mark.faults("oxen-down", "oxlo-down")
async def test_an_unanswered_ping_raises_an_error(provider: Provider) -> None:
    with pytest.raises(ProviderBusy):
        await provider.ping()


async def test_the_models_can_be_read_by_the_catalogue(provider: Provider, ox: Submission) -> None:
    catalog = Catalog.merge({provider.name: await provider.models()}, credit_usd=0.01, model_prices={})
    model = catalog.get(ox.model)
    assert (model.api_id, model.provider, model.takes_references) == (ox.model, provider.name, True)
    assert model.price_microcredits is not None


@streaming
async def test_the_stream_reports_ended_generations(provider: Provider) -> None:
    async with asyncio.timeout(5), provider.listen() as events:
        provider_id = await accepted(provider)
        assert (await anext(events)).provider_id == provider_id


async def test_what_was_charged_is_listed_newest_first_or_not_at_all(provider: Provider, ox: Submission) -> None:
    for seed in (1, 2):
        answer = await provider.submit(replace(ox, seed=seed))
        if isinstance(answer, Accepted):
            await ended(provider, answer.provider_id)
    charges = [charge async for charge in provider.billed()]
    expected = [(OX.model, Decimal("0.014"))] * 2 if provider.has_queue else []
    assert [(charge.model, charge.cost_usd) for charge in charges] == expected
    assert [charge async for charge in provider.billed(since=2**42)] == []


async def test_an_estimate_is_in_dollars_or_unknown(provider: Provider, ox: Submission) -> None:
    estimate = await provider.estimate(ox.model, ox.params, prompt_bytes=100)
    assert estimate == (Decimal("0.014") if provider.has_queue else None)
