"""The protocol that every client of an image API implements, and its values."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol


class ReportState(StrEnum):
    QUEUED = "queued"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # `error` says why
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A request for one image."""

    model: str  # the image API's id: `ModelInfo.api_id`
    prompt: str
    seed: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)  # by the names of the model's schema
    references: Sequence[str] = ()  # https links (only where the provider `takes_links`) or data URIs, in order
    mask: str | None = None  # a data URI of a PNG in the size of the first reference: white is changed, black is kept


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The image API queued the request."""

    provider_id: str


@dataclass(frozen=True, kw_only=True)
class CompletedImage:
    """The image API responded with the image, or with a link to it, which may not have been followed yet."""

    content: bytes | None = field(default=None, repr=False)
    url: str | None = field(default=None, repr=False)  # if it answered with one


@dataclass(frozen=True, kw_only=True)
class GenerationReport:
    """The image API's authoritative state of one generation."""

    provider_id: str
    state: ReportState
    model: str
    prompt: str | None  # None: not said
    seed: int | None  # None: not said
    enqueued_at: int | None  # Unix ms, by the image API's clock
    result_url: str | None = None
    error: str | None = None
    is_certain: bool = True  # of one that was searched for; False: it may be the one, but does not say enough
    is_unread: bool = False  # it failed because the link of a reference image could not be read


@dataclass(frozen=True, kw_only=True)
class Event:
    """The event stream says that a generation may have ended."""

    provider_id: str
    report: GenerationReport | None = None  # how it ended, if the event says so


@dataclass(frozen=True, kw_only=True)
class Billed:
    """What the image API charged for one generation."""

    provider_id: str
    cost_usd: Decimal
    enqueued_at: int | None  # Unix ms
    model: str  # the image API's id; empty: unknown


class Provider(Protocol):
    """An image API. All methods raise only `bot.core.errors.ProviderError`s."""

    name: str  # unique and stable: used in settings and in models' names
    has_queue: bool  # whether the API has a queue, in which earlier submissions can be found, read and cancelled
    queues: bool  # whether `submit` uses that queue and returns `Accepted`; False: it waits for the image and returns `CompletedImage`
    streams: bool  # whether `listen` is supported
    takes_links: bool  # whether references may be links; False: they must be data URIs

    async def submit(self, submission: Submission) -> Accepted | CompletedImage:
        """Request one image. Raises `AnswerLost` if the request may have been accepted."""
        ...

    async def find(self, submission: Submission, *, since: int) -> Sequence[GenerationReport]:
        """Generations with this model, prompt and seed that were submitted at or after `since` (Unix ms), oldest first.

        `since` is a time of this machine's clock. With those that do not say enough to be told from it: they are not `is_certain`.
        """
        ...

    async def read(self, provider_id: str) -> GenerationReport | None:
        """The state of one generation; None if the image API does not know it."""
        ...

    async def cancel(self, provider_id: str) -> None:
        """Cancel a generation; no effect if it has ended or is unknown."""
        ...

    def listen(self) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """The event stream, connected on entry.

        Raises `ProviderBusy` if it is not available, is cut or stays silent, `ProviderAccount` if the key is refused.
        """
        ...

    async def active(self) -> Collection[str] | None:
        """The ids of all generations that have not ended, in one call. None if the API has no such list."""
        return None

    async def ping(self) -> None:
        """A free call to check that the API is up; any response will do. Raises `ProviderError` if there is none."""
        ...

    async def models(self) -> Sequence[Mapping[str, Any]]:
        """Every model as the image API describes it; parsed by `Catalog.merge`."""
        ...

    async def estimate(self, model: str, params: Mapping[str, Any], *, prompt_bytes: int) -> Decimal | None:  # noqa: ARG002  the protocol's
        """The most that one request with exactly these params costs, in US dollars; None if the image API cannot say.

        `model`: the image API's id. `prompt_bytes`: at least the length of the prompt, which is not sent.
        """
        return None

    async def billed(self, *, since: int = 0) -> AsyncIterator[Billed]:  # noqa: ARG002  the protocol's
        """What was charged for images enqueued at or after `since` (Unix ms), newest first; nothing if the image API does not say.

        A generation may come twice: new ones move the others to later pages.
        """
        return
        yield  # type: ignore[unreachable]  # makes this a generator
