"""The meaning of reactions, and the validation of emoji."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final

from bot.domain.guild.settings import GuildSettings, Preset, normalized_emoji

__all__ = ["MARK_DONE", "MARK_FAILED", "MARK_WAITING", "MEANINGS", "Gesture", "is_reserved", "is_single_emoji", "normalized_emoji"]


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
    """One member's reaction to one message."""

    message_id: int
    user_id: int
    emoji: str  # as `normalized_emoji` returns it

    @property
    def mark_id(self) -> str:
        """The id of the outbox item that marks the message if the bot ends before it has acted on the reaction."""
        return hashlib.sha256(f"{self.message_id}:{self.user_id}:{self.emoji}".encode()).hexdigest()[:12]


class Claim(Enum):
    """Whether a reaction is acted on."""

    NEW = auto()  # act on it
    KNOWN = auto()  # ignore it: it was acted on, or its member knows that they reacted too often
    TOO_MANY = auto()  # over the limit of a member: tell them, once


DESCRIBES: Final = "✏️"
STARS: Final = "⭐"
MARK_WAITING, MARK_DONE, MARK_FAILED = "⏳", "✅", "🚫"  # the bot's own reactions to a gesture
MARKS: Final = (MARK_WAITING, MARK_DONE, MARK_FAILED)

MEANINGS: Final[Mapping[str, Gesture]] = {
    normalized_emoji(DESCRIBES): Gesture.DESCRIBE,
    normalized_emoji("🔁"): Gesture.AGAIN,
    normalized_emoji("✉️"): Gesture.ORIGINAL,
    normalized_emoji("❌"): Gesture.REMOVE,
    normalized_emoji("🙈"): Gesture.HIDE,
    normalized_emoji("🚩"): Gesture.REPORT,
    normalized_emoji(STARS): Gesture.STAR,
}

_BASES = "\u203c\u2049\u2122\u2139\u2194-\u21aa\u2934\u2935\u3030\u303d\u00a9\u00ae"  # emoji outside the category So
_OTHER_BASE = re.compile(f"[{_BASES}]")
_KEYCAP = re.compile(r"[0-9#*]\u20e3")
_LETTER = re.compile("[\U0001f1e6-\U0001f1ff]")  # regional indicators: two of them are a country's flag
_FLAG = re.compile(f"{_LETTER.pattern}{{2}}")
_SKIN = re.compile("[\U0001f3fb-\U0001f3ff]")
_REGION = re.compile("[\U000e0020-\U000e007e]+\U000e007f")  # tags after 🏴 that name a region
_JOINER = "\u200d"


@dataclass(frozen=True, kw_only=True)
class EmojiMeaning:
    """What an emoji asks for in one guild."""

    gesture: Gesture
    preset: Preset | None = None  # of the gesture PRESET


def meaning_of(emoji: str, settings: GuildSettings) -> EmojiMeaning | None:
    """What this emoji asks for under a guild's settings; None if it means nothing to Easel."""
    fixed = MEANINGS.get(normalized_emoji(emoji))
    if fixed is not None:
        return EmojiMeaning(gesture=fixed)
    gift = settings.policy.gifts.by_reaction
    if gift is not None and settings.policy.gifts.on and normalized_emoji(gift.emoji) == normalized_emoji(emoji):
        return EmojiMeaning(gesture=Gesture.GIFT)
    preset = settings.preset(emoji)
    return None if preset is None else EmojiMeaning(gesture=Gesture.PRESET, preset=preset)


def is_reserved(emoji: str) -> bool:
    """Whether an emoji has a fixed meaning, so that no preset can use it."""
    return normalized_emoji(emoji) in MEANINGS or normalized_emoji(emoji) in MARKS


def is_single_emoji(text: str) -> bool:
    """Whether a text is one Unicode emoji, including joined ones. Only the form is checked: Discord decides which exist."""
    sign = normalized_emoji(text)
    if _KEYCAP.fullmatch(sign) or _FLAG.fullmatch(sign):
        return True
    return bool(sign) and all(_is_part(part) for part in sign.split(_JOINER))


def _is_part(part: str) -> bool:
    """Whether this is one part of a joined emoji, with an optional skin tone or region."""
    if not part or _LETTER.match(part) or not (unicodedata.category(part[0]) == "So" or _OTHER_BASE.match(part)):
        return False
    rest = part[1:]
    return not rest or bool(_SKIN.fullmatch(rest) or _REGION.fullmatch(rest))
