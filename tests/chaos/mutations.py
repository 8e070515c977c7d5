"""Seeded mutations of files, JSON values and texts, as the world outside might send them."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Sequence
from random import Random
from typing import Any

from PIL import Image

TEXTS = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "\u202e\u2066",
    "🦊" * 50,
    "👩‍👩‍👧‍👦",
    "e\u0301" * 40,
    "﷽" * 30,
    "x" * 5000,
    "%s%n{0}{prompt}",
    "'; DROP TABLE jobs; --",
    "../../etc/passwd",
    "@everyone <@1> ||x|| ```",
    "-1",
    "1e999",
    "٣",
    "²",
    "nan",
    "null",
    "true",
    "data:image/png;base64,AAAA",
    "https://example.com/\r\nX: y",
)
NUMBERS = (0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**40, 0.1, -0.0, 1e308, float("inf"), float("nan"))
_JUNK: tuple[Any, ...] = (None, True, False, [], {}, [[[[]]]], {"": {"": None}}, [None] * 100, *TEXTS, *NUMBERS)
_SPLICES = (
    b"\x00" * 8,
    b"\xff" * 8,
    b"IDAT",
    b"IEND",
    b"\xff\xd9",
    b"\xff\xda",
    b"RIFF",
    b"VP8X",
    b"ANMF",
    b"acTL",
    b"GIF89a",
    b"\x7f\xff\xff\xff",
)


def files() -> tuple[bytes, ...]:
    """Small images of every kind that members upload, also animated ones, with alpha, palettes and metadata."""
    still = [Image.effect_mandelbrot((48, 32), (-2, -1, 1, 1), 40).convert(mode) for mode in ("RGB", "RGBA", "L", "P", "CMYK", "I;16")]
    kinds = (("PNG", (0, 1, 2, 3, 5)), ("JPEG", (0, 2, 4)), ("WEBP", (0, 1)), ("GIF", (2, 3)), ("TIFF", (0,)), ("BMP", (0,)))
    made = [_saved(still[n], kind) for kind, numbers in kinds for n in numbers]
    moving = [_saved(still[0], kind, save_all=True, append_images=[still[0].rotate(90)], duration=50) for kind in ("PNG", "WEBP", "GIF")]
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    return (*made, *moving, _saved(still[0], "JPEG", progressive=True, exif=exif), _saved(still[0], "PNG", exif=exif))


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def mutated_bytes(content: bytes, dice: Random) -> bytes:
    """The file after one to four changes."""
    data = bytearray(content)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data)) if data else 0
        match dice.randrange(7):
            case 0:
                data[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                del data[at:]
            case 2:
                data[at : at + 4] = dice.choice((0, 1, 2**31 - 1, 2**32 - 1, dice.randrange(2**32))).to_bytes(
                    4, dice.choice(("big", "little"))
                )
            case 3:
                data[at:at] = dice.choice(_SPLICES)
            case 4:
                del data[at : at + dice.randrange(1, 64)]
            case 5:
                data[at:at] = data[at : at + dice.randrange(1, 256)] * dice.randrange(1, 9)
            case _:
                data[min(at, 64) : min(at, 64) + 1] = bytes([dice.randrange(256)])  # in the header
    return bytes(data)


def mutated_json(value: Any, dice: Random) -> Any:
    """A copy of the value after one to three changes, as it would be read from the wire."""
    box = [copy.deepcopy(value)]
    for _ in range(dice.randint(1, 3)):
        holder, key = dice.choice(list(_places(box)))
        match dice.randrange(5):
            case 0 if isinstance(holder, dict):
                holder[dice.choice(TEXTS)] = holder.pop(key)
            case 1 if isinstance(holder, dict):
                del holder[key]
            case 2:
                holder[key] = [copy.deepcopy(holder[key])] * dice.choice((1, 2, 50))
            case 3:
                holder[key] = str(holder[key])
            case _:
                holder[key] = copy.deepcopy(dice.choice(_JUNK))
    return json.loads(json.dumps(box))[0]


def _places(holder: Any) -> Sequence[tuple[Any, Any]]:
    """Every place of a value within lists and objects."""
    keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
    return [place for key in keys for place in ((holder, key), *_places(holder[key]))]


def mutated_text(text: str, dice: Random) -> str:
    """The text after one to three changes."""
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(text) + 1)
        match dice.randrange(5):
            case 0:
                text = text[:at] + dice.choice(TEXTS) + text[at:]
            case 1:
                text = text[:at] + text[at + dice.randrange(1, 4) :]
            case 2:
                text = (
                    text[:at]
                    + chr(dice.choice((dice.randrange(32, 127), dice.randrange(0x300), dice.randrange(0x1F300, 0x1FAFF))))
                    + text[at:]
                )
            case 3:
                text = text[:at] + str(dice.choice(NUMBERS)) + text[at:]
            case _:
                text = text[at:] + text[:at]
    return text
