"""Stories for the demo: faults that belong together, what to do, and what to watch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Story:
    """What goes wrong outside of the bot, as a person would tell it. `faults`: how often each fires, None until it is turned off."""

    name: str
    title: str
    sentence: str
    faults: Mapping[str, int | None]

    def json(self) -> dict[str, Any]:
        return {"name": self.name, "title": self.title, "sentence": self.sentence, "faults": dict(self.faults)}


STORIES: tuple[Story, ...] = (
    Story(
        name="api-down",
        title="The image API goes down",
        sentence="Turn this on and create an image: it waits instead of failing, and it is made once you turn this off.",
        faults={"oxen-down": None, "oxlo-down": None},
    ),
    Story(
        name="answer-lost",
        title="An answer is lost",
        sentence="Create an image: the API takes the order, but its answer never arrives. You still get one image and pay once.",
        faults={"enqueue-answer-lost": None},
    ),
    Story(
        name="discord-refuses",
        title="Discord refuses",
        sentence="Create an image: Discord's filter refuses it as explicit. You are told why and refunded.",
        faults={"images-refused": None},
    ),
    Story(
        name="network-drops",
        title="The network drops",
        sentence="Create an image: a connection breaks at every step. It arrives all the same, and only once.",
        faults={"discord-answer-lost": 1, "enqueue-cut": 1, "result-cut": 1, "events-cut": 1, "socket-dropped": None},
    ),
)
