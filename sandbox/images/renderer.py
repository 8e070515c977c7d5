"""Renders images: checks the model's parameters, reads references, draws, and caches the newest results."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.images.briefs import brief, images_in
from sandbox.images.references import ReferenceUnavailable, read_references
from sandbox.painter import PaintedImage, UnreadableReference, paint

if TYPE_CHECKING:
    import aiohttp

    from sandbox.images.generations import OxenGeneration
    from sandbox.painter import Brief

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
            images = {name: await read_references(self._session, given) for name, given in images_in(generation.request.parameters).items()}
            return await self.paint(brief(generation, images))
        except (ReferenceUnavailable, UnreadableReference) as error:
            raise GenerationFailed(str(error)) from error

    def _check_parameters(self, generation: OxenGeneration) -> None:
        """Check the model's own parameters, which the queue does not."""
        request = generation.request
        if request.model.media_type != "image":
            raise GenerationFailed("The sandbox makes no videos")
        if request.prompt is not None and request.model.needs_prompt and not str(request.prompt).strip():
            raise GenerationFailed("Prompt cannot be empty")
        given = request.parameters if request.prompt is None else {"prompt": request.prompt, **request.parameters}
        if validation_error := request.model.validation_error(given):
            raise GenerationFailed(validation_error)
