"""What `doctor --live` tries at one image API. Each finding is one line; an image of the cheapest fitting model is paid for."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

import aiohttp
from PIL import Image
from yarl import URL

from bot.core.config import Settings
from bot.core.errors import EaselError, ImageError, InvalidRequest, ProviderBusy, ProviderError, ProviderRefused
from bot.core.settings.endpoints import ProviderSettings
from bot.core.settings.field_types import ReferenceMode
from bot.domain.catalog import costs
from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import Catalog, ModelInfo
from bot.domain.catalog.params import build_params
from bot.domain.money import quota
from bot.media.codec import DEFAULT_MAX_PIXELS, ImageInfo, inspect
from bot.media.fetch import Fetcher
from bot.ops.findings import Finding, Severity, bad, ok, skip, warn
from bot.providers.provider import Accepted, GenerationReport, Provider, ReportState, Submission

_PROMPT: Final = "A small red circle on a white background, test {nonce}"
_ENDED: Final = frozenset({ReportState.SUCCEEDED, ReportState.FAILED, ReportState.CANCELLED})
_NO_MORE: Final = ""  # after the last event
_SEEDS: Final = 2**31
_CLOCKS_MS: Final = 600_000  # by which an image API's clock may differ
_MB: Final = 1_000_000
_CHUNK_BYTES: Final = 64 * 1024
_FILLED: Final = 0.95  # of REFERENCE_MAX_MB


@dataclass(frozen=True, kw_only=True)
class LiveTiming:
    """How long each thing is waited for, in seconds."""

    poll_s: float = 2.0
    image_s: float = 300.0
    event_s: float = 15.0  # after the generation has ended
    charge_s: float = 30.0


@dataclass(frozen=True, kw_only=True)
class TrialModel:
    """The model that is tried, its parameters, and what Easel would reserve for one image."""

    model: ModelInfo
    params: Mapping[str, Any]
    cost: int  # microcredits
    cancels: bool = False  # whether one more request is made, and cancelled at once


@dataclass(frozen=True, kw_only=True)
class ReferenceLink:
    """Discord's link to an image, or why there is none."""

    link: str = ""
    reason: str = ""


def choose(catalog: Catalog, provider: str, *, references: bool) -> TrialModel | None:
    """The cheapest model of an image API that needs no reference image. None: none has a price.

    `references`: prefer one that takes reference images.
    """
    models = [model for model in catalog.models if model.provider == provider and model.makes_images and not model.references_required]
    choices = [choice for model in models if (choice := _choice(model)) is not None]
    return min(choices, key=lambda choice: (references and not choice.model.takes_references, choice.cost), default=None)


def _choice(model: ModelInfo) -> TrialModel | None:
    size = model.option(Idea.RESOLUTION)
    try:
        params = build_params(model, {Idea.RESOLUTION: size.values[0]} if size is not None and size.values and size.default is None else {})
    except InvalidRequest:
        return None
    cost = costs.cost_microcredits(model, params)
    return None if cost is None else TrialModel(model=model, params=params, cost=cost)


