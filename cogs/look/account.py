"""Credits, prices and models."""

from __future__ import annotations

from collections.abc import Sequence

from bot.endpoints import TITLES
from bot.images.catalog import ModelInfo
from bot.images.ideas import Idea
from bot.quota import Bucket, in_credits
from bot.store.ledger import Entry, LedgerLine, Statement
from cogs.look.basics import PANEL_MAX, meter, price, quoted

_PRICES_SHOWN = 15
_LEDGER_WORDS = {
    Entry.OPEN: "to begin with",
    Entry.REFILL: "flowed back",
    Entry.HOLD: "held",
    Entry.SETTLE: "spent",
    Entry.RELEASE: "given back",
    Entry.REFUND: "given back",
}


def quota(statement: Statement, bucket: Bucket, models: Sequence[ModelInfo], now: int) -> str:
    """The member's bucket, prices and last ledger lines."""
    size = in_credits(bucket.size)
    lines = [
        "## Your credits",
        meter(statement.available, statement.held, bucket.size),
        f"**{in_credits(statement.available)}** of {size} left · {in_credits(statement.held)} held · {in_credits(statement.spent)} spent",
        _refill(statement, bucket, now),
        "### Prices",
        *(f"{model.title}: {price(model)}" for model in models[:_PRICES_SHOWN]),
        *([f"-# {len(models) - _PRICES_SHOWN} more in /models"] if len(models) > _PRICES_SHOWN else []),
        "### Last entries",
        *([ledger_line(line) for line in statement.lines if _is_worth_a_line(line)] or ["Nothing yet."]),
    ]
    return "\n".join(lines)


def _refill(statement: Statement, bucket: Bucket, now: int) -> str:
    if bucket.refill_per_day <= 0:
        return "Credits do not flow back here; the operator grants them."
    if statement.available + statement.held >= bucket.size:
        return f"Your bucket is full. {in_credits(bucket.refill_per_day)} credits flow back in a day."
    # One more whole credit is what a member waits for.
    missing = 1_000_000 - statement.available % 1_000_000
    next_at = now + missing * 86_400_000 // bucket.refill_per_day
    full = f", full <t:{statement.full_at // 1000}:R>" if statement.full_at else ""
    return f"Next credit <t:{next_at // 1000}:R>{full}. {in_credits(bucket.refill_per_day)} flow back in a day."


def _is_worth_a_line(line: LedgerLine) -> bool:
    """What flowed back between two requests of a minute is true, and too little to read."""
    return line.entry is not Entry.REFILL or in_credits(line.available) != "0"


def ledger_line(line: LedgerLine) -> str:
    """One entry of the ledger."""
    amount = in_credits(max(abs(line.available), abs(line.held), abs(line.spent)))
    return f"<t:{line.at // 1000}:R> {amount} {_LEDGER_WORDS[line.entry]}" + (f" for `{line.job_id}`" if line.job_id else "")


def model_list(models: Sequence[ModelInfo], default_model: str) -> str:
    """As many models as a panel holds, and how to find the others."""
    lines = ["## Models"]
    for shown, model in enumerate(models):
        line = model_line(model, default=model.id == default_model)
        if sum(len(each) + 1 for each in (*lines, line)) > PANEL_MAX - 100:
            lines.append(f"-# And {len(models) - shown} more: type a part of a name into `/generate model:`.")
            break
        lines.append(line)
    return "\n".join(lines)


def model_line(model: ModelInfo, *, default: bool) -> str:
    """A model in the list."""
    names = ", ".join(f"`{idea}`" for idea in model.ideas if idea is not Idea.SEED)
    references = "takes references" if model.takes_references else "from words only"
    mark = " (default)" if default else ""
    summary = f"\n{quoted(model.summary, limit=160)}" if model.summary else ""
    provider = TITLES.get(model.provider, model.provider)
    return f"**{model.title}**{mark} · {provider} · {price(model)} · {references}{summary}\n-# `{model.id}` · {names or 'no options'}"
