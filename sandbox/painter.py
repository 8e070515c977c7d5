"""Draws the stand-ins' images from prompt and seed. Equal input gives equal bytes."""

from __future__ import annotations

import io
import math
import random
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from sandbox.caption import Caption, write
from sandbox.scenes import Palette, Size, palette_for, scene_for

LONG_SIDE_PX = 768  # at 1 MP; small enough that an image takes a tenth of a second
OVERSAMPLING = 2  # scenes are drawn at twice the size and reduced, which smooths edges
DRAFT_PX = 96  # long side of a draft at 1 MP, and of what is drawn for a draft of an exact size
REFERENCE_LIMIT_PX = 50_000_000
ENLARGED_LIMIT_PX = 40_000_000
ASPECT_LIMIT = 8.0


class UnreadableReference(ValueError):
    """A reference that is not an image, or a mask that does not fit the first one."""


@dataclass(frozen=True, kw_only=True)
class Brief:
    """What to draw. The parameter names are the painter's own; every model has different ones."""

    prompt: str = ""  # nothing for an enlargement
    seed: int
    negative_prompt: str = ""  # its words are left out of the prompt
    aspect_ratio: str = "1:1"  # "w:h", or "match_input_image" for the ratio of the first reference
    resolution: str = "1 MP"
    steps: int = 28  # fewer than 28 make the image softer
    guidance: float = 2.0  # more makes the colours stronger
    output_format: str = "png"  # png, jpg, jpeg or webp
    quality: int | str = "standard"  # of the file from 0 to 100, or "low", "medium", "standard" or "high"
    references: tuple[bytes, ...] = ()
    mask: bytes | None = None  # as large as the first reference: what is white there is new, what is black is kept
    styles: tuple[bytes, ...] = ()  # images that the new one takes its colours from
    enlarged: float | None = None  # the first reference in so many times its width and height, instead of something new
    cutout: bool | None = None  # a part of the first reference: True shows it, False shows where it is
    notes: tuple[str, ...] = ()  # written on the image, small, below the prompt
    size_px: Size | None = None  # exact size; without it the size follows from aspect ratio and resolution
    strength: float | None = None  # 0 keeps the references, 1 is fully new; without it they are pasted onto the new scene
    has_caption: bool = True  # the words of the prompt, large
    is_draft: bool = False  # small and coarse, for tests: drawn in a few milliseconds


@dataclass(frozen=True, kw_only=True)
class PaintedImage:
    """An encoded image."""

    data: bytes
    media_type: str


def paint(brief: Brief) -> PaintedImage:
    """Draw and encode one image. Raises `UnreadableReference` for references that are not images."""
    image, size_px = _enlarged(brief) if brief.enlarged is not None and brief.references else (_painted(brief), brief.size_px)
    if brief.has_caption and not _is_masked(brief):
        write(image, _caption(brief))
    if brief.is_draft and size_px:
        image = image.resize(size_px, Image.Resampling.NEAREST)
    return _encoded(image, brief)


def _painted(brief: Brief) -> Image.Image:
    detail_px = DRAFT_PX if brief.is_draft else max(brief.size_px or (LONG_SIDE_PX,))
    references = [_opened(each, detail_px) for each in brief.references]
    size = _size(brief, references)
    rng = random.Random(f"{brief.prompt}|{brief.seed}")
    words = _words(brief.prompt) - _words(brief.negative_prompt)
    palette = palette_for(words, rng)
    image = scene_for(words, rng)(_oversampled(size), palette, rng).reduce(OVERSAMPLING)
    if brief.styles:
        image = _in_colours_of([_opened(each, detail_px) for each in brief.styles], image)
    if references and brief.cutout is not None:
        return _cutout(ImageOps.fit(references[0], size), rng, shows_part=brief.cutout)
    if _is_masked(brief):
        return _masked(ImageOps.fit(references[0], size), image, brief)
    if references and brief.strength is None:
        image = _collage(image, references, palette, rng)
    if words & {"watercolor", "watercolour", "painting"}:
        image = _on_paper(image, rng)
    if references and brief.strength is not None:
        image = _transformed(image, references, brief.strength, palette, rng)
    return _finished(image, brief)