@dataclass(kw_only=True)
class LiveTrial:
    """One image API and what is tried there. `run` raises `EaselError` only for what ends all of it."""

    settings: Settings
    api: ProviderSettings
    provider: Provider
    choice: TrialModel
    reference: ReferenceLink
    fetcher: Fetcher
    session: aiohttp.ClientSession
    timing: LiveTiming
    _heard: asyncio.Queue[str] = field(default_factory=asyncio.Queue)  # the generations of events
    _open: set[str] = field(default_factory=set)  # generations that have not ended

    async def run(self) -> list[Finding]:
        return await (self._run_queue() if self.provider.queues else self._run_call())

    # --- a call that answers with the image ----------------------------------------------------------------------------

    async def _run_call(self) -> list[Finding]:
        try:
            made = await self.provider.submit(self._submission())
        except ProviderError as error:
            return [self._named("image", bad(f"none was created: {told(error)} Check the account and the address there."))]
        content = getattr(made, "content", None)
        if content is None:
            host = URL(getattr(made, "url", None) or "").host or "an unknown host"
            return [self._named("image", bad(f"it was created, but is at {host}; if that is right, add it to RESULT_HOSTS."))]
        try:
            info = await _inspected(content)
        except ImageError as error:
            return [self._named("image", bad(f"it was created, but can't be opened: {told(error)}"))]
        return [self._named("image", ok(f"{self.choice.model.title} created it, and it opens.")), self._named("size", self._size(info))]

    def _size(self, image: ImageInfo) -> Finding:
        asked = str(next((self.choice.params[name] for name in ("size", "image_size") if name in self.choice.params), ""))
        made = f"{image.width}x{image.height}"
        if "x" not in asked:
            return skip(f"the image has {made} pixels; none were asked for.")
        if asked.lower() != made:
            return bad(f"{asked} pixels were asked for, and the image has {made}; correct the model's sizes in the settings.")
        return ok(f"the image has {made} pixels, as asked.")

    # --- a queue -------------------------------------------------------------------------------------------------------

    async def _run_queue(self) -> list[Finding]:
        since = int(time.time() * 1000) - _CLOCKS_MS
        async with self._listening() as stream:
            try:
                async with asyncio.timeout(self.timing.image_s):
                    submission, report, unread = await self._create()
            except ProviderError as error:
                what = "the generation can't be read" if self._open else "it didn't accept an image"
                return [self._named("queue", bad(f"{what}: {told(error)} Check the account there."))]
            except TimeoutError:
                return [
                    self._named("queue", bad(f"the image isn't finished after {self.timing.image_s:g} s; see the service's status page."))
                ]
            finally:
                await self._cancel_all()
            event = await self._event(report.provider_id, stream)
        if report.state is not ReportState.SUCCEEDED:
            made = bad(
                f"the generation ended without an image ({(report.error or report.state).rstrip('.')}); try again, or see its status page."
            )
            return [self._named("queue", made), self._named("event", event)]
        checks = {
            "queue": ok(f"{self.choice.model.title} created an image."),
            "event": event,
            **await self._links(report.result_url or ""),
            "row": _echo(submission, report),
            "reference": self._read_link(unread),
            "large body": await self._large_body(),
            "charge": await self._charge(report.provider_id, since),
        }
        return [self._named(name, finding) for name, finding in checks.items()]

    async def _create(self) -> tuple[Submission, GenerationReport, str]:
        """One image with the reference's link; if that fails, one without, and why it failed. Raises `ProviderError`."""
        if not self._uses_link:
            plain = self._submission()
            return plain, await self._made(plain), ""
        linked, unread = self._submission(self.reference.link), ""
        try:
            report = await self._made(linked)
            if report.state is ReportState.SUCCEEDED:
                return linked, report, ""
            unread = report.error or str(report.state)
        except ProviderRefused as error:
            unread = told(error)
        plain = self._submission()
        return plain, await self._made(plain), unread

    async def _made(self, submission: Submission) -> GenerationReport:
        return await self._ended(await self._enqueue(submission))

    async def _enqueue(self, submission: Submission) -> str:
        accepted = await self.provider.submit(submission)
        assert isinstance(accepted, Accepted), "the provider has a queue"  # noqa: S101 - for the type checker
        self._open.add(accepted.provider_id)
        return accepted.provider_id

    async def _ended(self, provider_id: str) -> GenerationReport:
        while True:
            with suppress(ProviderBusy):
                report = await self.provider.read(provider_id)
                if report is not None and report.state in _ENDED:
                    self._open.discard(provider_id)
                    return report
            await asyncio.sleep(self.timing.poll_s)

    async def _cancel_all(self) -> None:
        for provider_id in self._open:
            with suppress(ProviderError):
                await self.provider.cancel(provider_id)
        self._open.clear()

    @asynccontextmanager
    async def _listening(self) -> AsyncGenerator[asyncio.Task[None] | None]:
        """A task that notes the generations of events, connected at first; None if the stream is not used."""
        if not self.provider.streams:
            yield None
            return
        connected = asyncio.Event()
        task = asyncio.create_task(self._listen(connected), name="events")
        connecting = asyncio.create_task(connected.wait(), name="connection")
        try:
            await asyncio.wait({task, connecting}, return_when=asyncio.FIRST_COMPLETED, timeout=self.timing.event_s)
            yield task
        finally:
            for each in (task, connecting):
                each.cancel()
            await asyncio.gather(task, connecting, return_exceptions=True)

    async def _listen(self, connected: asyncio.Event) -> None:
        try:
            async with self.provider.listen() as events:
                connected.set()
                async for event in events:
                    self._heard.put_nowait(event.provider_id)
        finally:
            self._heard.put_nowait(_NO_MORE)

    async def _event(self, provider_id: str, stream: asyncio.Task[None] | None) -> Finding:
        if stream is None:
            return skip("not checked, because OXEN_MODE is not events.")
        with suppress(TimeoutError):
            async with asyncio.timeout(self.timing.event_s):
                while (heard := await self._heard.get()) != _NO_MORE:
                    if heard == provider_id:
                        return ok("an event reported the end of the generation.")
        if stream.done() and isinstance(error := stream.exception(), ProviderError):
            return bad(f"{told(error)} Look for a proxy that ends long connections; OXEN_MODE=poll does without events.")
        return bad("no event arrived; look for a proxy that delays answers, or set OXEN_MODE=poll, which does without events.")

    async def _links(self, url: str) -> Mapping[str, Finding]:
        plain, with_key = await self._opens(url), await self._opens_with_key(url)
        if plain.severity is Severity.BAD and with_key.severity is Severity.OK:
            plain = warn("the image's link opens only with the key, which Easel then sends.")
        return {"link": plain, "link with key": with_key}

    async def _opens(self, url: str) -> Finding:
        try:
            await _inspected(await self.fetcher.fetch_bytes(url, max_bytes=int(self.settings.result_max_mb * _MB)))
        except EaselError as error:
            return bad(f"the image's link doesn't open without the key: {told(error)} See the next line, and RESULT_HOSTS.")
        return ok("the image's link opens without the key.")

    async def _opens_with_key(self, url: str) -> Finding:
        if _origin(url) != _origin(self.api.base_url):
            return skip("the link is on another host, which the key is never sent to.")
        headers = {"Authorization": f"Bearer {self.api.key.get_secret_value()}"}
        try:
            timeout, proxy = aiohttp.ClientTimeout(total=60), self.settings.proxies.proxy_for(url)
            async with self.session.get(url, headers=headers, allow_redirects=False, timeout=timeout, proxy=proxy) as response:
                if response.status != 200:
                    return bad(f"the image's link answers {response.status} with the key; try again, or ask the service.")
                await _inspected(await self._read(response))
        except (aiohttp.ClientError, OSError, TimeoutError):
            return bad("the image's link doesn't answer with the key; check the connection, and try again.")
        except ImageError as error:
            return bad(f"the image's link returns no image with the key: {told(error)} Try again, or ask the service.")
        return ok("the image's link opens with the key.")

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """The whole body. Raises `ImageError` above RESULT_MAX_MB."""
        content = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            content += chunk
            if len(content) > self.settings.result_max_mb * _MB:
                raise ImageError("The image is larger than RESULT_MAX_MB.")
        return bytes(content)

    @property
    def _uses_link(self) -> bool:
        takes = self.choice.model.takes_references and self.provider.takes_links
        return bool(takes and self.reference.link and self.settings.reference_mode is not ReferenceMode.INLINE)

    def _read_link(self, unread: str) -> Finding:
        if unread:
            return bad(f"it can't use Discord's link to a reference image ({unread.rstrip('.')}); set REFERENCE_MODE=inline.")
        if self._uses_link:
            return ok("it reads Discord's link to a reference image.")
        if not self.choice.model.takes_references:
            return skip("none of its models with a price takes a reference image.")
        return skip(self.reference.reason or "not checked, because REFERENCE_MODE is inline.")

    async def _large_body(self) -> Finding:
        """A reference image near the limit within the request, which is cancelled as soon as it is accepted."""
        if not self.choice.model.takes_references:
            return skip("none of its models with a price takes a reference image.")
        size_mb = self.settings.reference_max_mb * _FILLED
        content = await asyncio.to_thread(_noise, int(size_mb * _MB))
        try:
            await self._enqueue(self._submission(f"data:image/png;base64,{await asyncio.to_thread(_base64, content)}"))
        except ProviderError as error:
            return bad(f"it refuses a request with a reference image of {size_mb:g} MB: {told(error)} Lower REFERENCE_MAX_MB.")
        finally:
            await self._cancel_all()
        return ok(f"it accepts a request with a reference image of {size_mb:g} MB.")

    async def _charge(self, provider_id: str, since: int) -> Finding:
        reserved = quota.in_usd(self.choice.cost, self.settings.credit_usd)
        try:
            async with asyncio.timeout(self.timing.charge_s):
                charged = await self._charged(provider_id, since)
        except TimeoutError:
            return warn("its list of charges doesn't show the image yet; `doctor --bill` compares them later.")
        except ProviderError as error:
            return bad(f"its list of charges can't be read: {told(error)} Compare with your account there.")
        cost, expected = f"it charged ${charged.normalize():f}", f"the ${reserved.normalize():f} that Easel reserves"
        if charged > reserved:
            return bad(f"{cost}, more than {expected}; if its prices haven't just changed, please report it.")
        return ok(f"{cost}, as much as Easel reserves.") if charged == reserved else warn(f"{cost}, less than {expected}.")

    async def _charged(self, provider_id: str, since: int) -> Decimal:
        """What the image cost by the image API's own list, in US dollars."""
        while True:
            async for charge in self.provider.billed(since=since):
                if charge.provider_id == provider_id:
                    return charge.cost_usd
            await asyncio.sleep(self.timing.poll_s)

    def _submission(self, *references: str) -> Submission:
        prompt = _PROMPT.format(nonce=secrets.token_hex(4))
        seed = secrets.randbelow(_SEEDS) if self.choice.model.seed_field else None
        return Submission(model=self.choice.model.api_id, prompt=prompt, seed=seed, params=self.choice.params, references=references)

    def _named(self, name: str, finding: Finding) -> Finding:
        return replace(finding, check=f"{self.api.title}, {name}")


