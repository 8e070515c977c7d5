"""The bare bot: the HTTP calls that one image needs, with plain aiohttp. No library for Discord, no database, no checks.

It is the floor that Easel is compared with. Run by the benchmarks as `python -m benchmarks.bare URL`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aiohttp

_NO_LIMIT = aiohttp.ClientTimeout(total=None)


class BareBot:
    """Answers `/generate` with "waiting", and puts the image in its place."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session
        self._tokens: dict[str, tuple[str, str]] = {}  # application and token, by the generation's id
        self._early: dict[str, dict[str, Any]] = {}  # events that came before the answer to their enqueue

    async def order(self, interaction: dict[str, Any]) -> None:
        callback = f"{self._url}/api/v10/interactions/{interaction['id']}/{interaction['token']}/callback"
        async with self._session.post(callback, json={"type": 4, "data": {"content": "waiting"}}) as response:
            await response.read()
        body = {"model": "black-forest-labs-flux-2-klein-4b", "prompt": interaction["data"]["options"][0]["value"]}
        async with self._session.post(f"{self._url}/api/ai/queue", json=body) as response:
            (accepted,) = (await response.json())["generations"]
        generation_id = accepted["generation_id"]
        self._tokens[generation_id] = (interaction["application_id"], interaction["token"])
        if generation_id in self._early:
            await self.deliver(self._early.pop(generation_id))

    async def deliver(self, event: dict[str, Any]) -> None:
        if event["generation_id"] not in self._tokens:
            self._early[event["generation_id"]] = event
            return
        application, token = self._tokens.pop(event["generation_id"])
        async with self._session.get(event["url"]) as response:
            image = await response.read()
        form = aiohttp.FormData()
        form.add_field("payload_json", json.dumps({"content": "done", "attachments": [{"id": 0}]}), content_type="application/json")
        form.add_field("files[0]", image, filename="image.png", content_type="image/png")
        async with self._session.patch(f"{self._url}/api/v10/webhooks/{application}/{token}/messages/@original", data=form) as response:
            await response.read()

    async def connect(self, group: asyncio.TaskGroup, ready: asyncio.Event) -> None:
        async with self._session.ws_connect(f"{self._url}/gateway", max_msg_size=0) as socket:
            await socket.send_json({"op": 2, "d": {}})
            async for frame in socket:
                event = json.loads(frame.data)
                if event["t"] == "READY":
                    ready.set()
                elif event["t"] == "INTERACTION_CREATE":
                    group.create_task(self.order(event["d"]), name="order")

    async def listen(self, group: asyncio.TaskGroup, ready: asyncio.Event) -> None:
        async with self._session.get(f"{self._url}/api/events", timeout=_NO_LIMIT) as stream:
            ready.set()
            async for line in stream.content:
                if line.startswith(b"data: "):
                    group.create_task(self.deliver(json.loads(line[6:])), name="deliver")


async def main(url: str) -> None:
    connected, listening = asyncio.Event(), asyncio.Event()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        bot = BareBot(url, session)
        group.create_task(bot.connect(group, connected), name="gateway")
        group.create_task(bot.listen(group, listening), name="events")
        await connected.wait()
        await listening.wait()
        sys.stdout.write("{}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
