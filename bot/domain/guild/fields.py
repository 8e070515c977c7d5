"""Field types of a guild's settings, and their form in a settings file."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic_core import PydanticCustomError

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
CREDITS_MAX: Final = 1_000_000
USD_MAX: Final = 1_000_000


class Section(BaseModel):
    """A part of the settings: immutable, and strict about names so that typing errors are reported."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


def _number(amount: Decimal) -> int | float:
    """A JSON number. Exact, because the fields allow fewer digits than a float has."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


class IdKind(StrEnum):
    """What a Discord id in the settings names. `bot.domain.guild.ids` finds such ids by these marks."""

    CHANNEL = "channel"  # also a thread or a category
    ROLE = "role"


def _id(kind: IdKind) -> BeforeValidator:
    """Accepts an id as a number or as a string. Files contain strings because many JSON parsers round numbers of this size."""

    def read(value: object) -> int:
        number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20 else value
        if isinstance(number, int) and not isinstance(number, bool) and 1 <= number < 2**63:
            return number
        raise PydanticCustomError(f"{kind}_id", f"{kind}_id")

    return BeforeValidator(read)


_TEXT_IN_FILES: Final = PlainSerializer(str, return_type=str, when_used="json")

ChannelId = Annotated[int, _id(IdKind.CHANNEL), _TEXT_IN_FILES, IdKind.CHANNEL]
RoleId = Annotated[int, _id(IdKind.ROLE), _TEXT_IN_FILES, IdKind.ROLE]

Credits = Annotated[Decimal, Field(ge=0, le=CREDITS_MAX, decimal_places=6), PlainSerializer(_number, when_used="json")]
"""Credits, with up to six decimals."""

Usd = Annotated[Decimal, Field(ge=0, le=USD_MAX, decimal_places=2), PlainSerializer(_number, when_used="json")]
"""US dollars, with up to two decimals."""

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
"""A fraction or a score: 0 to 1."""
