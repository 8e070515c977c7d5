"""The parts of a server's rules. What is not set is off, or generous."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from bot.core.i18n import _
from bot.domain.guild.fields import DAY_MS, HOUR_MS, Credits, Id, Section, Share
from bot.domain.money import quota

COUNT_MAX: Final = 4  # images in one request: what one message shows well
YEAR_HOURS: Final = 8760


def _telling(value: str) -> str:
    """Images without features all have this fingerprint."""
    if int(value, 16) == 0:
        raise ValueError(_("{value} would match every plain picture.").format(value=value))
    return value.lower()


ModelName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Ratio = Annotated[str, StringConstraints(pattern=r"^[1-9]\d?:[1-9]\d?$")]  # width to height, such as 16:9
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{16}$"), AfterValidator(_telling)]
Megapixels = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=COUNT_MAX)]
Jobs = Annotated[int, Field(ge=1, le=100)]
Ids = tuple[Id, ...]


class Pause(Section):
    """Nobody orders images while it is on. What is already being made is finished and delivered."""

    on: bool = False
    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)] = ""


class Channels(Section):
    """Where images may be ordered: the nearest of thread, channel and category that is named decides. Where none
    is: anywhere, unless some are allowed.
    """

    allowed: Ids = ()
    denied: Ids = ()

    @model_validator(mode="after")
    def _not_both(self) -> Self:
        if both := set(self.allowed) & set(self.denied):
            raise ValueError(_("{channel} is both allowed and denied.").format(channel=min(both)))
        return self

    def open_in(self, places: tuple[int, ...]) -> bool:
        """`places` are ids from the innermost outwards."""
        nearest = next((place for place in places if place in self.allowed or place in self.denied), None)
        return nearest in self.allowed if nearest is not None else not self.allowed


class BucketSetting(Section):
    """A bucket of credits that fills continuously."""

    size: Credits
    refill_per_day: Credits = Field(default=0, validate_default=True)

    def bucket(self) -> quota.Bucket:
        """The same in microcredits."""
        return quota.Bucket(size=int(self.size * quota.MICRO), refill_per_day=int(self.refill_per_day * quota.MICRO))


class Everyone(Section):
    """What every member may do. `None` and "all": no limit of this server's own."""

    models: Literal["all"] | tuple[ModelName, ...] = "all"
    aspect_ratios: Literal["all"] | tuple[Ratio, ...] = "all"
    max_megapixels: Megapixels | None = None  # of one image
    max_count: Count = COUNT_MAX  # images in one request
    private: bool = True  # may ask so that only they see it
    bucket: BucketSetting | None = Field(None, alias="purse")  # of each member alone; None: the operator's
    running: Jobs | None = None  # images made at a time; None: the operator's limit
    waiting: Jobs | None = None  # images in the queue; None: the operator's limit


class RoleRule(Section):
    """What a role adds. `None`: it says nothing of it. As with Discord's own permissions, roles only ever add."""

    models: Literal["all"] | tuple[ModelName, ...] | None = None
    aspect_ratios: Literal["all"] | tuple[Ratio, ...] | None = None
    max_megapixels: Megapixels | None = None
    max_count: Count | None = None
    private: bool | None = None
    bucket: BucketSetting | None = Field(None, alias="purse")
    running: Jobs | None = None
    waiting: Jobs | None = None


class SlowLane(Section):
    """Members who are out of credit are served from what the pool does not need, behind everybody who pays."""

    on: bool = True
    share_percent: Annotated[int, Field(ge=0, le=100)] = 50  # of the pool that it may use up


class GiftByReaction(Section):
    """Reacting with this emoji to an image gives its maker credits of one's own."""

    emoji: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
    credits: Annotated[Credits, Field(gt=0)]


class Gifts(Section):
    """Members give credits to each other."""

    on: bool = True
    by_reaction: GiftByReaction | None = None


class Sponsoring(Section):
    """A member pays for everybody in a thread, for a time and up to an amount."""

    on: bool = True


class Newcomers(Section):
    """How long members wait after they join."""

    wait_hours: Annotated[int, Field(ge=0, le=YEAR_HOURS)] = 0

    @property
    def wait_ms(self) -> int:
        return self.wait_hours * HOUR_MS


