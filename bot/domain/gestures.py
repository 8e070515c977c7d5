"""What reactions mean, and what is an emoji. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final

from bot.domain.guild.settings import GuildSettings, Preset, plain

__all__ = ["CAME", "MEANINGS", "NONE_CAME", "WAITS", "Gesture", "is_one_sign", "is_taken", "plain"]


class Gesture(StrEnum):
    """What a member asks for by reacting to an image."""

    DESCRIBE = "describe"  # an edit in the member's own words
    PRESET = "preset"  # an edit that the server's managers put on this emoji
    AGAIN = "again"  # the same request once more
    ORIGINAL = "original"  # the files themselves, by direct message
    AWAY = "away"  # cancel it, or take it away
    HIDE = "hide"  # behind a spoiler
    REPORT = "report"  # tell the moderators
    STAR = "star"  # it belongs into the gallery
    GIFT = "gift"  # credits for its maker, where the server's managers chose an emoji for it

    @property
    def makes(self) -> bool:
        """Whether something is made or sent for it; the others only judge what is there."""
        return self in (Gesture.DESCRIBE, Gesture.PRESET, Gesture.AGAIN, Gesture.ORIGINAL)


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """One member's reaction to one message."""

    message_id: int
    user_id: int
    emoji: str  # `plain`


class Claim(Enum):
    """What is to become of a reaction."""

    NEW = auto()  # act on it
    KNOWN = auto()  # it is, or was, acted on; or its member was told already that these are too many
    TOO_MANY = auto()  # over what a member may ask for in a moment, and to be told so


DESCRIBES: Final = "✏️"
STARS: Final = "⭐"
WAITS, CAME, NONE_CAME = "⏳", "✅", "🚫"  # how the bot itself answers on the message
MARKS: Final = (WAITS, CAME, NONE_CAME)

MEANINGS: Final[Mapping[str, Gesture]] = {
    plain(DESCRIBES): Gesture.DESCRIBE,
    plain("🔁"): Gesture.AGAIN,
    plain("✉️"): Gesture.ORIGINAL,
    plain("❌"): Gesture.AWAY,
    plain("🙈"): Gesture.HIDE,
    plain("🚩"): Gesture.REPORT,
    plain(STARS): Gesture.STAR,
}

_BASES = "\u203c\u2049\u2122\u2139\u2194-\u21aa\u2934\u2935\u3030\u303d\u00a9\u00ae"  # signs of other categories that have a coloured form
_OTHER_BASE = re.compile(f"[{_BASES}]")
_KEYCAP = re.compile(r"[0-9#*]\u20e3")
_LETTER = re.compile("[\U0001f1e6-\U0001f1ff]")  # two of them are the flag of a country
_FLAG = re.compile(f"{_LETTER.pattern}{{2}}")
_SKIN = re.compile("[\U0001f3fb-\U0001f3ff]")
_REGION = re.compile("[\U000e0020-\U000e007e]+\U000e007f")  # spells the flag of a region, behind 🏴
_JOINER = "\u200d"


@dataclass(frozen=True, kw_only=True)
class EmojiMeaning:
    """What an emoji asks for in one guild."""

    gesture: Gesture
    preset: Preset | None = None  # of the gesture PRESET


def meaning_of(emoji: str, settings: GuildSettings) -> EmojiMeaning | None:
    """What this emoji asks for under a guild's settings; None if it means nothing to Easel."""
    fixed = MEANINGS.get(plain(emoji))
    if fixed is not None:
        return EmojiMeaning(gesture=fixed)
    gift = settings.policy.gifts.by_reaction
    if gift is not None and settings.policy.gifts.on and plain(gift.emoji) == plain(emoji):
        return EmojiMeaning(gesture=Gesture.GIFT)
    preset = settings.preset(emoji)
    return None if preset is None else EmojiMeaning(gesture=Gesture.PRESET, preset=preset)


def is_taken(emoji: str) -> bool:
    """Whether an emoji has a fixed meaning here, so that no preset can have it."""
    return plain(emoji) in MEANINGS or plain(emoji) in MARKS


def is_one_sign(text: str) -> bool:
    """Whether a text is one Unicode emoji, however many signs it is joined from. Which of them exist is known to Discord alone."""
    sign = plain(text)
    if _KEYCAP.fullmatch(sign) or _FLAG.fullmatch(sign):
        return True
    return bool(sign) and all(_is_part(part) for part in sign.split(_JOINER))


def _is_part(part: str) -> bool:
    """One of the images that an emoji is joined from, with the colour of its skin or the letters of its region."""
    if not part or _LETTER.match(part) or not (unicodedata.category(part[0]) == "So" or _OTHER_BASE.match(part)):
        return False
    rest = part[1:]
    return not rest or bool(_SKIN.fullmatch(rest) or _REGION.fullmatch(rest))
