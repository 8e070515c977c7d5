"""Parsing of Oxen's responses. Lenient: both documented forms, unknown fields ignored, invalid fields treated as missing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from bot.providers.provider import ReportState

_ROWS_MAX: Final = 10_000

GenerationId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,100}$")]


def _or_none(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError:
        return None


LenientText = Annotated[str | None, WrapValidator(_or_none)]
LenientMoment = Annotated[datetime | None, WrapValidator(_or_none)]  # Unix seconds, or ISO 8601

# "URLs that block automated access will fail": with the words of the HTTP client, or with others.
_UNREAD_LINK: Final = re.compile(
    r"(?:client|server) error: .{1,60} for url"
    r"|\b(?:not|unable to|failed to) (?:be )?(?:access|download|fetch|load|open|read|retrieve)\w*\b.{0,40}"
    r"\b(?:image|reference|url|link|file)",
    re.IGNORECASE,
)
_SPELLINGS: Final = {
    ReportState.QUEUED: ("queued", "pending", "waiting"),
    ReportState.PROCESSING: ("processing", "in_progress", "running", "starting", "started"),
    ReportState.SUCCEEDED: ("succeeded", "success", "successful", "completed", "complete", "done", "finished"),
    ReportState.FAILED: ("failed", "failure", "error", "errored", "rejected", "expired", "timed_out", "timeout"),
    ReportState.CANCELLED: ("cancelled", "canceled", "aborted"),
}
_STATES: Final = {spelling: state for state, spellings in _SPELLINGS.items() for spelling in spellings}


class _Wire(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class WireGeneration(_Wire):
    """A row of the queue. What was submitted besides is echoed among the extra fields."""

    generation_id: GenerationId
    status: LenientText = None
    model_name: LenientText = None
    model: LenientText = None
    prompt: LenientText = None
    media_type: LenientText = None
    result_url: LenientText = None
    error_message: LenientText = None
    enqueued_at: LenientMoment = None
    completed_at: LenientMoment = None

    @property
    def state(self) -> ReportState:
        """An unknown word is an end beside the marks of one, and else is not: checking again costs nothing, ending it wrongly does."""
        known = _state_of(self.status)
        if known is not None or not (self.result_url or self.error_message or self.completed_at):
            return known or ReportState.PROCESSING
        return ReportState.SUCCEEDED if self.result_url else ReportState.FAILED

    @property
    def enqueued_at_ms(self) -> int | None:
        if self.enqueued_at is None:
            return None
        moment = self.enqueued_at if self.enqueued_at.tzinfo else self.enqueued_at.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1000)

    def echoed_int(self, name: str) -> int | None:
        """A submitted integer, which may be echoed as a string or a float."""
        value = (self.model_extra or {}).get(name)
        try:
            return None if value is None or isinstance(value, bool) else int(value)
        except (TypeError, ValueError, OverflowError):
            return None


class MadeImage(_Wire):
    """One image of a synchronous response."""

    url: LenientText = None
    b64_json: LenientText = None


class MadeImages(_Wire):
    """The response of a synchronous call."""

    images: list[MadeImage] = Field(min_length=1)


class CompletedEvent(_Wire):
    """The data of `media_generation_completed`."""

    generation_id: GenerationId
    status: LenientText = None
    model: LenientText = None
    url: LenientText = None
    error: LenientText = None

    @property
    def state(self) -> ReportState | None:
        """None if the event does not say how it ended."""
        return _state_of(self.status)


def names_unread_link(error: str | None) -> bool:
    """Whether a generation failed because the link of a reference image could not be read."""
    return error is not None and _UNREAD_LINK.search(error[:2_000]) is not None


def _state_of(status: str | None) -> ReportState | None:
    return _STATES.get((status or "").strip().lower().replace("-", "_"))


def read_generations(body: object) -> list[WireGeneration]:
    """The readable rows of `{"generations": [...]}`."""
    return read_rows(rows_of(body) or ())


def rows_of(body: object) -> Sequence[object] | None:
    """The rows of `{"generations": [...]}`, as they are; at most `_ROWS_MAX`. None if it has no such list."""
    rows = body.get("generations") if isinstance(body, dict) else None
    return rows[:_ROWS_MAX] if isinstance(rows, list) else None


def count_of(body: object) -> int:
    """How many rows there are; 0 if it does not say."""
    count = body.get("count") if isinstance(body, dict) else None
    return count if isinstance(count, int) else 0


def read_rows(rows: Sequence[object]) -> list[WireGeneration]:
    """The readable ones of these rows."""
    return [row for raw in rows if (row := read_generation(raw)) is not None]


def read_generation(raw: object) -> WireGeneration | None:
    """One row; `None` where it is none."""
    try:
        return WireGeneration.model_validate(raw)
    except ValidationError:
        return None
