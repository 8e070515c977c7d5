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


class Shelf:
    """The newest pictures, by id."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Picture] = OrderedDict()

    def find(self, picture_id: str) -> Picture | None:
        return self._kept.get(picture_id)

    def put(self, picture_id: str, picture: Picture) -> None:
        """Keep it as the newest; the oldest gives way."""
        self._kept[picture_id] = picture
        self._kept.move_to_end(picture_id)
        while len(self._kept) > KEPT_PICTURES:
            self._kept.popitem(last=False)


class Workshop:
    """Paints a few pictures at a time, off the event loop."""

    def __init__(self, *, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._shelf = Shelf()
        self._easels = asyncio.Semaphore(PAINTERS)

    async def paint(self, brief: Brief) -> Picture:
        """Raise `UnreadableReference`."""
        async with self._easels:
            return await asyncio.to_thread(paint, brief)

    async def picture(self, generation: Generation) -> Picture:
        """The generation's picture; one that is no longer kept is painted again. Raise `CannotPaint`."""
        picture = self._shelf.find(generation.id) or await self._made(generation)
        self._shelf.put(generation.id, picture)
        return picture

    async def _made(self, generation: Generation) -> Picture:
        self._check(generation)
        try:
            references = await read_references(self._session, generation.order.parameters.get("input_image"))
            return await self.paint(brief(generation, references))
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
