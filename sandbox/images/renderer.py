"""Renders images: checks the model's parameters, reads references, draws, and caches the newest results."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sandbox.images.references import ReferenceUnavailable, read_references
from sandbox.painter import Brief, PaintedImage, UnreadableReference, paint

if TYPE_CHECKING:
    import aiohttp

    from sandbox.images.generations import OxenGeneration

KEPT_IMAGES = 48
PAINTINGS_AT_ONCE = 2


class GenerationFailed(Exception):
    """The generation fails. The text becomes its error message."""


class ImageCache:
    """The newest images, by id."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, PaintedImage] = OrderedDict()

    def find(self, image_id: str) -> PaintedImage | None:
        return self._kept.get(image_id)

    def put(self, image_id: str, image: PaintedImage) -> None:
        """Add an image as the newest, and drop the oldest."""
        self._kept[image_id] = image
        self._kept.move_to_end(image_id)
        while len(self._kept) > KEPT_IMAGES:
            self._kept.popitem(last=False)


class Renderer:
    """Draws a few images at a time, in threads; with `draft` small and coarse ones."""

    def __init__(self, *, session: aiohttp.ClientSession, draft: bool) -> None:
        self._session = session
        self._draft = draft
        self._cache = ImageCache()
        self._slots = asyncio.Semaphore(PAINTINGS_AT_ONCE)

    async def paint(self, brief: Brief) -> PaintedImage:
        """Draw one image. Raises `UnreadableReference`."""
        async with self._slots:
            return await asyncio.to_thread(paint, replace(brief, is_draft=self._draft))

    async def image_of(self, generation: OxenGeneration) -> PaintedImage:
        """The image of a generation, drawn again if it is no longer cached. Raises `GenerationFailed`."""
        image = self._cache.find(generation.id) or await self._paint_generation(generation)
        self._cache.put(generation.id, image)
        return image

    async def _paint_generation(self, generation: OxenGeneration) -> PaintedImage:
        self._check_parameters(generation)
        try:
            references = await read_references(self._session, generation.request.parameters.get("input_image"))
            return await self.paint(brief(generation, references))
        except (ReferenceUnavailable, UnreadableReference) as error:
            raise GenerationFailed(str(error)) from error

    def _check_parameters(self, generation: OxenGeneration) -> None:
        """Check the model's own parameters, which the queue does not."""
        request = generation.request
        if request.model.media_type != "image":
            raise GenerationFailed("The sandbox makes no videos")
        if request.prompt is not None and not str(request.prompt).strip():
            raise GenerationFailed("Prompt cannot be empty")
        given = request.parameters if request.prompt is None else {"prompt": request.prompt, **request.parameters}
        if validation_error := request.model.validation_error(given):
            raise GenerationFailed(validation_error)


def brief(generation: OxenGeneration, references: tuple[bytes, ...]) -> Brief:
    """Translate the model's parameters to the painter's. Missing ones have the model's default."""
    request = generation.request

    def value(*names: str, otherwise: Any) -> Any:
        found = (request.parameters.get(name, request.model.default(name)) for name in names)
        return next((each for each in found if each is not None), otherwise)

    return Brief(
        prompt=request.prompt,
        seed=generation.seed,
        aspect_ratio=value("aspect_ratio", otherwise="1:1"),
        resolution=_in_megapixels(value("resolution", otherwise="1 MP")),
        steps=value("num_inference_steps", otherwise=28),
        guidance=value("guidance_scale", "guidance", otherwise=2.0),
        output_format=value("output_format", otherwise="png"),
        quality=value("output_quality", otherwise="standard"),
        references=references,
    )


def _in_megapixels(resolution: str) -> str:
    """The painter's resolution. A tier such as "2K" is drawn smaller than it is, so that it takes little time."""
    return f"{resolution[:-1]} MP" if resolution.upper().endswith("K") else resolution
