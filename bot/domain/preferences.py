"""What a member chose for themselves: one document each, checked when it is read and before it is written."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

STYLES_MAX = 25  # as many as Discord offers in a list
STYLE_NAME_MAX = 32  # characters
STYLE_TEXT_MAX = 500  # characters of a prefix or a suffix


class Consent(StrEnum):
    """Who may edit the images of a member; the member always may."""

    EVERYONE = "everyone"
    ROLE = "role"  # who has the chosen role, in the server that it belongs to
    NOBODY = "nobody"


class _MemberDocument(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Style(_MemberDocument):
    """Words and options that a member saved under a name, to be put around a prompt."""

    name: str = Field(min_length=1, max_length=STYLE_NAME_MAX)
    prefix: str = Field(default="", max_length=STYLE_TEXT_MAX)
    suffix: str = Field(default="", max_length=STYLE_TEXT_MAX)
    model: str | None = None
    options: Mapping[str, str] = Field(default_factory=dict)  # by the names that /generate has

    def around(self, prompt: str) -> str:
        """The prompt between prefix and suffix."""
        return ", ".join(part for part in (self.prefix.strip(" ,"), prompt.strip(), self.suffix.strip(" ,")) if part)


class Preferences(_MemberDocument):
    """A member's choices; the defaults are what somebody gets who never chose."""

    default_model: str | None = None  # None: the operator's
    aspect_ratio: str | None = None  # None: the model's own
    private: bool = False
    spoiler: bool = False
    tell_when_done: bool = False  # by direct message
    leaderboard: bool = True  # may be listed where a server has one
    consent: Consent = Consent.EVERYONE
    consent_role_id: int | None = None
    locale: str | None = None  # the language of the last interaction, for answers that none has asked for
    styles: tuple[Style, ...] = ()

    def style(self, name: str) -> Style | None:
        return next((style for style in self.styles if style.name.casefold() == name.strip().casefold()), None)