def placeholder(name: str) -> bytes:
    """A PNG in place of an image that cannot be fetched here."""
    return paint(Brief(prompt=name.rpartition("/")[2] or name, seed=0, resolution="0.5 MP")).data


def extension_of(output_format: Any) -> str:
    """The file extension of an output format: png, jpg or webp."""
    return {"jpeg": "jpg", "jpg": "jpg", "webp": "webp"}.get(str(output_format), "png")


# Sizes


def _size(brief: Brief, references: list[Image.Image]) -> Size:
    """Width and height in pixels. Both are even if they follow from a ratio."""
    if brief.size_px:
        return _draft_of(brief.size_px) if brief.is_draft else brief.size_px
    ratio = 1.0
    if brief.aspect_ratio == "match_input_image":
        ratio = references[0].width / references[0].height if references else 1.0
    elif ":" in brief.aspect_ratio:
        width, height = brief.aspect_ratio.split(":")
        ratio = float(width) / float(height)
    ratio = min(max(ratio, 1 / ASPECT_LIMIT), ASPECT_LIMIT)
    long_px = (DRAFT_PX if brief.is_draft else LONG_SIDE_PX) * math.sqrt(float(brief.resolution.split()[0]))
    wide, high = (long_px, long_px / ratio) if ratio >= 1 else (long_px * ratio, long_px)
    return round(wide / 2) * 2, round(high / 2) * 2


def _words(text: str) -> set[str]:
    return set("".join(each if each.isalnum() else " " for each in text.casefold()).split())


def _draft_of(size: Size) -> Size:
    scale = DRAFT_PX / max(size)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def _oversampled(size: Size) -> Size:
    return size[0] * OVERSAMPLING, size[1] * OVERSAMPLING


# Steps after the scene is drawn


def _opened(data: bytes, detail_px: int | None) -> Image.Image:
    """A reference, upright, in RGB, reduced so that no side exceeds `detail_px`, if that is given."""
    try:
        image = Image.open(io.BytesIO(data))
        if image.width * image.height > REFERENCE_LIMIT_PX:
            raise UnreadableReference(f"Input image is too large: {image.width}x{image.height} pixels")
        upright = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise error if isinstance(error, UnreadableReference) else UnreadableReference("cannot identify image file") from error
    if detail_px is not None:
        upright.thumbnail((detail_px, detail_px))
    return upright


def _enlarged(brief: Brief) -> tuple[Image.Image, Size]:
    """The first reference in its new size or as a draft of it, and the new size."""
    source = _opened(brief.references[0], None)
    factor = min(brief.enlarged or 1, math.sqrt(ENLARGED_LIMIT_PX / (source.width * source.height)))
    size = round(source.width * factor), round(source.height * factor)
    large = source.resize(_draft_of(size) if brief.is_draft else size, Image.Resampling.LANCZOS)
    return large.filter(ImageFilter.UnsharpMask(2, 80)), size


def _is_masked(brief: Brief) -> bool:
    """Whether only a part of the first reference is changed."""
    return bool(brief.references) and brief.mask is not None and brief.cutout is None and brief.enlarged is None


def _masked(source: Image.Image, new: Image.Image, brief: Brief) -> Image.Image:
    """The source, and the new image with its words where the mask is white."""
    first, mask = _opened(brief.references[0], None), _opened(brief.mask or b"", None)
    if first.size != mask.size:
        raise UnreadableReference(f"The mask must be as large as the image: {first.width}x{first.height}, not {mask.width}x{mask.height}")
    if brief.has_caption:
        write(new, _caption(brief))
    return Image.composite(new, source, ImageOps.fit(mask.convert("L"), source.size))


