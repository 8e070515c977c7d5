"""Names of accounts, and references to them with what fills them. One currency for all; each kind says whose money it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.domain.money.quota import Bucket, Limit, month_of


class AccountKind(StrEnum):
    USER = "user"  # user:<id>, a member's own wherever no server has rules for them
    MEMBER = "member"  # member:<server>:<id>, in a server that gives its members a bucket by role
    POOL = "pool"  # pool:<server>, shared by those without such a role
    BUDGET = "budget"  # budget:<server>:<yyyy-mm>, what a server may spend in a month; charged beside whoever pays
    SPONSOR = "sponsor"  # sponsor:<id>, what a host put in for everyone in a thread


@dataclass(frozen=True, kw_only=True)
class AccountRef:
    """An account and what fills it: a bucket that flows back, a limit, or None.

    None: as it is booked, for those who do not know. Such an account has to be there already, and what has flowed back
    since it was last touched stays to be counted.
    """

    name: str  # such as user:7
    fills: Bucket | Limit | None


def user_account(user_id: int) -> str:
    """A member's own, across servers."""
    return f"{AccountKind.USER}:{user_id}"


def member_account(guild_id: int, user_id: int) -> str:
    """A member's in one server."""
    return f"{AccountKind.MEMBER}:{guild_id}:{user_id}"


def pool_account(guild_id: int) -> str:
    """A server's shared one."""
    return f"{AccountKind.POOL}:{guild_id}"


def budget_account(guild_id: int, now: int) -> str:
    """A server's budget for the month of `now`."""
    return f"{AccountKind.BUDGET}:{guild_id}:{month_of(now)}"


def sponsor_account(sponsorship_id: str) -> str:
    """What a host put in."""
    return f"{AccountKind.SPONSOR}:{sponsorship_id}"


def sponsorship_of(account: str) -> str | None:
    """The id of the sponsorship whose money it is, where it is one's."""
    kind, _colon, sponsorship_id = account.partition(":")
    return sponsorship_id if kind == AccountKind.SPONSOR else None


def kind_of(account: str) -> AccountKind:
    """What an account is, by its name. Raises ValueError on a name that is none of these."""
    return AccountKind(account.partition(":")[0])


def is_pooled(account: str) -> bool:
    """Whether it is shared by a server's members."""
    return account.startswith(f"{AccountKind.POOL}:")


def owned_by_one(account: str) -> bool:
    """Whether it is one member's: such an account may give, and be given to."""
    return kind_of(account) in (AccountKind.USER, AccountKind.MEMBER)


def circle_of(account: str) -> str:
    """Gifts stay within a circle: everyone's own accounts, or those of one server's members ("member:<server>")."""
    return account.rpartition(":")[0]
