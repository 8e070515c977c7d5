"""The routes to show a job on Discord, best first: tries each open one until the message is posted, once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from bot.core.clock import Clock
from bot.core.errors import DeliveryError, ImageError, MessageRefused, Refused, RouteClosed, TooLarge
from bot.domain.job import GenerationState, Job
from bot.domain.order import Receipt
from bot.services.pipeline.delivery.fitting import Fitting, ResultImage, notes_of
from bot.services.pipeline.delivery.links import SPACE, ResultLink
from bot.services.pipeline.delivery.results import ShownResults
from bot.store import delivery
from bot.store.engine.base import Store

log = structlog.get_logger(__name__)

BAR_STEPS = 10  # of a waiting message's bar

_SMALLEST_LIMIT = 256 * 1024  # bytes; below this an image is not worth shrinking


@dataclass(frozen=True, kw_only=True)
class ResultMessage:
    """The content of a finished job's message."""

    job: Job
    images: tuple[ResultImage, ...]
    notes: tuple[str, ...]  # for the member: which images were re-encoded or unusable
    links: tuple[ResultLink, ...] = ()  # of images that are not uploaded
    bare: bool = False  # without the prompt and the facts

    @property
    def shown(self) -> frozenset[int]:
        """The numbers of the images in it."""
        return frozenset(image.n for image in self.images) | {link.n for link in self.links}


class UnusableImages(ImageError):
    """Some images can be shown in no way; `reasons` are sentences, by the images' numbers."""

    def __init__(self, reasons: Mapping[int, str]) -> None:
        super().__init__(" ".join(reasons.values()))
        self.reasons = reasons


@dataclass(frozen=True, kw_only=True)
class PostedMessage:
    """Where a job's message was posted."""

    channel_id: int
    message_id: int
    direct: bool = False  # in the direct messages with its member


class Post(Protocol):
    """The port to Discord. Each method raises `DeliveryError`. Edits are idempotent."""

    async def edit_by_token(self, message: ResultMessage) -> PostedMessage: ...

    async def edit_message(self, message: ResultMessage) -> PostedMessage: ...

    async def send_to_channel(self, message: ResultMessage) -> PostedMessage: ...

    async def send_to_member(self, message: ResultMessage) -> PostedMessage: ...

    async def find(self, job: Job, *, since: int, direct: bool, waiting: bool = False) -> PostedMessage | None:
        """The bot's message that shows this job, sent at or after `since` (Unix ms) to its channel, or to its member if `direct`.

        `waiting`: also one that shows that the job is not finished.
        """
        ...

    async def is_gone(self, job: Job) -> bool:
        """Whether the job's channel was deleted, or the bot removed from its guild. False if that is not known."""
        ...

    async def show_progress(self, receipt: Receipt, *, steps: int | None) -> None:
        """Edit the waiting message of an open job. `steps`: filled steps of `BAR_STEPS`; `None`: no bar."""
        ...


class ResultPost(Post, ShownResults, Protocol):
    """Posts results on Discord, and finds them there again."""


@dataclass(frozen=True, kw_only=True)
class Routes:
    """Chooses the route, and records a new message before it is sent."""

    store: Store
    fitting: Fitting
    post: Post
    clock: Clock

    async def show(self, message: ResultMessage) -> PostedMessage | None:
        """Show the message by the first open route, with smaller images if Discord refuses their size. `None`: nothing was shown.

        Raises `MessageRefused` if Discord refuses what it shows, and `UnusableImages`.
        """
        if _is_unanswered(message) and all(g.state is GenerationState.CANCELLED for g in message.job.generations):
            return None  # the member took back what asked for it
        limit = message.job.place.upload_limit_bytes
        while True:
            fitted = await self._fitted(message, limit)
            try:
                return await self._first_open(fitted)
            except TooLarge as error:
                limit //= 2
                if limit < _SMALLEST_LIMIT or not fitted.images:
                    raise MessageRefused("Discord refuses uploads of any size.", reason=Refused.SIZE) from error
            except (RouteClosed, MessageRefused):
                if not _only_directly(message):
                    raise
                return None

    async def _first_open(self, message: ResultMessage) -> PostedMessage:
        errors: list[DeliveryError] = [RouteClosed("There is no way to show this job.")]
        for route in self._open_routes(message):
            try:
                return await route
            except (RouteClosed, MessageRefused) as error:
                if message.shown and isinstance(error, MessageRefused):
                    raise  # less of it may be accepted here, before another place is tried
                log.info("route closed", job=message.job.id, reason=error.sentence)
                errors.append(error)
        raise next((error for error in errors if isinstance(error, MessageRefused)), errors[-1])

    def _open_routes(self, message: ResultMessage) -> Iterator[Awaitable[PostedMessage]]:
        """Edits first, because they are idempotent. A new message only if the job's own cannot be edited."""
        job, place = message.job, message.job.place
        if place.token_lives(self.clock()):
            yield self.post.edit_by_token(message)
        if place.message_id is not None and not place.private:
            yield self.post.edit_message(message)
        if place.message_id is None and (place.application_id is not None or job.is_reply) and not place.private:
            yield self._edit_found(message)
        if not place.private and not _only_directly(message):
            yield self._send_once(job, lambda: self.post.send_to_channel(message), direct=False)
        yield self._send_once(job, lambda: self.post.send_to_member(message), direct=True)

    async def _edit_found(self, message: ResultMessage) -> PostedMessage:
        """Edit the job's message although its id is not known: the response to the answer with it was lost."""
        job = message.job
        found = await self.post.find(job, since=job.created_at, direct=False, waiting=True)
        if found is None:
            raise RouteClosed("The job's message cannot be found.")
        place = replace(job.place, message_id=found.message_id)
        return await self.post.edit_message(replace(message, job=replace(job, place=place)))

    async def _send_once(self, job: Job, send: Callable[[], Awaitable[PostedMessage]], *, direct: bool) -> PostedMessage:
        """Record that a message is about to be sent. If that was recorded before, search for the message first."""
        if job.posting_since is not None:
            found = await self.post.find(job, since=job.posting_since, direct=direct)
            if found is not None:
                return replace(found, direct=direct)
        await self.store.write(delivery.set_posting_since, job.id, job.posting_since or self.clock())
        try:
            return replace(await send(), direct=direct)
        except (RouteClosed, TooLarge, MessageRefused):
            if job.posting_since is None:
                await self.store.write(delivery.set_posting_since, job.id, None)  # refused, so not sent
            raise

    async def _fitted(self, message: ResultMessage, limit_bytes: int) -> ResultMessage:
        """The message with its images under the upload limits, and a note for each that was changed. Raises `UnusableImages`."""
        space = SPACE - sum(len(link.url) for link in message.links)
        found = await self.fitting.for_message(message.job, message.images, limit_bytes, space=space)
        if found.unusable:
            raise UnusableImages(found.unusable)
        notes = (*message.notes, *notes_of(found.images))
        return replace(message, images=found.images, links=(*message.links, *found.links), notes=notes)


def _only_directly(message: ResultMessage) -> bool:
    """A failed job of a reaction without a waiting message: only its member gets a message."""
    return message.job.reaction is not None and _is_unanswered(message)


def _is_unanswered(message: ResultMessage) -> bool:
    """Whether the channel shows nothing about a job that has nothing to show. Jobs of interactions have their first answer."""
    place = message.job.place
    return place.message_id is None and place.token is None and not message.shown
