"""Reads the bot's HTTP page."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any

import aiohttp

HOST = "127.0.0.1"


def free_port() -> int:
    with socket.create_server((HOST, 0)) as taken:
        return int(taken.getsockname()[1])


@dataclass(frozen=True, kw_only=True)
class PageAnswer:
    status: int
    text: str

    @property
    def parts(self) -> dict[str, Any]:
        """Of /readyz."""
        parts: dict[str, Any] = json.loads(self.text)["parts"]
        return parts


async def get(port: int, path: str, *, method: str = "GET") -> PageAnswer:
    async with aiohttp.ClientSession() as session, session.request(method, f"http://{HOST}:{port}{path}") as response:
        return PageAnswer(status=response.status, text=await response.text())
