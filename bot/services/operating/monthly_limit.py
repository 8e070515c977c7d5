"""Tells the operator when MONTHLY_LIMIT_USD is nearly or entirely used up."""

from __future__ import annotations

from typing import Final

import structlog

log = structlog.get_logger(__name__)

_DO: Final = "Raise MONTHLY_LIMIT_USD and restart, or let members wait for the next month (UTC): at the limit no more images are generated."
_REACHED: Final = 0.99  # what is left rarely equals the price of an image
_NEAR: Final = 0.8


class MonthlyLimit:
    """Tells each of both once, until the next month or a restart."""

    def __init__(self) -> None:
        self._near = self._reached = False

    def tell(self, used_usd: float, *, of_usd: float) -> None:
        """`used_usd`: what was spent in this month, and what is reserved for images in progress."""
        share = used_usd / of_usd if of_usd else 0.0
        was_near, self._near = self._near, share >= _NEAR
        was_reached, self._reached = self._reached, share >= _REACHED
        if self._reached and not was_reached:
            log.critical("monthly limit reached", reason=f"${used_usd:.2f} of ${of_usd:.2f} are used up", do=_DO)
        elif self._near and not (was_near or self._reached):
            log.critical("monthly limit near", reason=f"{share:.0%} of ${of_usd:.2f} are used up", do=_DO)
        if was_reached and not self._reached:
            log.warning("monthly limit reached is over")
        if was_near and not self._near:
            log.warning("monthly limit near is over")
