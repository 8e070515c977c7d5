"""What a server's managers chose for it: one document each, checked when it is read and before it is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from bot.domain.guild.document import Policy, document

PRESETS_MAX = 20  # as many different reactions as a message takes
PRESET_NAME_MAX = 40  # characters
PRESET_PROMPT_MAX = 1000  # characters
_VARIATION = "\ufe0f"  # asks for the coloured form of a sign; clients send the same emoji with and without it
_MADE = re.compile(r"<a?:\w+:(?P<id>\d+)>")  # an emoji that a server made


def plain(emoji: str) -> str:
    """An emoji as it is compared: without the sign that asks for its coloured form; one that a server made by its id, not its name."""
    made = _MADE.fullmatch(emoji.strip())
    return f"<{made['id']}>" if made else emoji.strip().replace(_VARIATION, "")


def _in_marks(value: str) -> str:
    """A value as it stands in a pair; none holds both kinds of marks, since it came from a pair."""
    return f"'{value}'" if '"' in value else f'"{value}"'


class _GuildDocument(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Preset(_GuildDocument):
    """An edit that a reaction runs."""

    emoji: str = Field(min_length=1, max_length=64)  # as Discord writes it: a sign, or <:name:id>
    name: str = Field(min_length=1, max_length=PRESET_NAME_MAX)
    prompt: str = Field(min_length=1, max_length=PRESET_PROMPT_MAX)
    model: str | None = None  # None: the default one
    options: Mapping[str, str] = Field(default_factory=dict)  # by the names that /edit has, or the model's own

    @property
    def more(self) -> str:
        """The options as members write them: name=value pairs."""
        return " ".join(f"{name}={_in_marks(value)}" for name, value in self.options.items())


STARTING_PRESETS = (
    Preset(emoji="🎨", name="Watercolour", prompt="the same picture as a loose watercolour painting on rough paper"),
    Preset(emoji="🌙", name="Night", prompt="the same scene at night, lit by the moon and warm windows"),
    Preset(emoji="❄️", name="Winter", prompt="the same scene in deep winter, with snow and frost"),
    Preset(emoji="🕹️", name="Pixel art", prompt="the same picture as crisp 16-bit pixel art"),
    Preset(emoji="🎬", name="Film still", prompt="the same picture as a still from a film, anamorphic lens, dramatic light"),
    Preset(emoji="🧸", name="Felt", prompt="the same picture made of needle-felted wool, soft studio light"),
    Preset(emoji="🗿", name="Statue", prompt="the same subject carved from white marble in a museum"),
)


class GuildSettings(_GuildDocument):
    """A server's choices; the defaults are what a new server gets."""

    presets: tuple[Preset, ...] = Field(default=STARTING_PRESETS, max_length=PRESETS_MAX)
    policy: Policy = Policy()

    def as_file(self) -> dict[str, Any]:
        """All of it, named as in a settings file: what the audit log compares."""
        return {**document(self.policy), "presets": self.model_dump(mode="json", include={"presets"})["presets"]}

    def preset(self, emoji: str) -> Preset | None:
        """The preset that this reaction runs."""
        return next((preset for preset in self.presets if plain(preset.emoji) == plain(emoji)), None)
