"""The meaning of reactions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto
from typing import Any, Final, Self

from bot.core.errors import InvalidRequest
from bot.core.i18n import _
from bot.core.markdown import escaped
from bot.domain.guild.emoji import is_single_emoji as is_single_emoji
from bot.domain.guild.emoji import normalized_emoji as normalized_emoji
from bot.domain.guild.emoji import without_tone
from bot.domain.guild.settings import GuildSettings, Preset


class Gesture(StrEnum):
    """What a member asks for by reacting to an image."""

    DESCRIBE = "describe"  # an edit in the member's own words
    PRESET = "preset"  # an edit that the guild's managers assigned to this emoji
    AGAIN = "again"  # the same request again
    ORIGINAL = "original"  # the full files, by direct message
    REMOVE = "away"  # cancel or delete it
    HIDE = "hide"  # put it behind a spoiler
    REPORT = "report"  # report it to the moderators
    STAR = "star"  # vote it into the gallery
    GIFT = "gift"  # give credits to its maker; managers choose the emoji

    @property
    def makes(self) -> bool:
        """Whether it makes an image or sends files."""
        return self in (Gesture.DESCRIBE, Gesture.PRESET, Gesture.AGAIN, Gesture.ORIGINAL)


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """One member's reaction to one message. Beside a normal one they may have a super reaction with the same emoji."""

    message_id: int
    user_id: int
    emoji: str  # as `normalized_emoji` returns it; empty for a message that asks by itself, by mentioning the bot
    burst: bool = False  # a super reaction

    @classmethod
    def of_message(cls, *, message_id: int, user_id: int) -> Self:
        """A message that mentions the bot is claimed, linked to its job and taken back as a reaction is."""
        return cls(message_id=message_id, user_id=user_id, emoji="")


class Fate(StrEnum):
    """What became of a reaction."""

    OPEN = "open"  # it is acted on now, or was when the bot ended
    TAKEN = "taken"
    REFUSED = "refused"
    OVER = "over"  # over the limit of a member
    NEWS = "news"  # of another member's reaction, which their image got


@dataclass(frozen=True, kw_only=True)
class ReactionOutcome:
    """How a reaction ended."""

    fate: Fate
    sentence: str = ""  # why it was refused; or what it did, if that cannot be seen
    is_private: bool = False  # the reason is for the member alone
    kind: str = ""  # reasons of one kind are said once, although their numbers differ


TAKEN: Final = ReactionOutcome(fate=Fate.TAKEN)


@dataclass(frozen=True, kw_only=True)
class BatchEntry:
    """A reaction in a batch, as JSON."""

    message_id: int
    channel_id: int
    guild_id: int | None
    emoji: str  # as `normalized_emoji` returns it
    shown: str  # as the member chose it
    super: bool = False
    fate: Fate = Fate.OPEN
    sentence: str = ""
    is_private: bool = False
    kind: str = ""

    @property
    def is_failure(self) -> bool:
        return self.fate in (Fate.OPEN, Fate.REFUSED, Fate.OVER)

    def is_about(self, reaction: Reaction) -> bool:
        return (self.message_id, self.emoji, self.super) == (reaction.message_id, reaction.emoji, reaction.burst)


@dataclass(frozen=True, kw_only=True)
class BatchPace:
    """When a batch is answered."""

    quiet_ms: int  # after the last reaction of the member
    longest_ms: int  # after the first one
    acting_ms: int  # how long acting on one may take


@dataclass(frozen=True, kw_only=True)
class ReactionBatch:
    """Reactions of one member that came shortly after one another: they get one answer. It is the data of an outbox item."""

    began_at: int  # Unix ms
    entries: tuple[BatchEntry, ...] = ()
    left_out: int = 0  # how many were over the limit of a member
    limit: int = 0  # which was this

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> ReactionBatch:
        known = {name: data[name] for name in ("began_at", "left_out", "limit") if name in data}
        return cls(**known, entries=tuple(BatchEntry(**{**each, "fate": Fate(each["fate"])}) for each in data["entries"]))

    @property
    def data(self) -> dict[str, Any]:
        return {**vars(self), "entries": [dict(vars(entry)) for entry in self.entries]}

    def due_at(self, now: int, pace: BatchPace) -> int:
        """When it is answered, if nothing more happens (Unix ms)."""
        if any(entry.fate is Fate.OPEN for entry in self.entries):
            return now + pace.acting_ms
        return max(now, min(now + pace.quiet_ms, self.began_at + pace.longest_ms))

    def takes_more(self, now: int, pace: BatchPace) -> bool:
        return now < self.began_at + pace.longest_ms

    def ended(self, reaction: Reaction, outcome: ReactionOutcome | None) -> ReactionBatch:
        """With the outcome of a reaction; without it if it meant nothing (None).

        A member may remove a reaction and add it again: each outcome ends one of these. One that ordered a job is taken already, and
        what else there is to say is added.
        """
        about = [n for n, each in enumerate(self.entries) if each.is_about(reaction)]
        still_open = [n for n in about if self.entries[n].fate is Fate.OPEN]
        silent = [n for n in about if self.entries[n].fate is Fate.TAKEN and not self.entries[n].sentence] if outcome else []
        ended = next(iter([*still_open, *silent]), None)
        if ended is None:
            return self
        changed = () if outcome is None else (replace(self.entries[ended], **vars(outcome)),)
        return replace(self, entries=(*self.entries[:ended], *changed, *self.entries[ended + 1 :]))


