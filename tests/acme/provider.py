"""Everything that another image API needs: settings, client, and list entry."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from bot.core.settings.endpoints import ProviderSettings
from bot.providers.factory import BuildContext, ImageApi
from bot.providers.http import Api
from bot.providers.provider import Accepted, Event, GenerationReport, Provider, ReportState, Submission
from bot.providers.sse import Decoder


class AcmeSettings(ProviderSettings):
    kind: ClassVar[str] = "acme"

    name: str = "acme"
    streams: bool

    title: ClassVar[str] = "Acme"


class Acme(Provider):
    has_queue = True
    queues = True
    takes_links = False

    def __init__(self, settings: AcmeSettings, context: BuildContext) -> None:
        self.name, self.streams = settings.name, settings.streams
        self._api = Api(session=context.session, base_url=settings.base_url, api_key=settings.key.get_secret_value())

    async def submit(self, submission: Submission) -> Accepted:
        body = {"model": submission.model, "prompt": submission.prompt, "seed": submission.seed}
        return Accepted(provider_id=(await self._api.send("/images", body, timeout_s=10))["id"])

    async def find(self, submission: Submission, *, since: int) -> Sequence[GenerationReport]:
        reports = [_report(row) for row in await self._api.ask("/images") or []]
        asked = (submission.prompt, submission.seed)
        return [report for report in reports if (report.prompt, report.seed) == asked and (report.enqueued_at or 0) >= since]

    async def read(self, provider_id: str) -> GenerationReport | None:
        row = await self._api.ask(f"/images/{provider_id}")
        return None if row is None else _report(row)

    async def cancel(self, provider_id: str) -> None:
        await self._api.ask(f"/images/{provider_id}", method="DELETE")

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[AsyncIterator[Event]]:
        async with self._api.stream("/events", silence_s=60) as chunks:
            yield _events(chunks)

    async def ping(self) -> None:
        await self._api.probe("/models")

    async def models(self) -> Sequence[Mapping[str, Any]]:
        return await self._api.ask("/models") or []


def acme(url: str, *, streams: bool) -> ImageApi:
    """The list entry."""
    return ImageApi(settings=AcmeSettings(base_url=url, streams=streams), build=Acme)


def _report(row: Mapping[str, Any]) -> GenerationReport:
    return GenerationReport(
        provider_id=row["id"],
        state=ReportState(row["state"]),
        model=row["model"],
        prompt=row["prompt"],
        seed=row["seed"],
        enqueued_at=row["at"],
        result_url=row["url"],
    )


async def _events(chunks: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    decoder = Decoder()
    async for chunk in chunks:
        for event in decoder.feed(chunk):
            yield Event(provider_id=event.data)
