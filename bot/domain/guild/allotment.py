"""What the operator lets a guild's managers set about credits. None of it changes what images may cost: see `domain/money/payment`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from bot.core.errors import NotAllowed
from bot.core.i18n import N_, _
from bot.core.settings.field_types import ManagersMay
from bot.domain.guild.document import Policy
from bot.domain.guild.sections import GalleryRules

_REFUSALS: Final[Mapping[ManagersMay, str]] = {
    ManagersMay.PRICES: N_("Only the bot's operator can set prices."),
    ManagersMay.QUOTAS: N_("Only the bot's operator can set how many credits members get."),
    ManagersMay.GRANTS: N_("Only the bot's operator can grant credits."),
}


def allotted(policy: Policy, may: Collection[ManagersMay]) -> Policy:
    """The policy without what managers may not set."""
    changes: dict[str, Any] = {}
    for each in set(ManagersMay).difference(may):
        changes |= _without(policy, each)
    return policy.model_copy(update=changes)


def check(policy: Policy, may: Collection[ManagersMay]) -> None:
    """Raise `NotAllowed` if the policy sets what managers may not set."""
    for each in ManagersMay:
        if each not in may and policy.model_copy(update=_without(policy, each)) != policy:
            raise refusal(each)


def refusal(of: ManagersMay) -> NotAllowed:
    return NotAllowed(_(_REFUSALS[of]))


def _without(policy: Policy, what: ManagersMay) -> dict[str, Any]:
    """The sections without this part."""
    match what:
        case ManagersMay.PRICES:
            return {"prices": {}}
        case ManagersMay.QUOTAS:
            roles = {role: rule.model_copy(update={"bucket": None}) for role, rule in policy.roles.items()}
            return {"pool": None, "everyone": policy.everyone.model_copy(update={"bucket": None}), "roles": roles}
        case ManagersMay.GRANTS:
            return {"gallery": policy.gallery.model_copy(update={"reward": GalleryRules().reward})}