def _cutout(source: Image.Image, rng: random.Random, *, shows_part: bool) -> Image.Image:
    """An oval part of the source on black, or the oval itself."""
    mask = Image.new("L", source.size)
    x, y = rng.uniform(0.3, 0.7) * source.width, rng.uniform(0.3, 0.7) * source.height
    ImageDraw.Draw(mask).ellipse((x * 0.5, y * 0.5, x * 1.4, y * 1.4), fill=255)
    return Image.composite(source, Image.new("RGB", source.size), mask) if shows_part else mask.convert("RGB")


def _in_colours_of(styles: list[Image.Image], image: Image.Image) -> Image.Image:
    """The image printed in the mean colours of the styles."""
    means = [each.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)) for each in styles]
    mean = tuple(round(sum(channel) / len(means)) for channel in zip(*means, strict=True))
    return Image.blend(image, ImageOps.colorize(ImageOps.grayscale(image), black="black", mid=mean, white="white"), 0.6)


def _collage(ground: Image.Image, references: list[Image.Image], palette: Palette, rng: random.Random) -> Image.Image:
    """Paste every reference onto the scene: recoloured, framed and slightly rotated."""
    columns = math.ceil(math.sqrt(len(references) * ground.width / ground.height))
    columns = min(max(columns, 1), len(references))
    rows = math.ceil(len(references) / columns)
    cell_w, cell_h = ground.width / columns, ground.height * 0.92 / rows
    image = ground.filter(ImageFilter.GaussianBlur(3))
    for number, reference in enumerate(references):
        row, column = divmod(number, columns)
        in_row = min(columns, len(references) - row * columns)
        framed = _framed(_recoloured(reference, palette, rng), (cell_w * 0.8, cell_h * 0.8), rng.uniform(-5, 5))
        x = (ground.width - in_row * cell_w) / 2 + (column + 0.5) * cell_w - framed.width / 2
        y = (row + 0.5) * cell_h + ground.height * 0.01 - framed.height / 2
        image.paste(framed, (int(x), int(y)), framed)
    return image


