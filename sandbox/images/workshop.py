"""Where pictures are painted: checks the model's own parameters, reads references, draws, and keeps the newest results."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from sandbox.images.references import Unreadable, read_references
from sandbox.painter import Brief, Picture, UnreadableReference, paint

if TYPE_CHECKING:
    import aiohttp

    from sandbox.images.generations import Generation

KEPT_PICTURES = 48
PAINTERS = 2


class CannotPaint(Exception):
    """The generation fails; the sentence becomes its error message."""


class Workshop:
    """Paints generations, a few at a time, off the event loop."""

    def __init__(self, *, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._kept: OrderedDict[str, Picture] = OrderedDict()
        self._easels = asyncio.Semaphore(PAINTERS)

    async def picture(self, generation: Generation) -> Picture:
        """The generation's picture; one that is no longer kept is painted again. Raise `CannotPaint`."""
        picture = self._kept.get(generation.id) or await self._paint(generation)
        self._kept[generation.id] = picture
        self._kept.move_to_end(generation.id)
        while len(self._kept) > KEPT_PICTURES:
            self._kept.popitem(last=False)
        return picture

    async def _paint(self, generation: Generation) -> Picture:
        self._check(generation)
        try:
            references = await read_references(self._session, generation.order.parameters.get("input_image"))
            async with self._easels:
                return await asyncio.to_thread(paint, brief(generation, references))
        except (Unreadable, UnreadableReference) as error:
            raise CannotPaint(str(error)) from error

    def _check(self, generation: Generation) -> None:
        """What the queue does not check: the model's own parameters."""
        order = generation.order
        if order.model.media_type != "image":
            raise CannotPaint("The sandbox makes no videos")
        if order.prompt is not None and not str(order.prompt).strip():
            raise CannotPaint("Prompt cannot be empty")
        given = order.parameters if order.prompt is None else {"prompt": order.prompt, **order.parameters}
        if complaint := order.model.complaint(given):
            raise CannotPaint(complaint)


def brief(generation: Generation, references: tuple[bytes, ...]) -> Brief:
    """The model's parameters in the painter's words. What was not submitted has the model's default."""
    order = generation.order

    def value(*names: str, otherwise: Any) -> Any:
        found = (order.parameters.get(name, order.model.default(name)) for name in names)
        return next((each for each in found if each is not None), otherwise)

    return Brief(
        prompt=order.prompt,
        seed=generation.seed,
        aspect_ratio=value("aspect_ratio", otherwise="1:1"),
        resolution=value("resolution", otherwise="1 MP"),
        steps=value("num_inference_steps", otherwise=28),
        guidance=value("guidance_scale", "guidance", otherwise=2.0),
        output_format=value("output_format", otherwise="png"),
        quality=value("output_quality", otherwise="standard"),
        references=references,
    )