async def _inspected(content: bytes) -> ImageInfo:
    """Raises `ImageError` if it is no image, or is damaged."""
    return await asyncio.to_thread(inspect, content, max_pixels=DEFAULT_MAX_PIXELS, verify=True)


def _origin(url: str) -> URL | None:
    """Scheme, host and port; None if it is no web address."""
    try:
        return URL(url).origin()
    except ValueError:
        return None


def told(error: EaselError) -> str:
    """Why something failed, without what the bot would do next."""
    detail = error.detail if isinstance(error, ProviderError) else ""
    return f"{detail}." if detail else error.sentence.removesuffix(" Easel will try again.")


def _echo(submission: Submission, report: GenerationReport) -> Finding:
    sent = {"prompt": submission.prompt} | ({} if submission.seed is None else {"seed": submission.seed})
    missing = " and the ".join(name for name, value in sent.items() if getattr(report, name) != value)
    if missing:
        return bad(f"the row doesn't repeat the {missing}; images whose answer is lost may not be found again: see UNCERTAIN_CALLS.")
    return ok(f"the row repeats the {' and the '.join(sent)}.")


def _noise(size_bytes: int) -> bytes:
    """A PNG of about this size."""
    side = int((size_bytes / 3) ** 0.5)
    file = io.BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(side * side * 3)).save(file, "PNG", compress_level=0)
    return file.getvalue()


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def small_image() -> bytes:
    """A plain PNG for a reference."""
    file = io.BytesIO()
    Image.new("RGB", (512, 512), "white").save(file, "PNG")
    return file.getvalue()
