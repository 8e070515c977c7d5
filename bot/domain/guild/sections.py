"""The sections of a guild's settings. By default, restrictions are off and limits are generous."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from bot.core.i18n import _
from bot.domain.guild.emoji import is_emoji
from bot.domain.guild.fields import DAY_MS, HOUR_MS, ChannelId, Credits, RoleId, Section, Share
from bot.domain.money import quota

COUNT_MAX: Final = 4  # images in one request; Discord shows up to four in one message well
YEAR_HOURS: Final = 8760


def _ratio(value: str) -> str:
    if not re.fullmatch(r"[1-9]\d?:[1-9]\d?", value, re.ASCII):
        raise PydanticCustomError("aspect_ratio", "aspect_ratio")
    return value


def _fingerprint(value: str) -> str:
    """Refuse also the fingerprint 0, which all images without features have."""
    if not re.fullmatch(r"[0-9a-fA-F]{16}", value):
        raise PydanticCustomError("fingerprint", "fingerprint")
    if int(value, 16) == 0:
        raise ValueError(_("{value} would match every image of a single colour.").format(value=value))
    return value.lower()


ModelName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Ratio = Annotated[str, AfterValidator(_ratio)]  # width to height, such as 16:9
Hash = Annotated[str, AfterValidator(_fingerprint)]
Megapixels = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=COUNT_MAX)]
Jobs = Annotated[int, Field(ge=1, le=100)]


class Pause(Section):
    """While it is on, nobody can order images. Images that were already ordered are made and delivered."""

    on: bool = False
    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)] = ""


class Channels(Section):
    """Where images may be ordered. Of thread, channel and category, the innermost that is listed decides.

    Where none is listed, images may be ordered unless `allowed` has entries.
    """

    allowed: tuple[ChannelId, ...] = ()
    denied: tuple[ChannelId, ...] = ()

    @model_validator(mode="after")
    def _not_both(self) -> Self:
        if both := set(self.allowed) & set(self.denied):
            raise ValueError(_("Channel {channel} can't be both allowed and blocked.").format(channel=min(both)))
        return self

    def open_in(self, channel_ids: tuple[int, ...]) -> bool:
        """`channel_ids`: the channel and its parents, innermost first."""
        nearest = next((each for each in channel_ids if each in self.allowed or each in self.denied), None)
        return nearest in self.allowed if nearest is not None else not self.allowed


class BucketSetting(Section):
    """A bucket of credits that refills continuously."""

    size: Credits
    refill_per_day: Credits = Field(default=0, validate_default=True)

    def bucket(self) -> quota.Bucket:
        """The same in microcredits."""
        return quota.Bucket(size=int(self.size * quota.MICRO), refill_per_day=int(self.refill_per_day * quota.MICRO))


class Everyone(Section):
    """What every member may do. None and "all": no limit of this guild."""

    models: Literal["all"] | tuple[ModelName, ...] = "all"
    aspect_ratios: Literal["all"] | tuple[Ratio, ...] = "all"
    max_megapixels: Megapixels | None = None  # of one image
    max_count: Count = COUNT_MAX  # images in one request
    private: bool = True  # may ask for answers that only they see
    bucket: BucketSetting | None = Field(None, alias="purse")  # each member's own; None: the operator's
    running: Jobs | None = None  # images made at a time; None: the operator's limit
    waiting: Jobs | None = None  # images in the queue; None: the operator's limit


class RoleRule(Section):
    """What a role adds. None: nothing. As with Discord's permissions, roles only add."""

    models: Literal["all"] | tuple[ModelName, ...] | None = None
    aspect_ratios: Literal["all"] | tuple[Ratio, ...] | None = None
    max_megapixels: Megapixels | None = None
    max_count: Count | None = None
    private: bool | None = None
    bucket: BucketSetting | None = Field(None, alias="purse")
    running: Jobs | None = None
    waiting: Jobs | None = None


class SlowLane(Section):
    """Members without credit are served from spare credits of the pool, after all paid images."""

    on: bool = True
    share_percent: Annotated[int, Field(ge=0, le=100)] = 50  # of the pool's size that it may use


def _emoji(value: str) -> str:
    if not is_emoji(value):
        raise ValueError(_("{given} isn't an emoji. Choose one emoji.").format(given=value))
    return value


class GiftByReaction(Section):
    """Reacting to an image with this emoji gives its maker some of the reacting member's credits."""

    emoji: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), AfterValidator(_emoji)]
    credits: Annotated[Credits, Field(gt=0)]


class Gifts(Section):
    """Members can give credits to each other."""

    on: bool = True
    by_reaction: GiftByReaction | None = None


class Sponsoring(Section):
    """A member can pay for everybody in a thread, for a limited time and amount."""

    on: bool = True


