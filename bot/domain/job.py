"""A job and its generations: values and legal transitions, nothing else.

A job is one member's request and the message that answers it. It has one generation for each image asked for;
a generation is what the image API is paid for. Times are Unix milliseconds, money is microcredits.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

TOKEN_LIFE_MS = 15 * 60 * 1000 - 20_000  # Discord's interaction tokens live 15 minutes; leave room for an upload

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: nothing to misread


class JobKind(StrEnum):
    GENERATE = "generate"  # from words alone, or with references that the model takes as inspiration
    EDIT = "edit"  # of at least one given image


class JobState(StrEnum):
    OPEN = "open"  # at least one generation has not ended
    DELIVERABLE = "deliverable"  # all have ended; the outcome waits to be shown
    DELIVERED = "delivered"  # the outcome was shown
    STRANDED = "stranded"  # no way to show it was open; kept, and tried again now and then
    DELETED = "deleted"  # taken away by a person


class GenerationState(StrEnum):
    WAITING = "waiting"  # accepted here, not yet sent to the image API
    SUBMITTING = "submitting"  # being sent: it may or may not have arrived
    RUNNING = "running"  # the image API has it and gave it an id
    SUCCEEDED = "succeeded"  # an image was made, and paid
    FAILED = "failed"  # no image; the hold was released
    CANCELLED = "cancelled"  # taken back before an image was made; the hold was released


class Failure(StrEnum):
    CONTENT = "content"  # refused by the image API's own content rules
    PARAMETER = "parameter"  # refused as it was asked
    ACCOUNT = "account"  # the image API does not serve the operator's account
    FAULT = "fault"  # the image API tried and could not
    TIMEOUT = "timeout"  # it took too long
    UNCERTAIN = "uncertain"  # an answer was lost, and there is nothing to look it up by
    UNUSABLE = "unusable"  # what was made is no image


class Lane(StrEnum):
    PAID = "paid"  # a bucket, a pool or a sponsor pays the price
    FREE = "free"  # out of credit: what the pool has to spare pays, when no paying image waits


class MessageRole(StrEnum):
    """What a message is to the image that it shows or tells of."""

    RESULT = "result"  # the job's own message
    DM = "dm"  # the same among the direct messages with its member
    COPY = "copy"  # shows the result once more, or did before the present one
    GALLERY = "gallery"  # in the server's gallery
    CASE = "case"  # shows a case to the moderators
    LOG = "log"  # tells of the job in the log channel


OWN_MESSAGE = (MessageRole.RESULT, MessageRole.DM)  # a job has one of these at most
SHOWING = (*OWN_MESSAGE, MessageRole.COPY, MessageRole.GALLERY)  # what members see: hidden and taken away with the image

ENDED = frozenset({GenerationState.SUCCEEDED, GenerationState.FAILED, GenerationState.CANCELLED})

_NEXT_GENERATION: Mapping[GenerationState, frozenset[GenerationState]] = {
    GenerationState.WAITING: frozenset({GenerationState.SUBMITTING, GenerationState.FAILED, GenerationState.CANCELLED}),
    GenerationState.SUBMITTING: ENDED | {GenerationState.WAITING, GenerationState.RUNNING},
    GenerationState.RUNNING: ENDED,
    GenerationState.SUCCEEDED: frozenset(),
    GenerationState.FAILED: frozenset(),
    GenerationState.CANCELLED: frozenset(),
}

_NEXT_JOB: Mapping[JobState, frozenset[JobState]] = {
    JobState.OPEN: frozenset({JobState.DELIVERABLE}),
    # What is on show can be taken away in the moment before that is written down.
    JobState.DELIVERABLE: frozenset({JobState.DELIVERED, JobState.STRANDED, JobState.DELETED}),
    JobState.DELIVERED: frozenset({JobState.DELETED}),
    JobState.STRANDED: frozenset({JobState.DELIVERED, JobState.DELETED}),
    JobState.DELETED: frozenset(),
}


def sources(then: GenerationState) -> tuple[GenerationState, ...]:
    """The states from which a generation may become `then`: the guard of every stored step."""
    return tuple(state for state, nexts in _NEXT_GENERATION.items() if then in nexts)


def job_sources(then: JobState) -> tuple[JobState, ...]:
    """The states from which a job may become `then`."""
    return tuple(state for state, nexts in _NEXT_JOB.items() if then in nexts)


def new_job_id() -> str:
    """Twelve characters, 60 random bits: short enough for a button's id, and for a nonce (25 characters)."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(12))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a generation ended."""

    state: GenerationState
    result_url: str | None = None  # presigned and expiring; read the generation again for a fresh one
    content: bytes | None = field(default=None, repr=False)  # the image itself, where the image API answered inline
    failure: Failure | None = None
    error: str | None = None  # one sentence, safe to show


@dataclass(frozen=True, kw_only=True)
class Reference:
    """An image that a member handed in, checked and cleaned."""

    content: bytes = field(repr=False)
    content_type: str
    width_px: int
    height_px: int
    url: str | None = None  # Discord's link to the same image, if it can be passed on
    url_expires_at: int | None = None  # Unix ms
    owner_id: int | None = None  # the member whose image this is, where it is not the actor's own upload


@dataclass(frozen=True, kw_only=True)
class Source:
    """Whose image an edit starts from, and where it stands."""

    owner_id: int  # who asked for it; of an image that Easel did not make: who posted it
    channel_id: int
    message_id: int | None  # None: it was never shown in a message
    job_id: str | None = None  # of an image that Easel made
    n: int | None = None  # which of that job's images


