"""Which models are offered for which kind of order."""

from __future__ import annotations

from bot.core.errors import InvalidRequest
from bot.core.i18n import _
from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.options import quoted
from bot.domain.job import JobKind


def serves(model: ModelInfo, kind: JobKind) -> bool:
    """Whether the model is offered for orders of this kind. Upscalers are offered for nothing else."""
    if model.upscales or kind is JobKind.UPSCALE:
        return model.upscales and kind is JobKind.UPSCALE
    return model.edits or kind is JobKind.GENERATE


def check_purpose(model: ModelInfo, kind: JobKind) -> None:
    """Raise `InvalidRequest` if an upscaler is to do something else, or another model is to upscale, or one for styles is to edit."""
    if model.upscales and kind is not JobKind.UPSCALE:
        raise InvalidRequest(_("{model} only upscales images. Use /upscale instead.").format(model=quoted(model.title)))
    if kind is JobKind.UPSCALE and not model.upscales:
        raise InvalidRequest(_("{model} can't upscale images. Choose another model.").format(model=quoted(model.title)))
    if kind is JobKind.EDIT and model.takes_references and not model.edits:
        sentence = _("{model} takes only the style of an image. Use /generate with a reference image, or choose another model.")
        raise InvalidRequest(sentence.format(model=quoted(model.title)))
