"""A guild's settings: one document per guild, validated when it is read and before it is written."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from bot.domain.guild.document import Policy, document
from bot.domain.guild.emoji import normalized_emoji, without_tone
from bot.domain.guild.ids import NamedId, named_ids

PRESETS_MAX = 20  # Discord's limit of different reactions on a message
PRESET_NAME_MAX = 40  # characters
PRESET_PROMPT_MAX = 1000  # characters


def _quoted(value: str) -> str:
    """A value in quotes. It was parsed from such a pair, so it never contains both kinds of quotes."""
    return f"'{value}'" if '"' in value else f'"{value}"'


class _GuildDocument(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Preset(_GuildDocument):
    """An edit that a reaction runs."""

    emoji: str = Field(min_length=1, max_length=64)  # in Discord's notation: a Unicode emoji, or <:name:id>
    name: str = Field(min_length=1, max_length=PRESET_NAME_MAX)
    prompt: str = Field(min_length=1, max_length=PRESET_PROMPT_MAX)
    model: str | None = None  # None: the default model
    options: Mapping[str, str] = Field(default_factory=dict)  # by the option names of /edit, or the model's own names

    @property
    def more(self) -> str:
        """The options as name=value pairs."""
        return " ".join(f"{name}={_quoted(value)}" for name, value in self.options.items())


STARTING_PRESETS = (
    Preset(emoji="🎨", name="Watercolour", prompt="the same image as a loose watercolour painting on rough paper"),
    Preset(emoji="🌙", name="Night", prompt="the same scene at night, lit by the moon and warm windows"),
    Preset(emoji="❄️", name="Winter", prompt="the same scene in deep winter, with snow and frost"),
    Preset(emoji="🕹️", name="Pixel art", prompt="the same image as crisp 16-bit pixel art"),
    Preset(emoji="🎬", name="Film still", prompt="the same image as a still from a film, anamorphic lens, dramatic light"),
    Preset(emoji="🧸", name="Felt", prompt="the same image made of needle-felted wool, soft studio light"),
    Preset(emoji="🗿", name="Statue", prompt="the same subject carved from white marble in a museum"),
)


class GuildSettings(_GuildDocument):
    """A guild's settings, with the defaults of a new guild."""

    presets: tuple[Preset, ...] = Field(default=STARTING_PRESETS, max_length=PRESETS_MAX)
    policy: Policy = Policy()
    gone: frozenset[int] = frozenset()  # channels and roles that the policy names and that were deleted on Discord; managers were told

    def gone_in_policy(self, deleted: Collection[int]) -> frozenset[NamedId]:
        """What the policy names of these deleted channels and roles."""
        return frozenset(each for each in named_ids(self.policy) if each.id in deleted)

    def as_file(self) -> dict[str, Any]:
        """All settings, named as in a settings file. The audit log compares these."""
        return {**document(self.policy), "presets": self.model_dump(mode="json", include={"presets"})["presets"]}

    def preset(self, emoji: str) -> Preset | None:
        """The preset that this reaction runs: the one on exactly this emoji, else the one on it in another skin tone."""
        same = (preset for form in (normalized_emoji, without_tone) for preset in self.presets if form(preset.emoji) == form(emoji))
        return next(same, None)
