"""The bot's process: the page can ask to kill it, and is told how it ended by whoever runs it."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from sandbox.discord.wire import JSON


class BotProcess:
    """`POST /bot/kill` and `POST /bot/ended`. Without `kill` nobody could start the bot again, so it can't be killed."""

    def __init__(self, *, kill: Callable[[], None] | None, images_in_work: Callable[[], int], is_online: Callable[[], bool]) -> None:
        self._kill = kill
        self._images_in_work = images_in_work
        self._is_online = is_online
        self._images: int | None = None  # in work when the page asked to kill the bot
        self._end: JSON | None = None
        self._ends = 0
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` after the bot has ended."""
        self._listeners.append(listener)

    def json(self) -> JSON:
        """`killable`, and how the bot ended last."""
        return {"killable": self._kill is not None, "ended": self._end}

    async def kill(self, _: web.Request) -> web.Response:
        if self._kill is None or not self._is_online():
            raise web.HTTPConflict(text="There is nothing to kill: the bot is not running, or nobody would start it again.")
        self._images = self._images_in_work()
        self._kill()
        return web.json_response({})

    async def ended(self, request: web.Request) -> web.Response:
        """The process that runs the bot says that it ended: `{"killed": bool}`."""
        if self._kill is None:
            raise web.HTTPNotFound
        killed = bool((await request.json()).get("killed"))
        images, self._images = self._images_in_work() if self._images is None else self._images, None
        self._ends += 1
        self._end = {"number": self._ends, "killed": killed, "images": images}
        for listener in self._listeners:
            listener()
        return web.json_response({})
