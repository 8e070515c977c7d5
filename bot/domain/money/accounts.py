"""Account names, and references to accounts with their refill rule. All accounts hold credits; the kind says who owns them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.domain.money.quota import Bucket, Limit, month_of


class AccountKind(StrEnum):
    USER = "user"  # user:<id>, a member's own account where no guild has a bucket or pool for them
    MEMBER = "member"  # member:<guild>:<id>, in one guild: its bucket, if the guild gives its members one, grants, rewards and gifts
    POOL = "pool"  # pool:<guild>, shared by the members without such a role
    BUDGET = "budget"  # budget:<guild>:<yyyy-mm>, a guild's monthly limit; charged what the provider charges
    OPERATOR = "operator"  # operator:<yyyy-mm>, the operator's monthly limit over all guilds; charged like a budget
    SPONSOR = "sponsor"  # sponsor:<id>, what a member paid in for everyone in a thread


@dataclass(frozen=True, kw_only=True)
class AccountRef:
    """An account's name and its refill rule.

    `fills` is None where the rule is unknown: the account must already exist, and its stored balance is used without the refill
    since the last booking.
    """

    name: str  # such as user:7
    fills: Bucket | Limit | None


def user_account(user_id: int) -> str:
    """A member's account across guilds."""
    return f"{AccountKind.USER}:{user_id}"


def member_account(guild_id: int, user_id: int) -> str:
    """A member's account in one guild."""
    return f"{AccountKind.MEMBER}:{guild_id}:{user_id}"


def pool_account(guild_id: int) -> str:
    """A guild's shared account."""
    return f"{AccountKind.POOL}:{guild_id}"


def budget_account(guild_id: int, now: int) -> str:
    """A guild's budget for the month of `now` (Unix ms)."""
    return f"{AccountKind.BUDGET}:{guild_id}:{month_of(now)}"


def operator_account(now: int) -> str:
    """The operator's limit for the month of `now` (Unix ms)."""
    return f"{AccountKind.OPERATOR}:{month_of(now)}"


def sponsor_account(sponsorship_id: str) -> str:
    """The account of a sponsorship."""
    return f"{AccountKind.SPONSOR}:{sponsorship_id}"


def sponsorship_of(account: str) -> str | None:
    """The sponsorship id of a sponsor account; None for other accounts."""
    kind, _colon, sponsorship_id = account.partition(":")
    return sponsorship_id if kind == AccountKind.SPONSOR else None


def kind_of(account: str) -> AccountKind:
    """The kind of an account, from its name. Raises ValueError if the name is malformed."""
    return AccountKind(account.partition(":")[0])


def is_pooled(account: str) -> bool:
    """Whether the account is a guild's pool."""
    return account.startswith(f"{AccountKind.POOL}:")


def owned_by_one(account: str) -> bool:
    """Whether the account belongs to one member: only such accounts can give and receive credits."""
    return kind_of(account) in (AccountKind.USER, AccountKind.MEMBER)


def transfer_group_of(account: str) -> str:
    """The group of accounts that may give credits to each other: "user", or one guild's members ("member:<guild>")."""
    return account.rpartition(":")[0]
