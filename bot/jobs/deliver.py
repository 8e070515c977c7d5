"""Shows what became of each job: takes the outbox, fetches the pictures, and edits the job's own message."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import structlog

from bot.clock import Clock
from bot.errors import DeliveryError, PictureError, ProviderError, RouteClosed, TooLarge, TryLater
from bot.images import pictures
from bot.images.fetch import Fetcher, LinkExpired
from bot.images.provider import Provider
from bot.jobs.job import Generation, Job, JobState
from bot.jobs.order import Receipt
from bot.jobs.pace import Bells, Crew, Locks, Pace
from bot.jobs.studio import Studio
from bot.metrics import DELIVERIES
from bot.store import jobs, outbox
from bot.store.engine import Store

log = structlog.get_logger(__name__)

_AT_A_TIME = 4  # jobs: a picture is tens of MB while it is inspected
_SMALLEST_LIMIT = 256 * 1024  # bytes; below this a picture is not worth shrinking
_TRIED_FOR_MS = 7 * 86_400_000  # how long a way to show a job is looked for
_NEVER_MS = 100 * 365 * 86_400_000  # from then on only its member's own doing shows it
_ASK_FOR_MS = 86_400_000  # how long a picture is asked for that cannot be fetched; then it counts as unusable
_FRESH_LINKS = 2  # how often a result's link is asked for anew in one attempt


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A finished picture on disk, ready to be uploaded."""

    path: Path
    filename: str
    alt: str  # what it shows, for those who cannot see it
    width_px: int
    height_px: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a job's message is to show."""

    job: Job
    pictures: tuple[Picture, ...]
    notes: tuple[str, ...]  # what the member should know: re-encoded, unusable, failed


@dataclass(frozen=True, kw_only=True)
class Posted:
    """Where an answer stands."""

    channel_id: int
    message_id: int


class Post(Protocol):
    """The ways to Discord. Each raises `RouteClosed`, `TooLarge` or `TryLater`; edits may be repeated safely."""

    async def edit_by_token(self, answer: Answer) -> Posted: ...

    async def edit_message(self, answer: Answer) -> Posted: ...

    async def send_to_channel(self, answer: Answer) -> Posted: ...

    async def send_to_member(self, answer: Answer) -> Posted: ...

    async def find(self, job: Job, *, since: int, direct: bool) -> Posted | None:
        """A message of ours that shows this job, sent at or after `since` (Unix ms): to its channel, or to its member directly."""
        ...

    async def show_progress(self, receipt: Receipt) -> None:
        """Edit the waiting message of an open job."""
        ...


