"""Shared by all parts of the local Discord: Discord's errors, uploads and limits."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

JSON = dict[str, Any]  # an object as it is on the wire

UPLOAD_LIMIT_BYTES = 10 * 1024 * 1024  # per file, in a server without boosts
REQUEST_LIMIT_BYTES = 25 * 1024 * 1024  # all files of a message together
TOKEN_LIFE_S = 15 * 60  # lifetime of an interaction's token
FIRST_ANSWER_S = 3.0  # time limit for the first answer to an interaction
EPHEMERAL = 1 << 6  # message flag: visible to one person only


# Flags of the application object for privileged intents of an application in fewer than 100 servers.
_INTENT_FLAGS = {"presences": 1 << 13, "members": 1 << 15, "message_content": 1 << 19}


class DiscordApiError(Exception):
    """An error of Discord's API: HTTP status, Discord's error code, a sentence.

    Source: https://discord.com/developers/docs/topics/opcodes-and-status-codes
    """

    def __init__(self, status: int, code: int, message: str, *, more: JSON | None = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body: JSON = {"message": message, "code": code, **(more or {})}


class RefusedError(Exception):
    """Discord's client would not let a person do this. The text is the sentence that they read."""


def application_flags(privileged: frozenset[str]) -> int:
    return sum(_INTENT_FLAGS[name] for name in privileged)


def not_found() -> DiscordApiError:
    return DiscordApiError(404, 0, "404: Not Found")


def unauthorised() -> DiscordApiError:
    return DiscordApiError(401, 0, "401: Unauthorized")


def invalid_form(detail: str) -> DiscordApiError:
    return DiscordApiError(400, 50035, f"Invalid Form Body: {detail}")


def too_large() -> DiscordApiError:
    return DiscordApiError(413, 40005, "Request entity too large")


@dataclass(frozen=True, kw_only=True)
class Upload:
    """One uploaded file."""

    filename: str
    data: bytes = field(repr=False)
    content_type: str = "application/octet-stream"
    description: str | None = None

    @property
    def fp(self) -> BytesIO:
        """A new reader each time, because a refused call may have read the file to its end."""
        return BytesIO(self.data)


def safe_filename(name: str) -> str:
    """As at Discord, characters that do not belong in a URL become underscores."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name.replace("\\", "/").rsplit("/", 1)[-1]) or "unknown"


def parse_id(value: object, what: str = "id") -> int:
    """Parse a snowflake. Raises `RefusedError` for anything else."""
    if isinstance(value, str | int) and not isinstance(value, bool) and str(value).isdecimal():
        return int(value)
    raise RefusedError(f"The {what} is not a number.")
