"""What the bot asks of an image API: the protocol, and the values that cross it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class ReportState(StrEnum):
    QUEUED = "queued"  # taken, not begun
    PROCESSING = "processing"  # begun
    SUCCEEDED = "succeeded"  # there is an image
    FAILED = "failed"  # there is none, and `error` says why
    CANCELLED = "cancelled"  # taken back


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One image to make."""

    model: str  # as the image API calls it: `ModelInfo.api_id`
    prompt: str
    seed: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)  # as the model's schema names them
    references: Sequence[str] = ()  # https links (only where the provider `takes_links`) or data URIs, in order


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The image API queued it; the outcome comes later."""

    provider_id: str


@dataclass(frozen=True, kw_only=True)
class CompletedImage:
    """The image API made it while we waited."""

    content: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class GenerationReport:
    """What the image API says of one generation: the truth."""

    provider_id: str
    state: ReportState
    model: str
    prompt: str
    seed: int | None
    enqueued_at: int | None  # Unix ms
    result_url: str | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Event:
    """A hint from the stream that a generation may have ended."""

    provider_id: str


class Provider(Protocol):
    """An image API. Errors: see `bot.core.errors.ProviderError`; each method raises only those."""

    name: str  # unique among the providers, and stable: it stands in settings and in models' names
    has_queue: bool  # whether the API has one: what was ever sent there can be looked up, read and cancelled, however `submit` works now
    queues: bool  # whether `submit` sends to that queue and answers `Accepted`; else it waits for the image and answers `CompletedImage`
    streams: bool  # whether `listen` is worth trying
    takes_links: bool  # False: references must come as data URIs, because it wants the images themselves

    async def submit(self, submission: Submission) -> Accepted | CompletedImage:
        """Ask for one image. `AnswerLost` where it may have been taken."""
        ...

    async def find(self, submission: Submission, *, since: int) -> Sequence[GenerationReport]:
        """Generations with this model, prompt and seed, enqueued at or after `since` (Unix ms), oldest first."""
        ...

    async def read(self, provider_id: str) -> GenerationReport | None:
        """The truth about one generation; `None` where the image API does not know it."""
        ...

    async def cancel(self, provider_id: str) -> None:
        """Take one back; no effect on one that has ended or is unknown."""
        ...

    def listen(self) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """The event stream, connected on entry.

        `ProviderBusy` where it cannot be had, is cut or falls silent; `ProviderAccount` where the key is refused.
        """
        ...

    async def ping(self) -> None:
        """A call that costs nothing; any answer of the API counts. Raise `ProviderError` where there is none."""
        ...

    async def models(self) -> Sequence[Mapping[str, Any]]:
        """Every model as the image API describes it (raw; `catalog.py` reads them)."""
        ...
