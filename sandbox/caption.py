"""Draws the words of a prompt large on an image, so that nobody takes the stand-in's scene for a misunderstanding."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

LONGEST = 160  # characters of the words that are drawn
OTHER_SCRIPT = "(words in another script)"  # Pillow's own font has only Latin letters
_LARGEST_PART = 0.46  # of the image's height that the words may cover
_FALL = 0.82  # from one size that is tried to the next
_SMALLEST_PX = 7  # of letters that can be read
_NOTE_FROM_PX = 160  # height of the smallest image with a note
_PANEL = (12, 14, 22, 188)  # white on it has a contrast of 4.5:1 or more, even if it lies on white
_WHITE = (255, 255, 255)
_LATIN = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "Æ": "Ae", "Œ": "Oe", "Ø": "O", "Ł": "L", "Đ": "D", "–": "-", "—": "-"}
)


@dataclass(frozen=True, kw_only=True)
class Caption:
    """What is written on an image: the words large, the note small below them."""

    words: str
    note: str
    at_top: bool = False  # what an earlier caption at the bottom says stays readable


def write(image: Image.Image, caption: Caption) -> None:
    """Write on the image. Words that don't fit are cut; where even the smallest letters don't fit, nothing is written."""
    block = _block(image.size, _plain(caption.words), _plain(caption.note))
    if block is None:
        return
    height = block.height_px
    top = 0 if caption.at_top else image.height - height
    draw = ImageDraw.Draw(image, "RGBA")
    draw.rectangle((0, top, image.width, top + height), fill=_PANEL)
    y = top + block.margin_px
    for text, font_px in block.lines:
        draw.text((block.margin_px, y), text, font=_font(font_px), fill=_WHITE, anchor="la")
        y += _line_px(font_px)


@dataclass(frozen=True, kw_only=True)
class _Block:
    """Lines with the height of their letters."""

    lines: tuple[tuple[str, int], ...]
    margin_px: int

    @property
    def height_px(self) -> int:
        return sum(_line_px(font_px) for _, font_px in self.lines) + 2 * self.margin_px


def _block(size: tuple[int, int], words: str, note: str) -> _Block | None:
    """The largest block that fits; words are cut only at the smallest size, and a note that doesn't fit is left out."""
    width, height = size
    largest = min(math.sqrt(width * height) * 0.105, height * 0.36, width * 0.2)
    sizes = [round(largest * _FALL**step) for step in range(8)]
    sizes = [each for each in sizes if each >= _SMALLEST_PX] or ([_SMALLEST_PX] if largest >= _SMALLEST_PX / 2 else [])
    for font_px in sizes:
        margin = max(round(font_px * 0.45), 2)
        small = _note(note, width - 2 * margin, max(round(min(width, height) / 32), 9), height)
        most = int((height * _LARGEST_PART - 2 * margin - sum(_line_px(px) for _, px in small)) // _line_px(font_px))
        lines = _wrapped(words, font_px, width - 2 * margin)
        if font_px == sizes[-1]:
            lines = _cut(lines, max(most, 1), font_px, width - 2 * margin)
        if len(lines) <= max(most, 1):
            return _Block(lines=(*((line, font_px) for line in lines), *small), margin_px=margin)
    return None


def _note(note: str, width_px: int, font_px: int, height_px: int) -> list[tuple[str, int]]:
    if not note or height_px < _NOTE_FROM_PX:
        return []
    return [(line, font_px) for line in _cut(_wrapped(note, font_px, width_px), 1, font_px, width_px)]


def _wrapped(text: str, font_px: int, width_px: int) -> list[str]:
    """The text in lines of at most this width; a word that is wider is broken."""
    lines = [""] if text else []
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if _width(longer, font_px) <= width_px:
            lines[-1] = longer
            continue
        pieces = _broken(word, font_px, width_px)
        lines = [*(line for line in lines if line), *pieces]
    return lines


def _broken(word: str, font_px: int, width_px: int) -> list[str]:
    pieces = [""]
    for letter in word:
        if pieces[-1] and _width(pieces[-1] + letter, font_px) > width_px:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def _cut(lines: list[str], most: int, font_px: int, width_px: int) -> list[str]:
    """The first lines, with an ellipsis if there are more."""
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and _width(f"{last}…", font_px) > width_px:
        last = last[:-1].rstrip()
    return [*lines[: most - 1], f"{last}…"]


def _plain(text: str) -> str:
    """One line of the letters that Pillow's font has, which it draws identically on every machine."""
    letters = unicodedata.normalize("NFKD", " ".join(text.translate(_LATIN).split()))
    kept = " ".join("".join(each for each in letters if " " <= each <= "~" or each in "…·").split())
    if not any(each.isalnum() for each in kept) and any(each.isalnum() for each in letters):
        return OTHER_SCRIPT
    return kept if len(kept) <= LONGEST else f"{kept[:LONGEST].rstrip()}…"


def _width(text: str, font_px: int) -> float:
    return _font(font_px).getlength(text)


def _line_px(font_px: int) -> int:
    return round(font_px * 1.16)


@lru_cache(maxsize=64)
def _font(font_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(font_px)
