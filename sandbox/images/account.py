"""API keys and the accounts behind them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

REFUSED_KEY = "wrong"
DEMO_KEY = "sandbox-key"


def key_in(authorization: str) -> str | None:
    """The key of an `Authorization` header, or None. Any key is accepted except an empty one and the literal `wrong`."""
    scheme, _, key = authorization.partition(" ")
    key = key.strip()
    return None if scheme.casefold() != "bearer" or not key or key == REFUSED_KEY else key


@dataclass(kw_only=True)
class ApiAccount:
    """The account of one key. A generation belongs to the account that enqueued it."""

    key: str
    credit_usd: Decimal
    namespace: str = "sandbox"

    def can_pay(self, cost_usd: Decimal) -> bool:
        return cost_usd <= self.credit_usd


class ApiAccounts:
    """Accounts by key. The first call with a key creates its account."""

    def __init__(self, *, credit_usd: Decimal) -> None:
        self._credit_usd = credit_usd
        self._accounts: dict[str, ApiAccount] = {}

    def of(self, authorization: str) -> ApiAccount | None:
        """The account of an `Authorization` header, or None if its key is refused."""
        key = key_in(authorization)
        return None if key is None else self._accounts.setdefault(key, ApiAccount(key=key, credit_usd=self._credit_usd))
