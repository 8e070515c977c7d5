"""A moderations endpoint in OpenAI's contract. It scores texts by a few words and images by their colours, deterministically.

It has its own address, so that it can be down while the image APIs are up, and vice versa.
Source: https://platform.openai.com/docs/api-reference/moderations
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import colorsys
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web
from PIL import Image

from sandbox.faults import FaultHold
from sandbox.images.account import key_in
from sandbox.images.connections import cut
from sandbox.images.openai.errors import OpenAIApiError, invalid, server_error, unknown_model, wrong_key

if TYPE_CHECKING:
    from sandbox.faults import Switchboard

PATH = "/moderation/v1"
MODELS = ("omni-moderation-latest", "omni-moderation-2024-09-26")
FLAGGED_FROM = 0.5
LONG_SIDE_PX = 64  # colours are counted on a small copy
IMAGE_LIMIT_PX = 50_000_000
IMAGE_LIMIT_BYTES = 20 * 2**20
FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
NARROW_FORMATS, NARROW_LIMIT_BYTES = ("JPEG", "PNG"), 4 * 2**20

Limits = tuple[tuple[str, ...], int]
"""The formats of images that are taken, and the most bytes of one."""

CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
IMAGE_CATEGORIES = frozenset({"self-harm", "self-harm/instructions", "self-harm/intent", "sexual", "violence", "violence/graphic"})

# Scores by word. A text is flagged from 0.5.
WORDS: dict[str, Mapping[str, float]] = {
    "fight": {"violence": 0.42},
    "battle": {"violence": 0.46},
    "weapon": {"violence": 0.61, "illicit/violent": 0.3},
    "kill": {"violence": 0.93, "harassment/threatening": 0.4},
    "blood": {"violence": 0.66, "violence/graphic": 0.58},
    "gore": {"violence": 0.91, "violence/graphic": 0.97},
    "swimsuit": {"sexual": 0.34},
    "nude": {"sexual": 0.72},
    "explicit": {"sexual": 0.95},
    "idiot": {"harassment": 0.64},
    "vermin": {"hate": 0.55, "harassment": 0.7},
}
# An image's score is the share of its pixels with a strong colour of this hue, in degrees (from, to).
HUES: dict[str, tuple[float, float]] = {"violence": (345, 375), "sexual": (305, 345)}


class ModerationsStandIn:
    """The handler. Any key is accepted except an empty one and the literal `wrong`."""

    def __init__(self, *, switchboard: Switchboard) -> None:
        self._switchboard = switchboard
        self._slow = FaultHold(switchboard, "moderation-slow")

    def routes(self) -> list[web.RouteDef]:
        return [web.post(f"{PATH}/moderations", self.moderate)]

    async def moderate(self, request: web.Request) -> web.StreamResponse:
        if self._switchboard.fires("moderation-down"):
            return cut(request)
        await self._slow.wait()
        try:
            if self._switchboard.fires("moderation-error"):
                raise server_error()
            model, results = await self._results(request)
        except OpenAIApiError as error:
            return error.answer()
        if self._switchboard.fires("moderation-garbage"):
            return web.json_response({"results": [{"category_scores": {"violence": "very"}}]})
        body = {"id": f"modr-{hashlib.sha256(await request.read()).hexdigest()[:24]}", "model": model, "results": results}
        return web.json_response(body)

    async def _results(self, request: web.Request) -> tuple[str, list[dict[str, Any]]]:
        """The model and one result per input. Raises `OpenAIApiError`."""
        if key_in(request.headers.get("Authorization", "")) is None:
            raise wrong_key()
        body = _body(await request.read())
        model = body.get("model") or MODELS[0]
        if model not in MODELS:
            raise unknown_model(str(model))
        narrow = self._switchboard.fires("moderation-narrow")
        limits = (NARROW_FORMATS, NARROW_LIMIT_BYTES) if narrow else (FORMATS, IMAGE_LIMIT_BYTES)
        return model, await _results_for(body.get("input"), limits)


def _body(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise invalid(None, "We could not parse the body of your request.", code="invalid_body") from error
    if not isinstance(found, dict):
        raise invalid(None, "The body of your request must be a JSON object.", code="invalid_body")
    return found


async def _results_for(given: Any, limits: Limits) -> list[dict[str, Any]]:
    """One result for a text, one for each of a list of texts, one in all for a list of parts (texts and images)."""
    if isinstance(given, str):
        return [_result([score_text(given)], {"text"})]
    if isinstance(given, list) and given and all(isinstance(each, str) for each in given):
        return [_result([score_text(each)], {"text"}) for each in given]
    if isinstance(given, list) and given and all(isinstance(each, dict) for each in given):
        pairs = [await _part(each, limits) for each in given]
        return [_result([scores for _, scores in pairs], {kind for kind, _ in pairs})]
    raise invalid("input", "Invalid type for 'input': expected a string, a list of strings or a list of parts.", code="invalid_type")


async def _part(part: dict[str, Any], limits: Limits) -> tuple[str, Mapping[str, float]]:
    match part:
        case {"type": "text", "text": str(text)}:
            return "text", score_text(text)
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return "image", await asyncio.to_thread(score_image, _decoded(url), limits)
        case _:
            raise invalid("input", "Invalid part in 'input': it must be a text or an image_url.", code="invalid_type")


def _decoded(url: str) -> bytes:
    head, _, text = url.partition(",")
    if not (head.startswith("data:image/") and head.endswith(";base64")):
        raise invalid("input", "Failed to download image: the sandbox takes data URIs only.", code="invalid_image_url")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise invalid("input", "Invalid base64 image.", code="invalid_base64") from error


def score_text(text: str) -> dict[str, float]:
    """The highest score of any of its words, by category."""
    words = "".join(each if each.isalnum() else " " for each in text.casefold()).split()
    return _highest(WORDS[word] for word in words if word in WORDS)


def score_image(data: bytes, limits: Limits = (FORMATS, IMAGE_LIMIT_BYTES)) -> dict[str, float]:
    """Scores by colour: red is violence, pink is sexual; an image of one strong colour scores 1. Raises `OpenAIApiError`."""
    formats, most_bytes = limits
    if len(data) > most_bytes:
        raise invalid("input", "Image is too large.", code="image_too_large")
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.format not in formats or (image.format == "GIF" and getattr(image, "is_animated", False)):
                raise invalid("input", "Unsupported image format.", code="unsupported_image_format")
            if image.width * image.height > IMAGE_LIMIT_PX:
                raise invalid("input", "Image is too large.", code="image_too_large")
            small = image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise invalid("input", "Invalid image.", code="invalid_image") from error
    small.thumbnail((LONG_SIDE_PX, LONG_SIDE_PX))
    hues = [hue for hue in map(_strong_hue, zip(*[iter(small.tobytes())] * 3, strict=True)) if hue is not None]
    pixels = small.width * small.height
    return {category: round(sum(_within(hue, *arc) for hue in hues) / pixels, 4) for category, arc in HUES.items()}


def _strong_hue(pixel: tuple[int, ...]) -> float | None:
    """In degrees; None for pale, grey and dark pixels."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(each / 255 for each in pixel))
    return hue * 360 if saturation > 0.5 and value > 0.5 else None


def _within(hue: float, first: float, last: float) -> bool:
    return first <= hue < last or first <= hue + 360 < last


def _result(scores: list[Mapping[str, float]], kinds: set[str]) -> dict[str, Any]:
    by_category = dict.fromkeys(CATEGORIES, 0.0001) | _highest(scores)
    applied = {name: sorted(kinds if name in IMAGE_CATEGORIES else kinds & {"text"}) for name in CATEGORIES}
    categories = {name: score >= FLAGGED_FROM for name, score in by_category.items()}
    return {
        "flagged": any(categories.values()),
        "categories": categories,
        "category_scores": by_category,
        "category_applied_input_types": applied,
    }


def _highest(scores: Iterable[Mapping[str, float]]) -> dict[str, float]:
    highest: dict[str, float] = {}
    for each in scores:
        highest.update({name: max(score, highest.get(name, 0.0)) for name, score in each.items()})
    return highest
