"""A job and its generations: values and legal state transitions.

A job is one accepted order and the message that shows its result. It has one generation per image; the image API is paid per
generation. Times are Unix milliseconds, amounts are microcredits.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from bot.domain.catalog.shapes.edit_shape import SourceShape

TOKEN_LIFE_MS = 15 * 60 * 1000 - 20_000  # Discord's interaction tokens are valid for 15 minutes; minus time for an upload

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, without easily confused letters


class JobKind(StrEnum):
    GENERATE = "generate"  # from a prompt, with or without reference images
    EDIT = "edit"  # changes at least one given image
    UPSCALE = "upscale"  # makes one given image larger; mostly without a prompt


class JobState(StrEnum):
    OPEN = "open"  # at least one generation has not ended
    DELIVERABLE = "deliverable"  # all have ended; the result must be delivered
    DELIVERED = "delivered"  # the result was posted
    STRANDED = "stranded"  # no route to post it was open; kept, and retried periodically
    DELETED = "deleted"  # by a person


class GenerationState(StrEnum):
    WAITING = "waiting"  # in our queue, not yet sent to the image API
    SUBMITTING = "submitting"  # being sent: it may or may not have arrived
    RUNNING = "running"  # the image API accepted it and returned an id
    SUCCEEDED = "succeeded"  # an image was made; the price was settled
    FAILED = "failed"  # no image; the hold was released
    CANCELLED = "cancelled"  # cancelled before an image was made; the hold was released


class Failure(StrEnum):
    CONTENT = "content"  # refused by the image API's content rules
    PARAMETER = "parameter"  # the image API rejected the request
    ACCOUNT = "account"  # the image API refuses the operator's account
    FAULT = "fault"  # the image API failed
    TIMEOUT = "timeout"  # it took too long
    UNCERTAIN = "uncertain"  # the response was lost and cannot be looked up
    UNUSABLE = "unusable"  # the result is not a usable image


class Lane(StrEnum):
    PAID = "paid"  # paid by a bucket, a pool or a sponsor
    FREE = "free"  # the slow lane: paid by the pool for members without credit, while no paid image can be sent


class MessageRole(StrEnum):
    """How a message relates to a job's image."""

    RESULT = "result"  # the job's result message in a channel
    DM = "dm"  # the job's result message as a direct message
    COPY = "copy"  # another message with the result, or an earlier result message
    GALLERY = "gallery"  # the post in the guild's gallery
    CASE = "case"  # the moderators' post about a case
    LOG = "log"  # the post in the log channel


_ERASED: Final = "erased:"

OWN_MESSAGE = (MessageRole.RESULT, MessageRole.DM)  # a job has at most one of these
SHOWING = (*OWN_MESSAGE, MessageRole.COPY, MessageRole.GALLERY)  # messages that members see: hidden and deleted with the image

ENDED = frozenset({GenerationState.SUCCEEDED, GenerationState.FAILED, GenerationState.CANCELLED})

_NEXT_GENERATION: Mapping[GenerationState, frozenset[GenerationState]] = {
    GenerationState.WAITING: frozenset({GenerationState.SUBMITTING, GenerationState.FAILED, GenerationState.CANCELLED}),
    GenerationState.SUBMITTING: ENDED | {GenerationState.WAITING, GenerationState.RUNNING},
    GenerationState.RUNNING: ENDED | {GenerationState.WAITING},  # it failed because a link to a reference image could not be read
    GenerationState.SUCCEEDED: frozenset(),
    GenerationState.FAILED: frozenset(),
    GenerationState.CANCELLED: frozenset(),
}

_NEXT_JOB: Mapping[JobState, frozenset[JobState]] = {
    JobState.OPEN: frozenset({JobState.DELIVERABLE}),
    # The message can be deleted after it was posted and before its delivery was recorded.
    JobState.DELIVERABLE: frozenset({JobState.DELIVERED, JobState.STRANDED, JobState.DELETED}),
    JobState.DELIVERED: frozenset({JobState.DELETED}),
    JobState.STRANDED: frozenset({JobState.DELIVERED, JobState.DELETED}),
    JobState.DELETED: frozenset(),
}


def sources(then: GenerationState) -> tuple[GenerationState, ...]:
    """The states from which a generation may become `then`. Every stored transition is guarded by it."""
    return tuple(state for state, nexts in _NEXT_GENERATION.items() if then in nexts)


