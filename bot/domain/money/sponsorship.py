"""A host who pays for everyone in a channel or thread."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.domain.money.accounts import AccountRef, sponsor_account
from bot.domain.money.quota import EMPTY


class SponsorshipState(StrEnum):
    OPEN = "open"  # it pays, until its time is over
    CLOSED = "closed"  # it pays for nothing new; what becomes free goes back to the host


@dataclass(frozen=True, kw_only=True)
class Sponsorship:
    """Who pays where, how long and how much. Times are Unix ms, amounts microcredits."""

    id: str  # at most 12 characters, random
    guild_id: int | None
    channel_id: int  # a thread is a channel of its own
    host_id: int
    cap: int
    until: int
    opened_at: int
    state: SponsorshipState = SponsorshipState.OPEN
    closed_at: int | None = None
    host_account: str = ""  # where the money came from; written when it is opened
    left: int = 0  # what can still be spent of it
    held: int = 0
    spent: int = 0

    @property
    def account(self) -> AccountRef:
        return AccountRef(name=sponsor_account(self.id), fills=EMPTY)
