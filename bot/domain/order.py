"""An order before it is accepted, and the receipt afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import ModelInfo
from bot.domain.job import Job, JobKind, Reference, Source
from bot.domain.money.quota import Bucket
from bot.domain.request import Channel, Request

PROMPT_MAX = 2000  # characters
COUNT_MAX = 4  # images per order; Discord shows up to four in one message well
RESULT_MAX_PIXELS = 100_000_000  # a larger result could not be shown


ReadFile = tuple[str, bytes]  # file name and content
Sides = tuple[int, int]  # width and height in px


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """An attached image as Discord describes it. Not trusted: type and size are checked when it is read."""

    url: str
    filename: str
    size_bytes: int
    sides_px: Sides | None = None  # None: Discord does not say
    source: Source | None = None  # None: the actor's own upload
    read: Callable[[], Awaitable[ReadFile]] | None = field(default=None, repr=False)  # reads the image if there is no link to it


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a member ordered, as they typed it."""

    request: Request
    prompt: str
    kind: JobKind = JobKind.GENERATE
    model: str | None = None  # id or title; None: the default model
    options: Mapping[Idea, str | int | float | None] = field(default_factory=dict)
    more: str = ""  # name=value pairs for other parameters of the model
    count: int = 1
    seed: int | None = None
    style: str | None = None  # name of a saved style
    attachments: Sequence[Attachment] = ()
    mask: Attachment | None = None  # says where the first image is changed: white is changed, black is kept
    from_tray: bool = False  # also use the images in the member's tray
    channels: Mapping[int, Channel] = field(default_factory=dict)  # where its reference images were posted, as far as it is known
    spoiler: bool = False
    parent_id: str | None = None  # the job that is repeated; for an edit, the job of its first image
    reaction: str | None = None  # the emoji that requested it

    def channel_of(self, channel_id: int) -> Channel:
        """The order's own channel, one of `channels`, or one that is not known."""
        here = self.request.channel
        return here if channel_id == here.channel_id else self.channels.get(channel_id, Channel(guild_id=None, channel_id=channel_id))


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """A job was accepted and stored."""

    job: Job
    model: ModelInfo
    ahead: int  # images before it in the queue
    usual_ms: int | None  # the model's usual time, if known
    is_next: bool = False  # the first of the queue
    waits_for_own: bool = False  # only other images of its member keep it from being made
    left_ms: int | None = None  # until all its images are made, from now; 0 if that time has passed, None if it is not known
    is_slow: bool = False  # an image has clearly taken longer than usual
    outage: Outage | None = None  # its provider takes no requests now, so the job waits
    host_id: int | None = None  # the sponsor who pays for it
    is_motion_lost: bool = False  # a reference image is an animation, of which only the first frame is used

    @property
    def position(self) -> tuple[int, bool, bool]:
        """Its place in the queue, as far as it is told."""
        return self.ahead, self.waits_for_own, self.is_next


@dataclass(frozen=True, kw_only=True)
class Outage:
    """A provider that does not take requests now."""

    title: str
    since: int | None  # Unix ms of the first failure; None if it works and its rate limit is reached


@dataclass(frozen=True, kw_only=True)
class OperatorLimits:
    """The operator's limits for orders and uploads."""

    bucket: Bucket
    monthly_usd: float  # what images may cost in a month, in US dollars
    monthly_usd_per_guild: float
    max_waiting: int
    default_model: str
    reference_max_bytes: int
    reference_max_pixels: int


@dataclass(frozen=True, kw_only=True)
class TrayItem:
    """A saved reference, with its source."""

    reference: Reference
    source: Source
