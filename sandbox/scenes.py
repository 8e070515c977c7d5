"""The painter's palettes and scenes, chosen by words of the prompt. Pure functions of size, palette and random generator."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageOps

Colour = tuple[int, int, int]
Size = tuple[int, int]
Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Palette:
    """Colours from far to near."""

    sky: Colour
    horizon: Colour
    glow: Colour
    far: Colour
    near: Colour
    is_dark: bool = False


def _rgb(text: str) -> Colour:
    return int(text[0:2], 16), int(text[2:4], 16), int(text[4:6], 16)


def _palette(colours: str, *, is_dark: bool = False) -> Palette:
    sky, horizon, glow, far, near = (_rgb(each) for each in colours.split())
    return Palette(sky=sky, horizon=horizon, glow=glow, far=far, near=near, is_dark=is_dark)


# By the words of a prompt; the colours are sky, horizon, glow, far, near.
PALETTES: dict[tuple[str, ...], Palette] = {
    ("night", "moon", "stars", "midnight", "dark"): _palette("0b1030 3a3f78 f4f1de 2c3566 070a1c", is_dark=True),
    ("red", "scarlet", "ruby", "fire"): _palette("6d1a36 f28f6b ffd9a0 c8434a 3b0d1f"),
    ("orange", "sunset", "autumn", "dusk"): _palette("3d3a7c ff9e6d ffe0a3 c8597a 2b1b3d"),
    ("yellow", "gold", "golden", "desert", "sand"): _palette("f2b950 fdeec3 fffbe6 d9924a 6b3a2a"),
    ("green", "forest", "jungle", "spring", "garden"): _palette("7fc8b4 eaf5d3 fffbd6 6da57a 17402f"),
    ("blue", "ocean", "sea", "superhero", "sky"): _palette("2b6cb0 bfe3f5 fff6d6 4f8fc0 0f2f57"),
    ("purple", "violet", "lavender", "magic"): _palette("47307d e6b8e8 ffe9f3 8a63b8 23143f"),
    ("pink", "rose", "candy", "blossom"): _palette("f08cae ffe4e9 fff7e0 d97a9c 6a2c4e"),
    ("white", "snow", "winter", "ice", "minimal"): _palette("cfdde8 fbfcfd ffffff a9bfd1 4b627a"),
    ("grey", "gray", "silver", "fog"): _palette("8b939e e3e6ea ffffff 9aa3ae 2f353d"),
    ("watercolor", "watercolour", "painting", "pastel"): _palette("8fc1d9 fbe9d7 fff3c9 9bb7a5 4d6b78"),
}


def palette_for(words: set[str], rng: random.Random) -> Palette:
    """The first palette that matches a word, else a random one."""
    drawn = rng.choice(tuple(PALETTES.values()))  # always drawn, so that later random numbers do not depend on the match
    return next((palette for names, palette in PALETTES.items() if words & set(names)), drawn)


Scene = Callable[[Size, Palette, random.Random], Image.Image]


def scene_for(words: set[str], rng: random.Random) -> Scene:
    """The first scene that matches a word, else a random one."""
    drawn = rng.choice((_hills, _hills, _sea, _city, _tiles))
    return next((scene for names, scene in SCENES.items() if words & set(names)), drawn)


def _hills(size: Size, palette: Palette, rng: random.Random) -> Image.Image:
    image = _sky(size, palette, rng)
    width, height = size
    layers = 5
    for layer in range(layers):
        depth = layer / (layers - 1)
        line = _ridge(width, height * (0.5 + 0.38 * depth), height * (0.13 - 0.07 * depth), rng)
        colour = _mix(palette.far, palette.near, depth)
        _fill_below(image, line, _mix(colour, palette.horizon, 0.25 * (1 - depth)), _mix(colour, palette.horizon, 0.55 * (1 - depth)))
    if not palette.is_dark:
        _birds(image, palette, rng)
    return image


def _sea(size: Size, palette: Palette, rng: random.Random) -> Image.Image:
    width, height = size
    level = int(height * 0.58)
    sky = _sky((width, level), palette, rng, low=0.72)
    image = Image.new("RGB", size)
    image.paste(sky, (0, 0))
    mirrored = ImageOps.flip(sky).resize((width, height - level))
    image.paste(Image.blend(mirrored, _gradient(mirrored.size, palette.far, palette.near), 0.62), (0, level))
    draw = ImageDraw.Draw(image, "RGBA")
    for _ in range(260):
        near = rng.random() ** 1.6
        x, y = rng.uniform(0, width), level + near * (height - level)
        length = width * (0.01 + 0.07 * near)
        draw.line((x, y, x + length, y), fill=(*palette.glow, int(26 + 60 * rng.random())), width=2 + int(5 * near))
    _boat(image, rng.uniform(0.2, 0.8) * width, level + height * 0.02, height * 0.09, palette)
    return image


def _city(size: Size, palette: Palette, rng: random.Random) -> Image.Image:
    image = _sky(size, palette, rng)
    draw = ImageDraw.Draw(image)
    width, height = size
    for layer in range(3):
        depth = layer / 2
        colour = _mix(palette.far, palette.near, depth)
        lit = _mix(palette.glow, colour, 0.15 if palette.is_dark else 0.45)
        x = -rng.uniform(0, 0.05) * width
        while x < width:
            wide, tall = rng.uniform(0.06, 0.13) * width, rng.uniform(0.2, 0.52 - 0.14 * depth) * height
            draw.rectangle((x, height - tall, x + wide, height), fill=colour)
            _windows(draw, (x, height - tall, x + wide, float(height)), lit, rng)
            x += wide + rng.uniform(0, 0.012) * width
    return image


def _windows(draw: ImageDraw.ImageDraw, building: tuple[float, float, float, float], lit: Colour, rng: random.Random) -> None:
    left, top, right, bottom = building
    step = max((right - left) / 6, 8)
    y = top + step
    while y < bottom:
        for column in range(1, 5):
            if rng.random() < 0.3:
                x = left + column * (right - left) / 5.5
                draw.rectangle((x, y, x + step * 0.45, y + step * 0.6), fill=lit)
        y += step * 1.4


def _tiles(size: Size, palette: Palette, rng: random.Random) -> Image.Image:
    """Quarter circles, discs, bars and triangles on a grid."""
    colours = (palette.sky, palette.horizon, palette.glow, palette.far, palette.near)
    image = Image.new("RGB", size, palette.horizon)
    draw = ImageDraw.Draw(image)
    side = min(size) / rng.choice((4, 5, 6))
    for row in range(math.ceil(size[1] / side)):
        for column in range(math.ceil(size[0] / side)):
            x, y = column * side, row * side
            back, front = rng.sample(colours, 2)
            draw.rectangle((x, y, x + side, y + side), fill=back)
            _tile(draw, (x, y), side, front, rng)
    return image


def _tile(draw: ImageDraw.ImageDraw, corner: tuple[float, float], side: float, colour: Colour, rng: random.Random) -> None:
    x, y = corner
    shape = rng.randrange(4)
    if shape == 0:
        turn = rng.randrange(4)
        left, top = x - side * (turn in {0, 3}), y - side * (turn in {0, 1})
        draw.pieslice((left, top, left + 2 * side, top + 2 * side), turn * 90, turn * 90 + 90, fill=colour)
    elif shape == 1:
        draw.ellipse((x + side * 0.14, y + side * 0.14, x + side * 0.86, y + side * 0.86), fill=colour)
    elif shape == 2:
        for bar in range(3):
            draw.rectangle((x, y + side * (bar * 2 + 0.5) / 6, x + side, y + side * (bar * 2 + 1.5) / 6), fill=colour)
    else:
        draw.polygon(((x, y), (x + side, y), (x, y + side)), fill=colour)


def _solids(size: Size, palette: Palette, rng: random.Random) -> Image.Image:
    """A cube on a plain background, lit from above."""
    width, height = size
    image = _plain_ground(size, palette)
    radius = min(size) * rng.uniform(0.24, 0.3)
    centre = (width * rng.uniform(0.46, 0.54), height * rng.uniform(0.46, 0.52))
    _shine(image, (centre[0] + radius * 0.2, centre[1] + radius * 1.02), radius * 1.25, _mix(palette.near, palette.horizon, 0.4), flat=0.22)
    draw = ImageDraw.Draw(image)
    corners = [(centre[0] + radius * math.sin(math.pi * turn / 3), centre[1] - radius * math.cos(math.pi * turn / 3)) for turn in range(6)]
    draw.polygon((corners[5], corners[0], corners[1], centre), fill=_mix(palette.far, palette.glow, 0.45))
    draw.polygon((corners[1], corners[2], corners[3], centre), fill=_mix(palette.far, palette.near, 0.55))
    draw.polygon((corners[3], corners[4], corners[5], centre), fill=palette.far)
    return image


def _ball(size: Size, palette: Palette, rng: random.Random) -> Image.Image:
    width, height = size
    image = _plain_ground(size, palette)
    radius = min(size) * rng.uniform(0.24, 0.3)
    x, y = width * rng.uniform(0.44, 0.56), height * rng.uniform(0.44, 0.52)
    _shine(image, (x + radius * 0.15, y + radius * 1.02), radius * 1.2, _mix(palette.near, palette.horizon, 0.4), flat=0.22)
    draw = ImageDraw.Draw(image)
    circles = 60
    for circle in range(circles):
        part = circle / circles
        r, shift = radius * (1 - part), radius * 0.38 * part
        colour = _mix(_mix(palette.near, palette.far, min(1, part * 2.2)), palette.glow, max(0.0, part - 0.45) * 1.5)
        draw.ellipse((x - r - shift, y - r - shift, x + r - shift, y + r - shift), fill=colour)
    return image


SCENES: dict[tuple[str, ...], Scene] = {
    ("cube", "box", "dice"): _solids,
    ("sphere", "ball", "planet", "bubble"): _ball,
    ("city", "skyline", "street", "town", "tokyo", "cyberpunk"): _city,
    ("sea", "ocean", "beach", "boat", "lake", "island"): _sea,
    ("pattern", "geometric", "abstract", "tiles", "mosaic", "bauhaus"): _tiles,
    ("hill", "hills", "mountain", "mountains", "landscape", "forest", "desert", "valley", "fox"): _hills,
}


# Parts of scenes


def _sky(size: Size, palette: Palette, rng: random.Random, *, low: float = 0.45) -> Image.Image:
    """A gradient with a sun, or with a moon and stars. `low` is the lowest position of sun or moon, as a share of the height."""
    image = _gradient(size, palette.sky, palette.horizon)
    width, height = size
    place = (rng.uniform(0.18, 0.82) * width, rng.uniform(0.16, low) * height)
    radius = min(size) * rng.uniform(0.07, 0.11)
    if palette.is_dark:
        draw = ImageDraw.Draw(image)
        for _ in range(170):
            x, y, r = rng.uniform(0, width), height * rng.random() ** 1.5, rng.uniform(1, 3.2)
            draw.ellipse((x - r, y - r, x + r, y + r), fill=_mix(palette.sky, palette.glow, rng.uniform(0.4, 1)))
    _shine(image, place, radius * 4.5, palette.glow)
    draw = ImageDraw.Draw(image)
    x, y = place
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=palette.glow)
    return image


def _plain_ground(size: Size, palette: Palette) -> Image.Image:
    return _gradient(size, _mix(palette.horizon, (252, 252, 252), 0.88), _mix(palette.horizon, (222, 222, 226), 0.8))


def _gradient(size: Size, top: Colour, bottom: Colour) -> Image.Image:
    mask = Image.linear_gradient("L").resize(size)
    return Image.composite(Image.new("RGB", size, bottom), Image.new("RGB", size, top), mask)


def _shine(image: Image.Image, place: Point, radius: float, colour: Colour, *, flat: float = 1.0) -> None:
    """A soft round light. `flat` scales its height, which makes it a shadow on the ground."""
    wide, high = int(radius * 2), max(int(radius * 2 * flat), 1)
    mask = (
        ImageOps.invert(Image.radial_gradient("L")).point(lambda value: int((max(value - 75, 0) / 180) ** 1.7 * 200)).resize((wide, high))
    )
    image.paste(colour, (int(place[0] - wide / 2), int(place[1] - high / 2)), mask)


def _ridge(width: int, base: float, swing: float, rng: random.Random) -> list[Point]:
    """A line of hills: the sum of five sine waves, each with a higher frequency and a lower amplitude."""
    waves = [(rng.uniform(0.7, 1.6) * 2.1**n, swing / 1.9**n, rng.uniform(0, math.tau)) for n in range(5)]
    points = range(0, width + 16, 16)
    return [(x, base + sum(tall * math.sin(fast * math.pi * x / width + start) for fast, tall, start in waves)) for x in points]


def _fill_below(image: Image.Image, line: list[Point], top: Colour, bottom: Colour) -> None:
    """Fill the area below a line with a gradient, lighter at the bottom, as in mist."""
    width, height = image.size
    highest = max(int(min(y for _, y in line)), 0)
    mask = Image.new("L", (width, height - highest))
    ImageDraw.Draw(mask).polygon([(x, y - highest) for x, y in line] + [(width, height - highest), (0, height - highest)], fill=255)
    image.paste(_gradient(mask.size, top, bottom), (0, highest), mask)


def _birds(image: Image.Image, palette: Palette, rng: random.Random) -> None:
    draw = ImageDraw.Draw(image)
    width, height = image.size
    x, y = rng.uniform(0.2, 0.7) * width, rng.uniform(0.12, 0.34) * height
    for _ in range(rng.randrange(3, 7)):
        span = width * rng.uniform(0.008, 0.014)
        at_x, at_y = x + rng.uniform(-0.1, 0.1) * width, y + rng.uniform(-0.05, 0.05) * height
        draw.arc((at_x - 2 * span, at_y - span / 2, at_x, at_y + span), 200, 340, fill=palette.near, width=4)
        draw.arc((at_x, at_y - span / 2, at_x + 2 * span, at_y + span), 200, 340, fill=palette.near, width=4)


def _boat(image: Image.Image, x: float, y: float, tall: float, palette: Palette) -> None:
    draw = ImageDraw.Draw(image)
    draw.polygon(((x, y - tall), (x, y), (x + tall * 0.6, y)), fill=_mix(palette.glow, (255, 255, 255), 0.4))
    draw.polygon(((x - tall * 0.06, y - tall * 0.8), (x - tall * 0.06, y), (x - tall * 0.45, y)), fill=palette.glow)
    deck, keel = y + tall * 0.05, y + tall * 0.28
    hull = ((x - tall * 0.6, deck), (x + tall * 0.7, deck), (x + tall * 0.45, keel), (x - tall * 0.4, keel))
    draw.polygon(hull, fill=palette.near)


def _mix(one: Colour, other: Colour, part: float) -> Colour:
    """A mix with `part` (0 to 1) of the other colour."""
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(one, other, strict=True))
    return red, green, blue
