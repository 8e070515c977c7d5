"""Sponsorships: a host pays for everyone in a channel or thread."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.domain.money.accounts import AccountRef, sponsor_account
from bot.domain.money.quota import EMPTY


class SponsorshipState(StrEnum):
    OPEN = "open"  # pays until `until`
    CLOSED = "closed"  # pays for no new orders; what is released goes back to the host


@dataclass(frozen=True, kw_only=True)
class Sponsorship:
    """One sponsorship. Times are Unix ms, amounts microcredits."""

    id: str  # at most 12 characters, random
    guild_id: int | None
    channel_id: int  # or thread
    host_id: int
    cap: int
    until: int
    opened_at: int
    state: SponsorshipState = SponsorshipState.OPEN
    closed_at: int | None = None
    message_id: int | None = None  # of the public message in the channel
    host_account: str = ""  # the account that paid the cap; set when the sponsorship is opened
    left: int = 0  # what can still be spent
    held: int = 0
    spent: int = 0

    @property
    def account(self) -> AccountRef:
        return AccountRef(name=sponsor_account(self.id), fills=EMPTY)
