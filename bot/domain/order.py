"""What a member asks for, and what they are told when it was taken in: values, nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import ModelInfo
from bot.domain.job import Job, JobKind, Reference, Source
from bot.domain.money.quota import Bucket
from bot.domain.request import Request

PROMPT_MAX = 2000  # characters
COUNT_MAX = 4  # images: what the image API makes at a time, and what one message shows well


ReadFile = tuple[str, bytes]  # its name and its content


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """An image as Discord announces it; nothing of it is believed before it is read."""

    url: str
    filename: str
    size_bytes: int
    source: Source | None = None  # None: the actor's own upload
    read: Callable[[], Awaitable[ReadFile]] | None = field(default=None, repr=False)  # gets the image, where no link leads to it


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a member asks for, in the member's words."""

    request: Request  # who asks, where, and under which rules
    prompt: str
    kind: JobKind = JobKind.GENERATE
    model: str | None = None  # id or title; None: the default model
    options: Mapping[Idea, str | int | float | None] = field(default_factory=dict)
    more: str = ""  # name=value pairs for the rest of the model's schema
    count: int = 1
    seed: int | None = None
    style: str | None = None  # the name of one that the member saved
    attachments: Sequence[Attachment] = ()
    from_tray: bool = False  # together with what the member has put by
    spoiler: bool = False
    parent_id: str | None = None  # of a request that is made once more; an edit's parent is where its first image comes from
    reaction: str | None = None  # the emoji that asked for it


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """A job was taken in; from here on it cannot be lost."""

    job: Job
    model: ModelInfo
    ahead: int  # images of others that wait before it
    usual_ms: int | None  # this model's usual time, where known
    away: Away | None = None  # its provider does not answer; the job waits
    host_id: int | None = None  # who pays for it in its member's stead


@dataclass(frozen=True, kw_only=True)
class Away:
    """A provider that does not answer."""

    title: str
    since: int  # Unix ms


@dataclass(frozen=True, kw_only=True)
class OperatorLimits:
    """What a member may ask for and hand in."""

    bucket: Bucket
    max_waiting: int
    default_model: str
    reference_max_bytes: int
    reference_max_pixels: int


@dataclass(frozen=True, kw_only=True)
class TrayItem:
    """An image in a tray, and where it came from."""

    reference: Reference
    source: Source
