"""Validation of the parameters of a call."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image

from sandbox.images.openai.bodies import RequestBody
from sandbox.images.openai.errors import invalid, policy_violation
from sandbox.images.openai.models import OxloModel
from sandbox.painter import Brief
from sandbox.scenes import Size

IMAGES_PER_CALL = range(1, 5)
REFERENCES_PER_CALL = range(1, 17)
SEEDS = range(2**63)
STRENGTH = 0.75  # default
FORBIDDEN_WORD = "forbidden"  # stands for everything that a provider's content policy refuses
FORMATS = ("b64_json", "url")

GENERATION = frozenset({"model", "prompt", "n", "size", "response_format", "seed", "user"})
EDIT = GENERATION | {"strength"}  # and the images


@dataclass(frozen=True, kw_only=True)
class CallParameters:
    """The valid parameters of one call. A missing seed is random; image number k has seed + k."""

    prompt: str
    count: int
    seed: int
    size_px: Size
    by_link: bool
    strength: float | None = None  # edits only
    references: tuple[bytes, ...] = ()
    mask: bytes | None = None  # white where the first reference is changed

    @property
    def briefs(self) -> tuple[Brief, ...]:
        return tuple(
            Brief(
                prompt=self.prompt,
                seed=self.seed + number,
                size_px=self.size_px,
                strength=self.strength,
                references=self.references,
                mask=self.mask,
            )
            for number in range(self.count)
        )


def check_names(body: RequestBody, *, is_edit: bool) -> None:
    """Raises `OpenAIApiError` for the first parameter that is unknown or missing."""
    known = EDIT if is_edit else GENERATION
    unknown = [name for name in body.values if name not in known]
    if body.images and not is_edit:
        unknown.append("image")
    if body.mask is not None and not is_edit:
        unknown.append("mask")
    if unknown:
        raise invalid(unknown[0], f"Unknown parameter: '{unknown[0]}'.", code="unknown_parameter")
    missing = [name for name in ("model", "prompt") if not str(body.values.get(name, "")).strip()]
    if is_edit and not body.images:
        missing.append("image")
    if missing:
        raise invalid(missing[0], f"Missing required parameter: '{missing[0]}'.", code="missing_required_parameter")


def parse_parameters(body: RequestBody, model: OxloModel, *, is_edit: bool) -> CallParameters:
    """Raises `OpenAIApiError` for the first value that is invalid for this model. Call `check_names` first."""
    if is_edit and not model.edits:
        raise invalid("model", f"The model `{model.id}` does not edit images.", code="unsupported_model")
    if is_edit and len(body.images) not in REFERENCES_PER_CALL:
        raise invalid("image", f"Invalid value for image: at most {REFERENCES_PER_CALL[-1]} images are allowed.")
    get = body.values.get
    parameters = CallParameters(
        prompt=_checked("prompt", get("prompt"), str, "it must be a text"),
        count=_checked("n", get("n", 1), int, "it must be an integer from 1 to 4", lambda n: n in IMAGES_PER_CALL),
        seed=_checked("seed", get("seed", random.getrandbits(31)), int, "it must be an integer from 0 on", lambda seed: seed in SEEDS),
        size_px=model.size(get("size")),
        by_link=_checked("response_format", get("response_format", FORMATS[0]), str, f"it is one of {FORMATS}", FORMATS.__contains__)
        == "url",
        strength=_strength(body.values) if is_edit else None,
        references=body.images,
        mask=None if body.mask is None else _mask(body.mask, body.images[0]),
    )
    if FORBIDDEN_WORD in parameters.prompt.casefold():
        raise policy_violation()
    return parameters


def _mask(content: bytes, image: bytes) -> bytes:
    """The mask as the painter takes it. OpenAI's is a PNG of the first image's size, transparent where it is changed."""
    try:
        mask, size = Image.open(io.BytesIO(content)), Image.open(io.BytesIO(image)).size
    except OSError as error:
        raise invalid("mask", "Invalid mask image format - mask must be in PNG format.", code="invalid_image_format") from error
    if mask.format != "PNG":
        raise invalid("mask", "Invalid mask image format - mask must be in PNG format.", code="invalid_image_format")
    if mask.size != size:
        raise invalid("mask", "Invalid mask image size - mask size does not match image size.", code="invalid_mask_size")
    if not mask.has_transparency_data:
        raise invalid("mask", "Invalid mask image format - mask image missing alpha channel.", code="mask_missing_alpha")
    changed = io.BytesIO()
    mask.convert("RGBA").getchannel("A").point(lambda alpha: 255 - alpha).save(changed, "PNG")
    return changed.getvalue()


def _strength(values: dict[str, Any]) -> float:
    strength = values.get("strength", STRENGTH)
    return float(_checked("strength", strength, (int, float), "it must be a number from 0 to 1", lambda value: 0 <= value <= 1))


def _checked(
    name: str, value: Any, kind: type | tuple[type, ...], rule: str, is_valid: Callable[[Any], bool] = lambda value: value is not None
) -> Any:
    """The value. Raises `OpenAIApiError` if its type is wrong or it is invalid. Booleans do not count as numbers."""
    if not isinstance(value, kind) or isinstance(value, bool):
        raise invalid(name, f"Invalid type for {name}: {rule}.", code="invalid_type")
    if not is_valid(value):
        raise invalid(name, f"Invalid value for {name}: {rule}.")
    return value
