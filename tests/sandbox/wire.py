"""An HTTP client for the sandbox's tests, which does not depend on the server's code."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from PIL import Image

KLEIN = "black-forest-labs-flux-2-klein-4b"
DEV = "flux-2-dev"
SD, SDXL, SCHNELL, OXLO_PRO = "stable-diffusion-1.5", "sdxl_lightning_4step.safetensors", "flux.1-schnell", "oxlo-image-pro"
PATIENCE_S = 10.0
ENDED = {"succeeded", "failed", "cancelled"}


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A complete response."""

    status: int
    headers: dict[str, str]
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def image(self) -> Image.Image:
        return Image.open(io.BytesIO(self.data))

    @property
    def inline_images(self) -> list[Image.Image]:
        """The images in the body of the OpenAI-compatible contract."""
        return [Image.open(io.BytesIO(base64.b64decode(each["b64_json"]))) for each in self.json["data"]]


class Stream:
    """One open event stream."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self._rest = b""

    async def block(self) -> bytes:
        """The bytes up to the next empty line."""
        async with asyncio.timeout(PATIENCE_S):
            while b"\n\n" not in self._rest:
                self._rest += await self._more()
        block, _, self._rest = self._rest.partition(b"\n\n")
        return block

    async def event(self) -> tuple[str, dict[str, Any]]:
        """The next event's name and data; comments are skipped."""
        block = await self.block()
        while block.startswith(b":"):
            block = await self.block()
        name, data = (line.partition(": ")[2] for line in block.decode().split("\n"))
        return name, json.loads(data)

    async def until(self, wanted: bytes) -> bytes:
        """All bytes until `wanted` has been seen."""
        async with asyncio.timeout(PATIENCE_S):
            while wanted not in self._rest:
                self._rest += await self._more()
        return self._rest

    async def _more(self) -> bytes:
        piece = await self.response.content.readany()
        if not piece:
            raise EOFError
        return piece


class Client:
    """A client with an API key."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        async with asyncio.timeout(PATIENCE_S), self.session.request(method, path, json=body, **options) as response:
            return Answer(status=response.status, headers=dict(response.headers), data=await response.read())

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.call("GET", path, **options)

    async def enqueue(self, *, key: str | None = None, **body: Any) -> Answer:
        headers = {"Authorization": f"Bearer {key}"} if key else None
        return await self.call("POST", "/api/ai/queue", {"model": KLEIN, "prompt": "a fox", **body}, headers=headers)

    async def generate(self, **body: Any) -> Answer:
        return await self.call("POST", "/api/ai/images/generate", {"model": KLEIN, "prompt": "a fox", **body})

    async def row(self, generation_id: str) -> dict[str, Any]:
        row: dict[str, Any] = (await self.get(f"/api/ai/queue/{generation_id}")).json
        return row

    async def reaches(self, generation_id: str, *statuses: str) -> dict[str, Any]:
        """The generation's row once it has one of the statuses."""
        row: dict[str, Any] = {}

        async def there() -> bool:
            row.update(await self.row(generation_id))
            return row["status"] in statuses

        await until(there)
        return row

    async def made(self, **body: Any) -> dict[str, Any]:
        """Enqueue one generation and wait for its end."""
        (taken,) = (await self.enqueue(**body)).json["generations"]
        return await self.reaches(taken["generation_id"], *ENDED)

    async def ledger(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.get("/sandbox/generations")).json
        return found

    async def draw(self, *, key: str | None = None, **body: Any) -> Answer:
        """Generate in the OpenAI-compatible contract."""
        headers = {"Authorization": f"Bearer {key}"} if key else None
        return await self.call("POST", "/v1/images/generations", {"model": SD, "prompt": "a fox", **body}, headers=headers)

    async def redraw(self, **body: Any) -> Answer:
        """Edit in the OpenAI-compatible contract, by JSON."""
        return await self.call("POST", "/v1/images/edits", {"model": SD, "prompt": "a fox", **body})

    async def calls(self) -> list[dict[str, Any]]:
        """Every call of the OpenAI-compatible contract, oldest first."""
        found: list[dict[str, Any]] = (await self.get("/sandbox/openai/calls")).json["calls"]
        return found

    @asynccontextmanager
    async def events(self) -> AsyncIterator[Stream]:
        timeout = aiohttp.ClientTimeout(total=None)
        async with self.session.get("/api/events", timeout=timeout) as response:
            assert response.status == 200
            yield Stream(response)
