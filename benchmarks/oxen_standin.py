"""The part of Oxen's API that the bot uses. Every generation succeeds after a settable time."""

from __future__ import annotations

import asyncio
import io
import json
import random
import time
from itertools import count
from pathlib import Path
from typing import Any

from aiohttp import web
from PIL import Image

from benchmarks.interactions import InteractionLog, InteractionStep

_MODELS = Path(__file__).parent / "models.json"
_KEEP_ALIVE_S = 15.0
IMAGE_KB = 100


class CheapOxen:
    """Models, queue, event stream and results."""

    def __init__(self, orders: InteractionLog) -> None:
        self._orders = orders
        self._rows: dict[str, dict[str, Any]] = {}
        self._streams: set[asyncio.Queue[bytes]] = set()
        self._ids = count(1)
        self._models: list[dict[str, Any]] = json.loads(_MODELS.read_text("utf-8"))
        self.url = ""
        self.generation_s = 0.05
        self.image = noise_png(IMAGE_KB)
        self.photo = b""  # a JPEG

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/ai/models", self.list_models),
            web.get("/api/ai/models/search", self.search_models),
            web.get("/api/ai/models/{id}", self.read_model),
            web.post("/api/ai/queue", self.enqueue),
            web.get("/api/ai/queue", self.list_rows),
            web.get("/api/ai/queue/{id}", self.read_row),
            web.delete("/api/ai/queue/{id}", self.cancel),
            web.get("/api/events", self.listen),
            web.get("/results/{name}", self.result),
        ]

    async def enqueue(self, request: web.Request) -> web.Response:
        self._orders.calls["enqueue"] += 1
        body = await request.json()
        rows = [self._enqueue(body) for _ in range(body.get("num_generations", 1))]
        return web.json_response({"generations": [{"generation_id": row["generation_id"], "status": row["status"]} for row in rows]})

    async def read_row(self, request: web.Request) -> web.Response:
        self._orders.calls["read"] += 1
        row = self._rows.get(request.match_info["id"])
        return web.json_response(row) if row else web.json_response({"error": {"message": "not found"}}, status=404)

    async def list_rows(self, request: web.Request) -> web.Response:
        self._orders.calls["list"] += 1
        wanted = {request.query["status"]} if "status" in request.query else {"queued", "processing"}
        found = [row for row in self._rows.values() if row["status"] in wanted]
        return web.json_response({"count": len(found), "generations": found})

    async def cancel(self, request: web.Request) -> web.Response:
        self._orders.calls["cancel"] += 1
        generation_id = request.match_info["id"]
        if (row := self._rows.get(generation_id)) and row["status"] == "processing":
            row["status"] = "cancelled"
        return web.json_response({"status": "success", "generation_id": generation_id})

    async def listen(self, request: web.Request) -> web.StreamResponse:
        self._orders.calls["listen"] += 1
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self._streams.add(chunks)
        try:
            while True:
                try:
                    await response.write(await asyncio.wait_for(chunks.get(), _KEEP_ALIVE_S))
                except TimeoutError:
                    await response.write(b": keep-alive\n\n")
        finally:
            self._streams.discard(chunks)

    async def result(self, request: web.Request) -> web.Response:
        self._orders.calls["download"] += 1
        if request.match_info["name"].endswith(".jpg"):
            return web.Response(body=self.photo, content_type="image/jpeg")
        return web.Response(body=self.image, content_type="image/png")

    async def list_models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": self._models})

    async def search_models(self, _: web.Request) -> web.Response:
        return web.json_response({"data": []})

    async def read_model(self, request: web.Request) -> web.Response:
        found = next((model for model in self._models if model["id"] == request.match_info["id"]), None)
        return web.json_response(found, status=200 if found else 404)

    # Internal

    def _enqueue(self, body: dict[str, Any]) -> dict[str, Any]:
        generation_id = f"generation-{next(self._ids)}"
        row = self._rows[generation_id] = {
            **{key: value for key, value in body.items() if key != "input_image"},
            "generation_id": generation_id,
            "status": "processing",
            "model_name": body["model"],
            "media_type": "image",
            "enqueued_at": int(time.time()),
        }
        asyncio.get_running_loop().call_later(self.generation_s, self._complete, row)
        return row

    def _complete(self, row: dict[str, Any]) -> None:
        if row["status"] != "processing":
            return
        url = f"{self.url}/results/{row['generation_id']}.png"
        row |= {"status": "succeeded", "result_url": url}
        event = {"generation_id": row["generation_id"], "status": "succeeded", "media_type": "image", "model": row["model"], "url": url}
        chunk = f"event: media_generation_completed\ndata: {json.dumps(event, separators=(',', ':'))}\n\n".encode()
        self._orders.reach(row["prompt"].rpartition(" ")[2], InteractionStep.COMPLETED)
        for stream in self._streams:
            stream.put_nowait(chunk)


def noise_png(kilobytes: float) -> bytes:
    """A square PNG of about this size. Noise does not compress, so the image has few pixels for its bytes."""
    return _noise(int((kilobytes * 1000 / 3) ** 0.5), "PNG", compress_level=0)


def noise_jpeg(kilobytes: float) -> bytes:
    """A square JPEG of about this size."""
    return _noise(int((kilobytes * 1000 / 0.9) ** 0.5), "JPEG", quality=90)


def _noise(side_px: int, format_: str, **options: Any) -> bytes:
    side = max(1, side_px)
    content = io.BytesIO()
    Image.frombytes("RGB", (side, side), random.Random(1).randbytes(3 * side * side)).save(content, format_, **options)
    return content.getvalue()
