"""The ways to show a job, best first: each open one is tried until it stands, once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from bot.core.clock import Clock
from bot.core.errors import RouteClosed, TooLarge, TryLater
from bot.core.i18n import _
from bot.domain.job import GenerationState, Job
from bot.domain.order import Receipt
from bot.services.pipeline.results import ResultImage, Results
from bot.store import delivery
from bot.store.engine.base import Store

log = structlog.get_logger(__name__)

BAR_STEPS = 10  # of a waiting message's bar

_SMALLEST_LIMIT = 256 * 1024  # bytes; below this an image is not worth shrinking


@dataclass(frozen=True, kw_only=True)
class ResultMessage:
    """What a job's message is to show."""

    job: Job
    images: tuple[ResultImage, ...]
    notes: tuple[str, ...]  # what the member should know: re-encoded, unusable, failed


@dataclass(frozen=True, kw_only=True)
class PostedMessage:
    """Where an answer stands."""

    channel_id: int
    message_id: int
    direct: bool = False  # among the direct messages with its member


class Post(Protocol):
    """The ways to Discord. Each raises `RouteClosed`, `TooLarge` or `TryLater`; edits may be repeated safely."""

    async def edit_by_token(self, answer: ResultMessage) -> PostedMessage: ...

    async def edit_message(self, answer: ResultMessage) -> PostedMessage: ...

    async def send_to_channel(self, answer: ResultMessage) -> PostedMessage: ...

    async def send_to_member(self, answer: ResultMessage) -> PostedMessage: ...

    async def find(self, job: Job, *, since: int, direct: bool) -> PostedMessage | None:
        """A message of ours that shows this job, sent at or after `since` (Unix ms): to its channel, or to its member directly."""
        ...

    async def show_progress(self, receipt: Receipt, *, steps: int | None) -> None:
        """Edit the waiting message of an open job; `steps` of the `BAR_STEPS` are done, `None`: it shows no bar."""
        ...


@dataclass(frozen=True, kw_only=True)
class Routes:
    """Knows the ways, and what must be written down before one is taken."""

    store: Store
    results: Results
    post: Post
    clock: Clock

    async def show(self, answer: ResultMessage) -> PostedMessage | None:
        """The first way that is open, with smaller images where Discord refuses their size. `None`: there is nothing to say."""
        if _needs_no_words(answer):
            return None
        limit = answer.job.place.upload_limit_bytes
        while True:
            fitted = await self._fitted(answer, limit)
            try:
                return await self._first_open(fitted)
            except TooLarge as error:
                limit //= 2
                if limit < _SMALLEST_LIMIT or not answer.images:
                    raise TryLater("Discord refuses uploads of any size at the moment.") from error
            except RouteClosed:
                if not _only_directly(answer):
                    raise
                return None  # the mark on the message that was reacted to says it

    async def _first_open(self, answer: ResultMessage) -> PostedMessage:
        closed = RouteClosed("There is no way to show this job.")
        for way in self._ways(answer):
            try:
                return await way
            except RouteClosed as error:
                log.info("route closed", job=answer.job.id, reason=error.sentence)
                closed = error
        raise closed

    def _ways(self, answer: ResultMessage) -> Iterator[Awaitable[PostedMessage]]:
        """Edits first: they may be repeated. A new message only where the job's own is out of reach."""
        job, place = answer.job, answer.job.place
        if place.token_lives(self.clock()):
            yield self.post.edit_by_token(answer)
        if place.message_id is not None and not place.private:
            yield self.post.edit_message(answer)
        if not place.private and not _only_directly(answer):
            yield self._send_once(job, lambda: self.post.send_to_channel(answer), direct=False)
        yield self._send_once(job, lambda: self.post.send_to_member(answer), direct=True)

    async def _send_once(self, job: Job, send: Callable[[], Awaitable[PostedMessage]], *, direct: bool) -> PostedMessage:
        """Write down that a message is about to be sent; where that was written before, look for it first."""
        if job.posting_since is not None:
            found = await self.post.find(job, since=job.posting_since, direct=direct)
            if found is not None:
                return replace(found, direct=direct)
        await self.store.write(delivery.set_posting_since, job.id, job.posting_since or self.clock())
        try:
            return replace(await send(), direct=direct)
        except (RouteClosed, TooLarge):
            if job.posting_since is None:
                await self.store.write(delivery.set_posting_since, job.id, None)  # refused: certainly not sent
            raise

    async def _fitted(self, answer: ResultMessage, limit_bytes: int) -> ResultMessage:
        """The same answer with every image under the upload limit, and a note for each that was changed."""
        fitted, notes = [], list(answer.notes)
        for image in answer.images:
            fit, changed = await self.results.fitted(image, limit_bytes)
            fitted.append(fit)
            if changed is not None:
                notes.append(_("Picture {number} was {changed}.").format(number=image.n + 1, changed=changed))
        return replace(answer, images=tuple(fitted), notes=tuple(notes))


def _only_directly(answer: ResultMessage) -> bool:
    """Whoever asked by a reaction, with no message that waits, and gets no image is told why, and nobody else."""
    job = answer.job
    has_message = job.place.message_id is not None or job.place.token is not None
    return job.reaction is not None and not has_message and not answer.images


def _needs_no_words(answer: ResultMessage) -> bool:
    """It was taken back as it had been asked for: by a reaction, whose mark says it all."""
    return _only_directly(answer) and all(g.state is GenerationState.CANCELLED for g in answer.job.generations)