class Deliver:
    """The outbox's loop and crew."""

    def __init__(
        self,
        *,
        store: Store,
        providers: Mapping[str, Provider],
        fetcher: Fetcher,
        studio: Studio,
        post: Post,
        spool: Path,
        result_max_bytes: int,
        result_max_pixels: int,
        bells: Bells,
        locks: Locks,
        pace: Pace,
        clock: Clock,
    ) -> None:
        self._store = store
        self._providers = providers
        self._fetcher = fetcher
        self._studio = studio
        self._post = post
        self._spool = spool
        self._result_max_bytes = result_max_bytes
        self._result_max_pixels = result_max_pixels
        self._bells = bells
        self._locks = locks  # one hand at a time on a job's message
        self._pace = pace
        self._clock = clock
        self._crew = Crew("deliver", size=_AT_A_TIME)

    async def run(self, *, grace_s: float) -> None:
        """Until cancelled; what is being shown then is given `grace_s` to finish."""
        try:
            while True:
                now = self._clock()
                await self.turn(now)
                # What is due already is at work or rings when its first answer is given: only later ones are waited for.
                due = await self._store.read(outbox.next_due, now)
                pause_s = self._pace.slow_s if due is None else (due - self._clock()) / 1000
                await self._bells.deliver.heard(timeout_s=min(max(pause_s, 0), self._pace.slow_s))
        finally:
            await self._crew.finish(grace_s)

    async def turn(self, now: int) -> None:
        """One look at the outbox."""
        for job in await self._store.read(outbox.due, now):
            if not self._studio.being_answered(job.id):
                self._crew.put_to_work(job.id, self._take(job.id))

    async def _take(self, job_id: str) -> None:
        """Read it anew: while it waited for a place its first answer may have arrived, or somebody else shown it."""
        job = await self._store.read(jobs.get, job_id)
        if job is not None and job.state in (JobState.DELIVERABLE, JobState.STRANDED):
            await self._deliver(job)

    async def _deliver(self, job: Job) -> None:
        try:
            async with self._answer(job) as answer, self._locks.of(job.id):
                posted = await self._show(answer)
        except RouteClosed as error:
            await self._stranded(job, error)
        except (DeliveryError, ProviderError) as error:
            await self._try_later(job, error)
        except Exception:
            # Whatever it was, this job's turn comes again, later and later.
            await self._postpone(job, self._pace.backoff_s(job.attempts + 1, longest_s=self._pace.stranded_s))
            raise
        else:
            shown = {"channel_id": posted.channel_id, "message_id": posted.message_id, "now": self._clock()}
            await self._store.write(outbox.delivered, job.id, **shown)
            DELIVERIES.labels("posted").inc()
            log.info("delivered", job=job.id, pictures=len(answer.pictures), attempts=job.attempts + 1)
            self._bells.deliver.ring()

    async def _try_later(self, job: Job, error: DeliveryError | ProviderError) -> None:
        pause_s = getattr(error, "retry_after_s", None) or self._pace.backoff_s(job.attempts + 1)
        DELIVERIES.labels("postponed").inc()
        log.warning("delivery postponed", job=job.id, pause_s=round(pause_s, 1), reason=error.sentence)
        await self._postpone(job, pause_s)

    async def _stranded(self, job: Job, error: RouteClosed) -> None:
        """No way is open now. The picture stays; a way is looked for now and then."""
        DELIVERIES.labels("stranded").inc()
        log.warning("no way to show a job", job=job.id, reason=error.sentence)
        await self._postpone(job, self._pace.stranded_s, stranded=True)

    async def _postpone(self, job: Job, pause_s: float, *, stranded: bool = False) -> None:
        """Try again after `pause_s`, for a week."""
        now = self._clock()
        pause_ms = _NEVER_MS if now - job.created_at > _TRIED_FOR_MS else int(pause_s * 1000)
        await self._store.write(outbox.try_again, job.id, not_before=now + pause_ms, stranded=stranded)
        self._bells.deliver.ring()

    # --- the ways to show it, best first ---------------------------------------------------------------------------

    async def _show(self, answer: Answer) -> Posted:
        """The first way that is open, with smaller pictures where Discord refuses their size."""
        limit = answer.job.place.upload_limit_bytes
        while True:
            fitted = await self._fitted(answer, limit)
            try:
                return await self._first_open(fitted)
            except TooLarge as error:
                limit //= 2
                if limit < _SMALLEST_LIMIT or not answer.pictures:
                    raise TryLater("Discord refuses uploads of any size at the moment.") from error

    async def _first_open(self, answer: Answer) -> Posted:
        closed = RouteClosed("There is no way to show this job.")
        for way in self._ways(answer):
            try:
                return await way
            except RouteClosed as error:
                log.info("route closed", job=answer.job.id, reason=error.sentence)
                closed = error
        raise closed

    def _ways(self, answer: Answer) -> Iterator[Awaitable[Posted]]:
        """Edits first: they may be repeated. A new message only where the job's own is out of reach."""
        job, place = answer.job, answer.job.place
        if place.token_lives(self._clock()):
            yield self._post.edit_by_token(answer)
        if place.message_id is not None and not place.private:
            yield self._post.edit_message(answer)
        if not place.private:
            yield self._send_once(job, lambda: self._post.send_to_channel(answer), direct=False)
        yield self._send_once(job, lambda: self._post.send_to_member(answer), direct=True)

    async def _send_once(self, job: Job, send: Callable[[], Awaitable[Posted]], *, direct: bool) -> Posted:
        """Write down that a message is about to be sent; where that was written before, look for it first."""
        if job.posting_since is not None:
            found = await self._post.find(job, since=job.posting_since, direct=direct)
            if found is not None:
                return found
        await self._store.write(outbox.posting, job.id, job.posting_since or self._clock())
        try:
            return await send()
        except (RouteClosed, TooLarge):
            if job.posting_since is None:
                await self._store.write(outbox.posting, job.id, None)  # refused: certainly not sent
            raise

    # --- the pictures ----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _answer(self, job: Job) -> AsyncIterator[Answer]:
        """Fetch and inspect what the job made, into a folder that lives as long as the context."""
        folder = self._spool / f"{job.id}-{job.attempts}"
        try:
            await asyncio.to_thread(folder.mkdir, exist_ok=True)
            found: list[Picture] = []
            unusable = {g.n: g.error for g in job.succeeded if g.error is not None}  # since an earlier attempt
            for generation in job.succeeded:
                try:
                    if generation.error is None:
                        found.append(await self._picture(job, generation, folder))
                except PictureError as error:
                    await self._spoil(generation, error)
                    unusable[generation.n] = error.sentence
            notes = [f"Picture {n + 1} could not be used ({why.rstrip('.')}). Its price was given back." for n, why in unusable.items()]
            parts = tuple(replace(g, error=unusable.get(g.n, g.error)) for g in job.generations)
            yield Answer(job=replace(job, generations=parts), pictures=tuple(found), notes=tuple(notes))
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _picture(self, job: Job, generation: Generation, folder: Path) -> Picture:
        try:
            path = await self._content(generation, folder)
        except ProviderError as error:
            if self._clock() - (generation.ended_at or job.created_at) < _ASK_FOR_MS:
                raise
            raise PictureError("the image service did not hand it out for a day.") from error
        info = await asyncio.to_thread(pictures.inspect, path, max_pixels=self._result_max_pixels, verify=True)
        name = f"easel-{job.id}-{generation.n + 1}.{info.extension}"
        return Picture(
            path=path,
            filename=f"SPOILER_{name}" if job.spoiler else name,
            alt=generation.prompt,
            width_px=info.width,
            height_px=info.height,
        )

    async def _content(self, generation: Generation, folder: Path) -> Path:
        """The picture's file: from the store where the image API answered inline, else by its link, fresh if it has expired."""
        kept = await self._store.read(jobs.picture_of, generation.job_id, generation.n)
        if kept is not None:
            path = folder / f"inline-{generation.n}"
            await asyncio.to_thread(path.write_bytes, kept)
            return path
        url = generation.result_url or ""
        for _ in range(_FRESH_LINKS):
            try:
                return await self._fetcher.fetch_to_file(url, max_bytes=self._result_max_bytes, folder=folder)
            except LinkExpired:
                url = await self._fresh_link(generation)
        return await self._fetcher.fetch_to_file(url, max_bytes=self._result_max_bytes, folder=folder)

    async def _fresh_link(self, generation: Generation) -> str:
        provider = self._providers.get(generation.provider)
        report = await provider.read(generation.provider_id or "") if provider and generation.provider_id else None
        if report is None or report.result_url is None:
            raise PictureError("the image service no longer keeps it.")
        await self._store.write(jobs.refresh_url, generation.job_id, generation.n, report.result_url)
        return report.result_url

    async def _spoil(self, generation: Generation, error: PictureError) -> None:
        log.warning("unusable result", job=generation.job_id, n=generation.n, reason=error.sentence)
        await self._store.write(jobs.spoil, generation.job_id, generation.n, error.sentence, self._clock())

    async def _fitted(self, answer: Answer, limit_bytes: int) -> Answer:
        """The same answer with every picture under the upload limit, and a note for each that was changed."""
        fitted, notes = [], list(answer.notes)
        for picture in answer.pictures:
            if (await asyncio.to_thread(picture.path.stat)).st_size <= limit_bytes:
                fitted.append(picture)
                continue
            fit = await asyncio.to_thread(pictures.fit, picture.path, limit_bytes)
            path = picture.path.with_name(f"{picture.path.name}-{limit_bytes}")
            await asyncio.to_thread(path.write_bytes, fit.content)
            filename = f"{picture.filename.rpartition('.')[0]}.{fit.extension}"
            fitted.append(replace(picture, path=path, filename=filename, width_px=fit.width, height_px=fit.height))
            notes.append(f"Picture {len(fitted)} was {fit.changed}.")
        return replace(answer, pictures=tuple(fitted), notes=tuple(notes))
