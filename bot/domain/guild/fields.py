"""Small values that a server's rules are written in, and how each stands in a settings file."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
CREDITS_MAX: Final = 1_000_000
USD_MAX: Final = 1_000_000


class Section(BaseModel):
    """A part of the rules: never changed, and strict about names, so that a slip of the pen is told and not passed over."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


def _number(amount: Decimal) -> int | float:
    """As a person would write it in JSON. Exact there and back: fewer digits than a float holds."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def _digits(value: object) -> object:
    """Ids come as numbers or as their digits; files hold digits, since many readers of JSON round numbers of this size."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20 else value


Id = Annotated[int, BeforeValidator(_digits), Field(strict=True, ge=1, lt=2**63), PlainSerializer(str, return_type=str, when_used="json")]
"""One of Discord's ids."""

Credits = Annotated[Decimal, Field(ge=0, le=CREDITS_MAX, decimal_places=6), PlainSerializer(_number, when_used="json")]
"""An amount of credits, down to a millionth."""

Usd = Annotated[Decimal, Field(ge=0, le=USD_MAX, decimal_places=2), PlainSerializer(_number, when_used="json")]
"""US dollars and cents."""

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
"""Part of a whole, or how sure a check is: 0 to 1."""
