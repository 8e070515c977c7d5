"""All files by their names."""

from __future__ import annotations

from typing import Final

from tests.media.cases import gif, heif, jpeg_cases, others, png_cases, webp

_MODULES: Final = (png_cases, jpeg_cases, gif, webp, heif)

SAMPLES: Final = {sample.name: sample for module in _MODULES for sample in module.samples()}
REFUSED: Final = {file.name: file for module in (*_MODULES, others) for file in module.refused()}