def _transformed(new: Image.Image, references: list[Image.Image], strength: float, palette: Palette, rng: random.Random) -> Image.Image:
    """References that fill the image. Up to strength 0.5 their colours change, above it they fade into the new scene."""
    kept = Image.new("RGB", new.size)
    edges = [new.width * number // len(references) for number in range(len(references) + 1)]
    for reference, left, right in zip(references, edges, edges[1:], strict=False):
        kept.paste(ImageOps.fit(reference, (right - left, new.height)), (left, 0))
    changed = Image.blend(kept, _recoloured(kept, palette, rng), min(strength * 2, 1.0))
    return Image.blend(changed, new, max(strength * 2 - 1, 0.0))


def _recoloured(reference: Image.Image, palette: Palette, rng: random.Random) -> Image.Image:
    """A blend of the reference with shifted hues and of a print in the palette's colours."""
    hue, saturation, value = reference.convert("HSV").split()
    turned = Image.merge("HSV", (hue.point(_turn_by(rng.randrange(24, 232))), saturation, value)).convert("RGB")
    tones = ImageOps.autocontrast(ImageOps.grayscale(reference))
    printed = ImageOps.colorize(tones, black=palette.near, mid=palette.far, white=palette.glow)
    return Image.blend(turned, printed, 0.55)


def _turn_by(steps: int) -> list[int]:
    return [(value + steps) % 256 for value in range(256)]


def _framed(reference: Image.Image, space: tuple[float, float], degrees: float) -> Image.Image:
    """The reference scaled to fit `space`, with a white frame and a soft shadow, as RGBA."""
    scale = min(space[0] / reference.width, space[1] / reference.height)
    reference = reference.resize((max(int(reference.width * scale), 1), max(int(reference.height * scale), 1)))
    border = max(min(reference.size) // 24, 4)
    framed = ImageOps.expand(reference, border, (250, 249, 245)).convert("RGBA")
    turned = framed.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    margin = border * 2
    card = Image.new("RGBA", (turned.width + 2 * margin, turned.height + 2 * margin))
    shadow = ImageOps.expand(turned.getchannel("A"), margin).point(lambda value: value * 0.45).filter(ImageFilter.GaussianBlur(border))
    card.putalpha(shadow)
    card.alpha_composite(turned, (margin, margin))
    return card


def _on_paper(image: Image.Image, rng: random.Random) -> Image.Image:
    """Watercolour: softened, on grained paper with a pale uneven border."""
    width, height = image.size
    grain = _grain(image.size, cells=64, darkest=236, rng=rng)
    blotches = _grain(image.size, cells=9, darkest=205, rng=rng)
    wet = ImageChops.multiply(image.filter(ImageFilter.GaussianBlur(1.6)), blotches)
    mask = Image.new("L", image.size)
    edge = min(image.size) * 0.045
    outline = [(edge, edge), (width - edge, edge * 0.8), (width - edge * 0.7, height - edge), (edge * 0.8, height - edge * 0.9)]
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    rag = _grain(image.size, cells=24, darkest=135, rng=rng).getchannel(0)
    soft = ImageChops.multiply(mask.filter(ImageFilter.GaussianBlur(edge / 4)), rag)
    ragged = soft.point(lambda value: (value - 50) * 3)
    page = Image.composite(wet, Image.new("RGB", image.size, (250, 246, 238)), ragged)
    return ImageChops.multiply(page, grain)


def _grain(size: Size, *, cells: int, darkest: int, rng: random.Random) -> Image.Image:
    """Smooth grey noise with `cells` samples per side, from `darkest` to white."""
    noise = Image.frombytes("L", (cells, cells), rng.randbytes(cells * cells)).resize(size, Image.Resampling.BILINEAR)
    return Image.merge("RGB", (noise.point(_from_to(darkest, 255)),) * 3)


def _from_to(low: int, high: int) -> list[int]:
    return [low + (high - low) * value // 255 for value in range(256)]


def _finished(image: Image.Image, brief: Brief) -> Image.Image:
    """Apply steps (sharpness), guidance (colour) and quality (`high`: sharper, `low`: softer)."""
    if brief.quality == "low":
        image = image.filter(ImageFilter.GaussianBlur(1))
    if brief.steps < 28:
        image = image.filter(ImageFilter.GaussianBlur((28 - brief.steps) / 9))
    image = ImageEnhance.Color(image).enhance(0.9 + 0.05 * brief.guidance)
    return image.filter(ImageFilter.UnsharpMask(1, 60)) if brief.quality == "high" else image


def _caption(brief: Brief) -> Caption:
    """The prompt's words, at the top if the image shows an earlier one, whose own words are at its bottom."""
    note = " · ".join(("simulated", f"seed {brief.seed}", *brief.notes))
    if brief.enlarged is not None:
        return Caption(
            words=" · ".join((f"Upscaled {brief.enlarged:g}x", *([brief.prompt] if brief.prompt else []))), note=note, at_top=True
        )
    if brief.cutout is not None:
        return Caption(words="", note=note)
    changes = bool(brief.references)
    return Caption(words=f"Edit: {brief.prompt}" if changes and brief.prompt else brief.prompt, note=note, at_top=changes)


def _encoded(image: Image.Image, brief: Brief) -> PaintedImage:
    quality = {"low": 60, "medium": 75, "standard": 82, "high": 95}.get(str(brief.quality), brief.quality)
    out = io.BytesIO()
    match extension_of(brief.output_format):
        case "jpg":
            image.save(out, "JPEG", quality=quality)
            return PaintedImage(data=out.getvalue(), media_type="image/jpeg")
        case "webp":
            image.save(out, "WEBP", quality=quality, method=2)
            return PaintedImage(data=out.getvalue(), media_type="image/webp")
        case _:
            image.save(out, "PNG", compress_level=4)
            return PaintedImage(data=out.getvalue(), media_type="image/png")