class AgeRestricted(Section):
    """What is allowed in age-restricted channels, and nowhere else."""

    unspoilered: bool = False  # results of flagged prompts without a spoiler
    unchecked: bool = False  # a model's own safety checker may be turned off


class OnDown(StrEnum):
    """What happens while the moderations endpoint does not answer."""

    HOLD = "hold"  # it waits until the endpoint answers
    ALLOW = "allow"  # as if it had been checked
    REFUSE = "refuse"  # as if it had been blocked


class Thresholds(Section):
    """From which score on something is flagged, and from which on it is blocked."""

    flag: Share = 0.5
    block: Share = 0.9

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.flag > self.block:
            raise ValueError(_("flag ({flag}) may not be above block ({block}).").format(flag=self.flag, block=self.block))
        return self


class Checks(Section):
    """The operator's moderations endpoint, used here or not."""

    prompts: bool = False
    results: bool = False
    thresholds: Thresholds = Thresholds()
    categories: Mapping[str, Thresholds] = Field(default={}, max_length=50)  # thresholds of their own
    on_down: OnDown = OnDown.HOLD


class KnownBad(Section):
    """Images that are never shown, by what they look like: `bot.media.likeness` in 16 hexadecimal digits."""

    hashes: Annotated[tuple[Hash, ...], Field(max_length=10_000)] = ()
    distance: Annotated[int, Field(ge=0, le=16)] = 8  # bits of 64 that may differ

    def knows(self, fingerprint: int) -> bool:
        """Whether this is one of them."""
        return any((int(each, 16) ^ fingerprint).bit_count() <= self.distance for each in self.hashes)


class Offence(StrEnum):
    """What earns a strike."""

    PROMPT_BLOCKED = "prompt_blocked"  # by the prompt rules or the check of prompts
    RESULT_BLOCKED = "result_blocked"  # a result that may not be shown
    PICTURE_DELETED = "picture_deleted"  # by a moderator, in a case
    FALSE_FLAG = "false_flag"  # a flag in bad faith, as a moderator decided


_WEIGHTS: Final = {Offence.PROMPT_BLOCKED: 1.0, Offence.RESULT_BLOCKED: 1.0, Offence.PICTURE_DELETED: 2.0, Offence.FALSE_FLAG: 0.5}


class StrikeStep(Section):
    """From `points` on, a member is locked out for `hours`."""

    points: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]
    hours: Annotated[int, Field(ge=1, le=YEAR_HOURS)]


_STEPS: Final = (StrikeStep(points=5, hours=1), StrikeStep(points=8, hours=24), StrikeStep(points=12, hours=168))


class Strikes(Section):
    """Points for offences, which fade, and what follows from many of them."""

    weights: Mapping[Offence, Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]] = _WEIGHTS
    half_life_days: Annotated[int, Field(ge=1, le=3650)] = 30
    steps: Annotated[tuple[StrikeStep, ...], Field(max_length=10, alias="ladder")] = _STEPS

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, given: Any) -> Any:
        """Offences that are not named keep their weight."""
        weights = given.get("weights") if isinstance(given, Mapping) else None
        return {**given, "weights": {**_WEIGHTS, **weights}} if isinstance(weights, Mapping) else given

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(low.points >= high.points or low.hours > high.hours for low, high in zip(self.steps, self.steps[1:], strict=False)):
            raise ValueError(_("each rung of the ladder needs more points than the one before, and no fewer hours."))
        return self

    def weight(self, offence: Offence) -> float:
        return self.weights[offence]

    @property
    def half_life_ms(self) -> int:
        return self.half_life_days * DAY_MS


class Flags(Section):
    """Members who point at an image: enough of them hide it behind a spoiler and call the moderators. They never delete."""

    on: bool = True
    quorum: Annotated[int, Field(ge=1, le=100)] = 3
    after_days: Annotated[int, Field(ge=0, le=3650)] = 7  # as a member, before one's flags count
    role_ids: Ids = ()  # whose flags count at once
    locked: bool = False  # flags are kept but have no effect: for the time of a brigade


class GalleryRules(Section):
    """Images with enough stars from others are shown in a channel, once."""

    channel_id: Id | None = None  # None: no gallery
    stars: Annotated[int, Field(ge=1, le=1000)] = 5
    reward: Credits = Field(default=0, validate_default=True)  # credits for its maker
