"""Messages and forms as a person at the local Discord sees them, and the files that they upload."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

JSON = dict[str, Any]

_EPHEMERAL, _WAITING, _SILENT = 1 << 6, 1 << 7, 1 << 12  # message flags
_BUTTON, _TEXT = 2, 10  # component types


def walk(components: list[JSON]) -> Iterator[JSON]:
    """Every component in reading order, at any depth."""
    for component in components:
        yield component
        yield from walk(component.get("components") or [])
        yield from walk([component[key] for key in ("accessory", "component") if component.get(key)])


@dataclass(frozen=True, kw_only=True)
class File:
    """A file, uploaded when a request uses it."""

    filename: str
    data: bytes = field(repr=False)
    content_type: str


@dataclass(frozen=True, kw_only=True)
class Modal:
    """A form that the bot opened."""

    interaction_id: str
    custom_id: str
    title: str
    components: list[JSON]

    def control(self, custom_id: str) -> JSON:
        return next(c for c in walk(self.components) if c.get("custom_id") == custom_id)


@dataclass(frozen=True)
class Message:
    """A view of Discord's message object, `raw`."""

    raw: JSON

    @property
    def id(self) -> str:
        return str(self.raw["id"])

    @property
    def channel_id(self) -> str:
        return str(self.raw["channel_id"])

    @property
    def content(self) -> str:
        return str(self.raw["content"])

    @property
    def author(self) -> str:
        return str(self.raw["author"]["username"])

    @property
    def attachments(self) -> list[JSON]:
        return list(self.raw["attachments"])

    @property
    def components(self) -> list[JSON]:
        """Every component, at any depth, in reading order."""
        return list(walk(self.raw["components"]))

    @property
    def buttons(self) -> dict[str, JSON]:
        """Buttons by label, or by emoji where there is no label."""
        return {c.get("label") or (c.get("emoji") or {}).get("name") or "": c for c in self.components if c["type"] == _BUTTON}

    @property
    def text(self) -> str:
        """Content, embeds and text components, line by line."""
        embeds = [str(embed[key]) for embed in self.raw["embeds"] for key in ("title", "description") if embed.get(key)]
        fields = [f"{f['name']}: {f['value']}" for embed in self.raw["embeds"] for f in embed.get("fields") or ()]
        return "\n".join(filter(None, [self.content, *embeds, *fields, *(c["content"] for c in self.components if c["type"] == _TEXT)]))

    @property
    def reactions(self) -> dict[str, int]:
        return {reaction["emoji"]["name"]: reaction["count"] for reaction in self.raw["reactions"]}

    @property
    def reacted(self) -> dict[str, list[str]]:
        """Who reacted, by emoji: ids of people in the order of their reactions."""
        return {reaction["emoji"]["name"]: reaction["user_ids"] for reaction in self.raw["reactions"]}

    @property
    def pings(self) -> list[str]:
        """The ids of the people whom this message notifies."""
        return [str(user["id"]) for user in self.raw["mentions"]]

    @property
    def silent(self) -> bool:
        """Sent without a notification (SUPPRESS_NOTIFICATIONS)."""
        return bool(self.raw["flags"] & _SILENT)

    @property
    def ephemeral(self) -> bool:
        return bool(self.raw["flags"] & _EPHEMERAL)

    @property
    def waiting(self) -> bool:
        """Shown as "is thinking…": the bot has deferred its answer."""
        return bool(self.raw["flags"] & _WAITING)

    def __str__(self) -> str:
        marks = "".join((" ephemeral" if self.ephemeral else "", " waiting" if self.waiting else ""))
        files = [f"{a['filename']} ({a['size']} bytes)" for a in self.attachments]
        return f"<{self.author}{marks}: {self.text!r}, files {files}, buttons {list(self.buttons)}>"