@dataclass(frozen=True, kw_only=True)
class Reactors:
    """Who reacts to a message with one emoji, as Discord said."""

    user_ids: frozenset[int]
    at: int  # when Discord was asked, Unix ms; later events are newer
    reactions: frozenset[tuple[int, bool]] = frozenset()  # of these members, each with whether it is a super reaction


class Claim(Enum):
    """Whether a reaction is acted on."""

    NEW = auto()  # act on it
    KNOWN = auto()  # ignore it: it was acted on, or its member knows that they reacted too often
    TOO_MANY = auto()  # ignore it: it is over the limit of a member, and counted in the answer


DESCRIBES: Final = "✏️"
STARS: Final = "⭐"
FLAGS: Final = "🚩"
WORKING: Final = "⏳"  # the bot's own reaction: something is being made from the image
MARKS: Final = (WORKING, "✅", "🚫")  # reserved: earlier versions left the others too

MEANINGS: Final[Mapping[str, Gesture]] = {
    normalized_emoji(DESCRIBES): Gesture.DESCRIBE,
    normalized_emoji("🔁"): Gesture.AGAIN,
    normalized_emoji("✉️"): Gesture.ORIGINAL,
    normalized_emoji("❌"): Gesture.REMOVE,
    normalized_emoji("🙈"): Gesture.HIDE,
    normalized_emoji(FLAGS): Gesture.REPORT,
    normalized_emoji(STARS): Gesture.STAR,
}


@dataclass(frozen=True, kw_only=True)
class EmojiMeaning:
    """What an emoji asks for in one guild."""

    gesture: Gesture
    preset: Preset | None = None  # of the gesture PRESET


def meaning_of(emoji: str, settings: GuildSettings) -> EmojiMeaning | None:
    """What this emoji asks for under a guild's settings; None if it means nothing to Easel."""
    fixed = MEANINGS.get(without_tone(emoji))
    if fixed is not None:
        return EmojiMeaning(gesture=fixed)
    gift = settings.policy.gifts.by_reaction
    if gift is not None and settings.policy.gifts.on and without_tone(gift.emoji) == without_tone(emoji):
        return EmojiMeaning(gesture=Gesture.GIFT)
    preset = settings.preset(emoji)
    return None if preset is None else EmojiMeaning(gesture=Gesture.PRESET, preset=preset)


def is_reserved(emoji: str) -> bool:
    """Whether an emoji has a fixed meaning, so that managers can give it no other."""
    return without_tone(emoji) in MEANINGS or without_tone(emoji) in MARKS


def check_meanings(before: GuildSettings, after: GuildSettings) -> None:
    """Raises `InvalidRequest` if the emoji that gives credits means something else too, unless it did so before."""
    gift, gift_before = after.policy.gifts.by_reaction, before.policy.gifts.by_reaction
    if gift is None or (gift_before is not None and gift_before.emoji == gift.emoji and before.presets == after.presets):
        return
    if is_reserved(gift.emoji):
        raise taken(gift.emoji)
    if preset := after.preset(gift.emoji):
        sentence = _("{emoji} can't both give credits and run the preset {name}. Choose another emoji.")
        raise InvalidRequest(sentence.format(emoji=gift.emoji, name=escaped(preset.name)))


def taken(emoji: str) -> InvalidRequest:
    """The refusal of an emoji with a fixed meaning."""
    return InvalidRequest(_("{emoji} already has a meaning here. Choose another emoji.").format(emoji=emoji))
