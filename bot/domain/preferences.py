"""A member's preferences: one document per member, validated when it is read and before it is written."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from bot.domain.catalog.options import folded

STYLES_MAX = 25  # the most choices that Discord shows
STYLE_NAME_MAX = 32  # characters
STYLE_TEXT_MAX = 500  # characters of a prefix or a suffix


class Consent(StrEnum):
    """Who else may edit a member's images."""

    EVERYONE = "everyone"
    ROLE = "role"  # members with the chosen role, in that role's guild
    NOBODY = "nobody"


class _MemberDocument(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Style(_MemberDocument):
    """A saved prefix, suffix and options for prompts."""

    name: str = Field(min_length=1, max_length=STYLE_NAME_MAX)
    prefix: str = Field(default="", max_length=STYLE_TEXT_MAX)
    suffix: str = Field(default="", max_length=STYLE_TEXT_MAX)
    model: str | None = None
    options: Mapping[str, str] = Field(default_factory=dict)  # by the option names of /generate

    def around(self, prompt: str) -> str:
        """The prompt between prefix and suffix."""
        return ", ".join(part for part in (self.prefix.strip(" ,"), prompt.strip(), self.suffix.strip(" ,")) if part)


class Preferences(_MemberDocument):
    """A member's preferences, with the defaults of a member who set none."""

    default_model: str | None = None  # None: the operator's
    aspect_ratio: str | None = None  # None: the model's default
    private: bool = False
    spoiler: bool = False
    tell_when_done: bool = False  # by direct message
    leaderboard: bool = True  # may be listed on guilds' leaderboards
    consent: Consent = Consent.EVERYONE
    consent_role_id: int | None = None
    locale: str | None = None  # Discord locale of the last interaction, for messages without one
    styles: tuple[Style, ...] = ()

    def style(self, name: str) -> Style | None:
        return next((style for style in self.styles if folded(style.name) == folded(name)), None)