def job_sources(then: JobState) -> tuple[JobState, ...]:
    """The states from which a job may become `then`."""
    return tuple(state for state, nexts in _NEXT_JOB.items() if then in nexts)


def new_job_id() -> str:
    """Twelve characters, 60 random bits: short enough for custom ids and for Discord's nonce (25 characters)."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(12))


def fingerprint_of(prompt: str, salt: str = "") -> str:
    """What takes the place of an erased prompt while its generation may have to be found at the image API."""
    salt = salt or secrets.token_hex(16)
    return f"{_ERASED}{salt}:{hashlib.sha256(f'{salt}:{prompt}'.encode(errors='surrogatepass')).hexdigest()}"


def is_same_prompt(prompt: str, kept: str) -> bool:
    """Whether `kept`, a prompt or the fingerprint of one, stands for `prompt`."""
    salt = kept.removeprefix(_ERASED).partition(":")[0]
    return prompt == kept or (kept.startswith(_ERASED) and fingerprint_of(prompt, salt) == kept)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a generation ended."""

    state: GenerationState
    result_url: str | None = None  # presigned, expires; reading the generation again gives a new one
    content: bytes | None = field(default=None, repr=False)  # the image, if the image API returned it inline
    failure: Failure | None = None
    error: str | None = None  # one sentence, safe to show


class ReferenceRole(StrEnum):
    REFERENCE = "reference"
    MASK = "mask"  # says where the first reference image is changed


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A reference image of an order, validated and without metadata."""

    content: bytes = field(repr=False)
    content_type: str
    width_px: int
    height_px: int
    url: str | None = None  # Discord's link to the original, only if nothing had to be cleaned there
    url_expires_at: int | None = None  # Unix ms
    owner_id: int | None = None  # the member whose image it is; None: uploaded by the actor
    role: ReferenceRole = ReferenceRole.REFERENCE
    frames: int = 1  # of the original, of which only the first is used; not stored


@dataclass(frozen=True, kw_only=True)
class Source:
    """The origin of an image that an edit starts from."""

    owner_id: int  # who ordered it, or, if Easel did not make it, who posted it
    channel_id: int
    message_id: int | None  # None: it was never posted
    job_id: str | None = None  # None: Easel did not make it
    n: int | None = None  # index among that job's images


@dataclass(frozen=True, kw_only=True)
class ReplyTarget:
    """Where a result is posted, and how."""

    user_id: int
    channel_id: int
    guild_id: int | None = None
    message_id: int | None = None  # the job's message, once it exists
    application_id: int | None = None
    # The interaction's token, which edits the message without permissions while it is valid. A job's is sealed (`bot.core.sealing`).
    token: str | None = field(default=None, repr=False)
    token_expires_at: int = 0  # Unix ms
    upload_limit_bytes: int = 10 * 1024 * 1024
    private: bool = False  # ephemeral, and a direct message once the token has expired; never public
    locale: str | None = None  # Discord locale of those who read it: the member's if private or outside guilds, else the guild's
    reply_to: int | None = None  # the message to reply to, for requests without an interaction (reactions, mentions of the bot)

    def token_lives(self, now: int) -> bool:
        return self.token is not None and now < self.token_expires_at


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One image requested from the image API."""

    job_id: str
    n: int  # 0 to 3, its index in the job
    model: str
    prompt: str
    seed: int | None
    params: Mapping[str, Any]  # other parameters by the names of the model's schema; without prompt, seed and references
    price: int  # microcredits that the member pays
    cost: int  # microcredits that the provider charges for it, at most; counted by `budget` and `operator`
    state: GenerationState
    user_id: int
    guild_id: int | None
    created_at: int
    provider: str  # the image API's name
    api_model: str  # the image API's id for the model
    provider_id: str | None = None
    submitted_at: int | None = None  # when sending began
    queued: bool = True  # sent to the image API's queue; False: sent in a call whose response contains the image
    lookups: int = 0  # how often it was looked up after a lost response
    not_before: int = 0  # Unix ms; do not send it or look it up earlier
    ended_at: int | None = None
    result_url: str | None = None
    running_limit: int | None = None  # images of this member made at a time, by their roles; None: the operator's limit
    uncertain: int = 0  # how often a response was lost that could not be looked up
    failure: Failure | None = None
    error: str | None = None  # why there is no image; of a succeeded one: why it is unusable
    cancel_requested: bool = False
    account: str = ""  # the paying account, chosen when the job is accepted
    budget: str | None = None  # the account of the guild's monthly budget
    billed: int | None = None  # microcredits that the provider charged; None: not known
    operator: str | None = None  # the account of the operator's monthly limit
    lane: Lane = Lane.PAID
    refunded_at: int | None = None  # Unix ms; when the settled price was refunded