@dataclass(frozen=True, kw_only=True)
class ReplyTarget:
    """Where an answer belongs and how it may be written there."""

    user_id: int
    channel_id: int
    guild_id: int | None = None
    message_id: int | None = None  # the job's own message, once it exists
    application_id: int | None = None
    token: str | None = field(default=None, repr=False)  # of the interaction; edits without any permission while it lives
    token_expires_at: int = 0  # Unix ms
    upload_limit_bytes: int = 10 * 1024 * 1024
    private: bool = False  # ephemeral, and after the token's life a direct message; never a public one
    locale: str | None = None  # the member's language, as Discord names it
    reply_to: int | None = None  # the message that the answer replies to: of a request that had no interaction

    def token_lives(self, now: int) -> bool:
        return self.token is not None and now < self.token_expires_at


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One image asked of the image API."""

    job_id: str
    n: int  # 0 to 3, its place in the job
    model: str
    prompt: str
    seed: int | None
    params: Mapping[str, Any]  # everything else the model's schema takes, without prompt, seed and references
    price: int  # microcredits held for it
    state: GenerationState
    user_id: int
    guild_id: int | None
    created_at: int
    provider: str  # the image API's name
    api_model: str  # what that one calls the model
    provider_id: str | None = None
    submitted_at: int | None = None  # when sending began
    queued: bool = True  # it was sent to the image API's queue; else in a call that answers with the image
    lookups: int = 0  # how often it was looked for after a lost answer
    not_before: int = 0  # Unix ms; do not send or look before this
    ended_at: int | None = None
    result_url: str | None = None
    running_limit: int | None = None  # images of its member made at a time, as their roles allow; None: the operator's limit
    uncertain: int = 0  # how often an answer was lost that could not be looked up
    failure: Failure | None = None
    error: str | None = None  # why there is no image; beside a success: why it proved unusable
    cancel_requested: bool = False
    account: str = ""  # who pays; chosen when the job is taken in
    budget: str | None = None  # the account of a server's budget that is charged beside it
    lane: Lane = Lane.PAID
    refunded_at: int | None = None  # Unix ms; the price of a made image went back


@dataclass(frozen=True, kw_only=True)
class Job:
    """One member's request, with the message that answers it."""

    id: str
    kind: JobKind
    model: str
    prompt: str
    params: Mapping[str, Any]
    place: ReplyTarget
    state: JobState
    created_at: int
    spoiler: bool = False
    parent_id: str | None = None  # the job whose image or request this one starts from
    parent_n: int | None = None  # which of its images
    origin_channel_id: int | None = None  # where the image stands that this one was made from
    origin_message_id: int | None = None
    reaction: str | None = None  # the emoji that asked for it, on the origin
    flagged: str | None = None  # why moderators should look at it: a rule of its prompt, or a category of a check
    needs_check: bool = False  # its prompt is to be looked at by the moderations endpoint before it is sent
    age_restricted: bool = False  # the channel it was asked for in
    ping_promised: bool = False  # it takes long: its member was promised to be called when it is there
    cancel_requested_at: int | None = None
    delivered_at: int | None = None
    answer_until: int = 0  # Unix ms until which the first answer to its member may still come; 0: it came, or never will
    posting_since: int | None = None  # a new message may have been sent at this time: look before sending another
    generations: tuple[Generation, ...] = ()

    @property
    def succeeded(self) -> tuple[Generation, ...]:
        return tuple(g for g in self.generations if g.state is GenerationState.SUCCEEDED)

    @property
    def open(self) -> tuple[Generation, ...]:
        return tuple(g for g in self.generations if g.state not in ENDED)

    @property
    def check_is_late(self) -> bool:
        """Whether its prompt could not be looked at so far, which holds it up."""
        return self.needs_check and any(g.not_before for g in self.open)

    @property
    def origin_url(self) -> str | None:
        """A link to the message of the image that this one was made from."""
        if self.origin_message_id is None:
            return None
        return message_url(self.place.guild_id, self.origin_channel_id, self.origin_message_id)

    @property
    def spent(self) -> int:
        """Microcredits that the job has cost so far, without what was given back."""
        return sum(g.price for g in self.succeeded if g.refunded_at is None)


def job_state(generations: Iterable[GenerationState]) -> JobState:
    """Open while any generation is; deliverable once the last has ended."""
    return JobState.DELIVERABLE if all(state in ENDED for state in generations) else JobState.OPEN


def message_url(guild_id: int | None, channel_id: int | None, message_id: int) -> str:
    """Discord's link to a message."""
    return f"https://discord.com/channels/{guild_id or '@me'}/{channel_id}/{message_id}"


@dataclass(frozen=True, kw_only=True)
class JobMessage:
    """One message. It belongs to a job, to a case, or to both."""

    message_id: int
    channel_id: int
    guild_id: int | None  # the server whose moderators decide about it
    role: MessageRole
    at: int  # Unix ms of its record
    job_id: str | None = None
    case_id: int | None = None
    spoiler: bool = False  # its images belong behind spoilers


HISTORY_PAGE = 5  # jobs

Thumbnails = Mapping[tuple[str, int], bytes]
"""WebP files by job id and place in the job."""


@dataclass(frozen=True, kw_only=True)
class HistoryPage:
    """A page of a member's jobs, newest first."""

    jobs: tuple[Job, ...]
    number: int  # from 0
    pages: int  # at least 1
    total: int  # jobs on all pages
    words: str = ""  # that all their prompts contain
