"""The steps about money."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.core.i18n import _, pgettext
from bot.core.numbers import number
from bot.core.settings.field_types import ManagersMay
from bot.domain.money.quota import MICRO
from cogs.admin import panel_texts, settings_texts
from cogs.admin.changing import Patch, given
from cogs.admin.setup.controls import Blank, FormButton, StepContext, Switch, at
from cogs.admin.setup.menus import Menu, SetupChoice
from cogs.admin.setup.step import SetupStep
from cogs.kit.request import services_of
from cogs.kit.texts import amount_of

_BUDGETS = (0, 2, 5, 10, 20, 50, 100, 200, 500)  # US dollars
_POOLS = ((100, 10), (500, 50), (1000, 100), (5000, 500))  # credits, and their refill a day


def _most_usd(place: StepContext) -> float:
    return services_of(place.interaction).pricing.limits.monthly_usd_per_guild


def _usd(dollars: float) -> str:
    return number(dollars)


def _budget(place: StepContext) -> str:
    most = _("The bot's operator allows this server up to ${dollars} a month.").format(dollars=_usd(_most_usd(place)))
    return f"{panel_texts.budget_now(place.overview)}\n-# 🔧 {most}"


def _budgets(place: StepContext) -> Sequence[SetupChoice]:
    most = _most_usd(place)
    none = pgettext("select option", "As much as the operator allows: ${dollars}").format(dollars=_usd(most))
    own = [SetupChoice(value=each, label=pgettext("select option", "${dollars} a month").format(dollars=_usd(each))) for each in _BUDGETS]
    return [SetupChoice(value=None, label=none), *(each for each in own if each.value < most)]


def _fill_budget(_place: StepContext, typed: Any) -> Patch:
    return {"usd_per_month": typed["dollars"]}


BUDGET = SetupStep(
    key="budget",
    emoji="💰",
    title=lambda: _("Monthly budget"),
    about=lambda: _("What images on this server may cost a month. When it is used up, nobody can create images until the next month."),
    now=_budget,
    controls=(
        Menu(
            name="budget",
            placeholder=lambda: pgettext("select placeholder", "Budget"),
            choices=_budgets,
            reads=lambda place: None if place.policy.usd_per_month is None else float(place.policy.usd_per_month),
            patches=at("usd_per_month"),
        ),
        FormButton(
            name="other",
            label=lambda: pgettext("button", "Other amount"),
            title=lambda: pgettext("modal title", "Monthly budget"),
            blanks=(
                Blank(
                    name="dollars",
                    label=lambda: pgettext("modal label", "US dollars per month"),
                    about=lambda: _("Leave it empty for as much as the operator allows."),
                    reads=lambda place: place.policy.usd_per_month,
                ),
            ),
            fills=_fill_budget,
        ),
    ),
)


def _pools(_place: StepContext) -> Sequence[SetupChoice]:
    def label(size: int, refill: int) -> str:
        return pgettext("select option", "{size}, refilling by {refill} a day").format(
            size=amount_of(size * MICRO), refill=amount_of(refill * MICRO)
        )

    none = SetupChoice(value=None, label=pgettext("select option", "No pool: each member has their own credits"))
    return [none, *(SetupChoice(value={"size": size, "refill_per_day": refill}, label=label(size, refill)) for size, refill in _POOLS)]


def _pool(place: StepContext) -> Any:
    pool = place.policy.pool
    return None if pool is None else {"size": pool.size, "refill_per_day": pool.refill_per_day}


def _fill_pool(_place: StepContext, typed: Any) -> Patch:
    amounts = given(size=typed["size"], refill_per_day=typed["refill"])
    return {"pool": amounts or None, "slow_lane": given(share_percent=typed["percent"])}


POOL = SetupStep(
    key="pool",
    emoji="🫙",
    title=lambda: _("Shared pool"),
    about=lambda: _("One pool of credits that members without credits from a role share."),
    now=lambda place: settings_texts.pool(place.policy),
    controls=(
        Menu(
            name="pool",
            placeholder=lambda: pgettext("select placeholder", "Pool"),
            choices=_pools,
            reads=_pool,
            patches=at("pool"),
            needs=ManagersMay.QUOTAS,
        ),
        Switch(
            name="slowlane",
            on=lambda: pgettext("button", "Turn the slow lane on"),
            off=lambda: pgettext("button", "Turn the slow lane off"),
            reads=lambda place: place.policy.slow_lane.on,
            patches=at("slow_lane", "on"),
            needs=ManagersMay.QUOTAS,
        ),
        FormButton(
            name="other",
            label=lambda: pgettext("button", "Other amounts"),
            title=lambda: pgettext("modal title", "Shared pool"),
            blanks=(
                Blank(
                    name="size",
                    label=lambda: pgettext("modal label", "Most credits in the pool"),
                    about=lambda: _("Leave it empty for no pool."),
                    reads=lambda place: None if place.policy.pool is None else place.policy.pool.size,
                ),
                Blank(
                    name="refill",
                    label=lambda: pgettext("modal label", "Credits refilled per day"),
                    reads=lambda place: None if place.policy.pool is None else place.policy.pool.refill_per_day,
                ),
                Blank(
                    name="percent",
                    label=lambda: pgettext("modal label", "Percent of the pool for the slow lane"),
                    reads=lambda place: place.policy.slow_lane.share_percent,
                ),
            ),
            fills=_fill_pool,
            needs=ManagersMay.QUOTAS,
        ),
    ),
)


def _prices(place: StepContext) -> str:
    lines = [settings_texts.price(place.policy, model, place.title(model)) for model in place.policy.prices]
    return "\n".join(lines) or _("Every model costs its normal price here.")


def _fill_price(_place: StepContext, typed: Any) -> Patch:
    return {"prices": {typed["model"]: typed["credits"]}}


PRICES = SetupStep(
    key="prices",
    emoji="🏷️",
    title=lambda: _("Prices"),
    about=lambda: _("What members pay for an image with a model. What it costs you stays the same."),
    now=_prices,
    controls=(
        FormButton(
            name="price",
            label=lambda: pgettext("button", "Set a price"),
            title=lambda: pgettext("modal title", "Price of a model"),
            blanks=(
                Blank(
                    name="credits",
                    label=lambda: pgettext("modal label", "Credits per image"),
                    about=lambda: _("Leave it empty for the normal price."),
                ),
            ),
            fills=_fill_price,
            models=True,
            needs=ManagersMay.PRICES,
        ),
    ),
)