class Newcomers(Section):
    """How long members wait after they join."""

    wait_hours: Annotated[int, Field(ge=0, le=YEAR_HOURS)] = 0

    @property
    def wait_ms(self) -> int:
        return self.wait_hours * HOUR_MS


class AgeRestricted(Section):
    """What is only allowed in age-restricted channels."""

    unspoilered: bool = False  # results of flagged prompts are shown without a spoiler
    unchecked: bool = False  # a model's safety checker may be turned off


class OnDown(StrEnum):
    """What happens while the moderations endpoint is down."""

    HOLD = "hold"  # wait until the endpoint is up
    ALLOW = "allow"  # treat it as unobjectionable
    REFUSE = "refuse"  # block it


class Thresholds(Section):
    """The lowest scores that are flagged and blocked."""

    flag: Share = 0.5
    block: Share = 0.9

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.flag > self.block:
            text = _("The score for flagging ({flag}) can't be above the score for blocking ({block}).")
            raise ValueError(text.format(flag=self.flag, block=self.block))
        return self


class Checks(Section):
    """Whether and how the operator's moderations endpoint is used in this guild."""

    prompts: bool = False
    results: bool = False
    thresholds: Thresholds = Thresholds()
    categories: Mapping[str, Thresholds] = Field(default={}, max_length=50)  # categories with their own thresholds
    on_down: OnDown = OnDown.HOLD


class KnownBad(Section):
    """Images that are never shown, by perceptual hash: `bot.media.likeness` in 16 hexadecimal digits."""

    hashes: Annotated[tuple[Hash, ...], Field(max_length=10_000)] = ()
    distance: Annotated[int, Field(ge=0, le=16)] = 8  # of the 64 bits, how many may differ

    def matches(self, fingerprint: int) -> bool:
        """Whether the image with this fingerprint is one of them."""
        return any((int(each, 16) ^ fingerprint).bit_count() <= self.distance for each in self.hashes)


class Offence(StrEnum):
    """What adds a strike."""

    PROMPT_BLOCKED = "prompt_blocked"  # by the prompt rules or the moderations endpoint
    RESULT_BLOCKED = "result_blocked"  # by the moderations endpoint or as a known bad image
    PICTURE_DELETED = "picture_deleted"  # by a moderator, in a case
    FALSE_FLAG = "false_flag"  # a moderator decided that the flag was in bad faith


_WEIGHTS: Final = {Offence.PROMPT_BLOCKED: 1.0, Offence.RESULT_BLOCKED: 1.0, Offence.PICTURE_DELETED: 2.0, Offence.FALSE_FLAG: 0.5}


class StrikeStep(Section):
    """A member who reaches `points` is locked out for `hours`."""

    points: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]
    hours: Annotated[int, Field(ge=1, le=YEAR_HOURS)]


_STEPS: Final = (StrikeStep(points=5, hours=1), StrikeStep(points=8, hours=24), StrikeStep(points=12, hours=168))


class Strikes(Section):
    """Points for offences, which decay, and the lock-outs that follow."""

    weights: Mapping[Offence, Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]] = _WEIGHTS
    half_life_days: Annotated[int, Field(ge=1, le=3650)] = 30
    steps: Annotated[tuple[StrikeStep, ...], Field(max_length=10, alias="ladder")] = _STEPS

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, given: Any) -> Any:
        """Offences that are not listed keep their default weight."""
        weights = given.get("weights") if isinstance(given, Mapping) else None
        return {**given, "weights": {**_WEIGHTS, **weights}} if isinstance(weights, Mapping) else given

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(low.points >= high.points or low.hours > high.hours for low, high in zip(self.steps, self.steps[1:], strict=False)):
            raise ValueError(_("Each lockout must need more points than the one before, and can't be shorter."))
        return self

    def weight(self, offence: Offence) -> float:
        return self.weights[offence]

    @property
    def half_life_ms(self) -> int:
        return self.half_life_days * DAY_MS


class Flags(Section):
    """Members can flag an image. A quorum of flags spoilers it and opens a case; flags never delete an image."""

    on: bool = True
    quorum: Annotated[int, Field(ge=1, le=100)] = 3
    after_days: Annotated[int, Field(ge=0, le=3650)] = 7  # days of membership before a member's flags count
    role_ids: tuple[RoleId, ...] = ()  # roles whose flags count immediately
    locked: bool = False  # flags are stored but have no effect, against coordinated misuse


class GalleryRules(Section):
    """Images with enough stars from other members are posted once to the gallery channel."""

    channel_id: ChannelId | None = None  # None: no gallery
    stars: Annotated[int, Field(ge=1, le=1000)] = 5
    reward: Credits = Field(default=0, validate_default=True)  # credits for the image's maker
