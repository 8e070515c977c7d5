"""The bot's avatar: the easel of the page's icon, drawn as a PNG, since Discord's CDN serves no SVG."""

from __future__ import annotations

import io
from functools import cache

from PIL import Image, ImageDraw

_SIDE_PX = 128
_SCALE = 16  # from the icon's 34 units, at four times the size
_GROUND, _WOOD, _PAPER, _HILLS, _SUN = "#f3e3c8", "#8a5a3a", "#fffaf0", "#b5502f", "#e0a458"
_LEGS = ((17, 3, 17, 8), (12, 22, 7, 31), (22, 22, 27, 31), (17, 24, 17, 30), (6, 24, 28, 24))
_RIDGE = (
    (8, 20.8),
    (10, 18.2),
    (12, 17),
    (14.5, 16.8),
    (17, 18.3),
    (19.5, 15.6),
    (21.6, 15.2),
    (24, 17),
    (26.2, 19.5),
    (26.2, 21.2),
    (8, 21.2),
)


@cache
def drawn() -> bytes:
    image = Image.new("RGB", (34 * _SCALE, 34 * _SCALE), _GROUND)
    draw = ImageDraw.Draw(image)
    for leg in _LEGS:
        draw.line(_scaled(*leg), fill=_WOOD, width=round(2.2 * _SCALE))
    draw.rounded_rectangle(_scaled(7, 7, 27, 22), radius=1.6 * _SCALE, fill=_PAPER, outline=_WOOD, width=round(1.6 * _SCALE))
    draw.polygon(_scaled(*(value for point in _RIDGE for value in point)), fill=_HILLS)
    draw.ellipse(_scaled(11, 10, 15, 14), fill=_SUN)
    out = io.BytesIO()
    image.resize((_SIDE_PX, _SIDE_PX), Image.Resampling.LANCZOS).save(out, "PNG")
    return out.getvalue()


def _scaled(*units: float) -> list[float]:
    return [unit * _SCALE for unit in units]