@dataclass(frozen=True, kw_only=True)
class Job:
    """One accepted order, with the message that shows its result."""

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
    parent_n: int | None = None  # index among that job's images
    source_shape: SourceShape | None = None  # the reference image after which its shape was chosen; None: it was not
    origin_channel_id: int | None = None  # where the image was posted that this one was made from
    origin_message_id: int | None = None
    reaction: str | None = None  # the emoji on the origin that requested it
    flagged: str | None = None  # why moderators should review it: a prompt rule, or a category of the moderations endpoint
    needs_check: bool = False  # the moderations endpoint must check its prompt before it is sent
    age_restricted: bool = False  # whether it was ordered in an age-restricted channel
    ping_promised: bool = False  # it takes long: the member was promised a mention when it is done
    cancel_requested_at: int | None = None
    delivered_at: int | None = None
    answer_until: int = 0  # Unix ms until which the first answer to the member may still be sent; 0: it was, or never will be
    posting_since: int | None = None  # Unix ms; a message may have been sent then: search for it before sending another
    generations: tuple[Generation, ...] = ()

    @property
    def succeeded(self) -> tuple[Generation, ...]:
        return tuple(g for g in self.generations if g.state is GenerationState.SUCCEEDED)

    @property
    def withheld(self) -> tuple[Generation, ...]:
        """Those whose images a content check withheld, and refunded."""
        return tuple(g for g in self.succeeded if g.error is not None and g.failure is Failure.CONTENT)

    @property
    def is_withheld(self) -> bool:
        """Whether images were made, and a content check withheld all of them."""
        return bool(self.succeeded) and self.succeeded == self.withheld

    @property
    def open(self) -> tuple[Generation, ...]:
        return tuple(g for g in self.generations if g.state not in ENDED)

    @property
    def is_reply(self) -> bool:
        """Whether a message asked for it that mentions the bot: unlike a reaction, it is answered before the image is there."""
        return self.place.reply_to is not None and self.reaction is None

    @property
    def check_is_late(self) -> bool:
        """Whether it is delayed because its prompt could not be checked yet."""
        return self.needs_check and any(g.not_before for g in self.open)

    @property
    def origin_url(self) -> str | None:
        """A link to the message with the image that this one was made from."""
        if self.origin_message_id is None:
            return None
        return message_url(self.place.guild_id, self.origin_channel_id, self.origin_message_id)

    @property
    def spent(self) -> int:
        """Microcredits that the job has cost so far, without refunds."""
        return sum(g.price for g in self.succeeded if g.refunded_at is None)


def message_url(guild_id: int | None, channel_id: int | None, message_id: int) -> str:
    """Discord's link to a message."""
    return f"https://discord.com/channels/{guild_id or '@me'}/{channel_id}/{message_id}"


_LINK: Final = re.compile(r"://\S*?/channels/(?:[0-9]+|@me)/[0-9]+/(?P<id>[0-9]{1,20})(?![0-9])")  # of any of Discord's hosts and apps
_ID: Final = re.compile(r"(?:[0-9]+-)?(?P<id>[0-9]{1,20})")  # Discord copies "channel-message", too
_ID_MAX: Final = 2**63 - 1


def message_id_in(text: str) -> int | None:
    """The message that a member names by a link, which may stand in brackets or before other text, or by its id."""
    found = _LINK.search(text) or _ID.fullmatch(text.strip().strip("`<>"))
    message_id = int(found["id"]) if found else 0
    return message_id if 0 < message_id <= _ID_MAX else None


@dataclass(frozen=True, kw_only=True)
class JobMessage:
    """One message of a job, of a case, or of both."""

    message_id: int
    channel_id: int
    guild_id: int | None  # whose moderators decide about it
    role: MessageRole
    at: int  # Unix ms when it was recorded
    job_id: str | None = None
    case_id: int | None = None
    spoiler: bool = False  # its images must be behind spoilers


@dataclass(frozen=True, kw_only=True)
class GalleryEntry:
    """One image in a guild's gallery."""

    message_id: int  # the message that got the stars
    guild_id: int
    job_id: str | None
    author_id: int
    at: int  # Unix ms
    stars: int  # when it was added
    post_message_id: int | None  # None: not posted yet


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
    words: str = ""  # the search: every prompt contains these words
