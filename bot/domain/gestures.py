"""The meaning of reactions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final, Self

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

    @property
    def takes_time(self) -> bool:
        """Whether ⏳ is shown until it ends."""
        return self in (Gesture.PRESET, Gesture.AGAIN, Gesture.ORIGINAL, Gesture.HIDE)


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

    @property
    def mark_id(self) -> str:
        """The id of the outbox item that marks the message if the bot ends before it has acted on the reaction; of both kinds."""
        return hashlib.sha256(f"{self.message_id}:{self.user_id}:{self.emoji}".encode()).hexdigest()[:12]


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
    TOO_MANY = auto()  # over the limit of a member: tell them, once


DESCRIBES: Final = "✏️"
STARS: Final = "⭐"
FLAGS: Final = "🚩"
MARK_WAITING, MARK_DONE, MARK_FAILED = "⏳", "✅", "🚫"  # the bot's own reactions to a gesture
MARKS: Final = (MARK_WAITING, MARK_DONE, MARK_FAILED)

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
