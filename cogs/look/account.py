"""Credits, prices and models, and the tray."""

from __future__ import annotations

from collections.abc import Sequence

from bot.endpoints import TITLES
from bot.i18n import N_, _, ngettext
from bot.images.catalog import ModelInfo
from bot.images.ideas import Idea
from bot.quota import Bucket, in_credits
from bot.store.ledger import Entry, LedgerLine, Statement
from cogs.look.basics import PANEL_MAX, meter, price, quoted

_PRICES_SHOWN = 15
_GIVEN_BACK = N_("{amount} given back")
_LEDGER_WORDS = {
    Entry.OPEN: N_("{amount} to begin with"),
    Entry.REFILL: N_("{amount} flowed back"),
    Entry.HOLD: N_("{amount} held"),
    Entry.SETTLE: N_("{amount} spent"),
    Entry.RELEASE: _GIVEN_BACK,
    Entry.REFUND: _GIVEN_BACK,
    Entry.SIZE: N_("{amount} by a new size"),
    Entry.GRANT: N_("{amount} granted"),
    Entry.REWARD: N_("{amount} as a reward"),
    Entry.GIFT: N_("{amount} as a gift"),
    Entry.SPONSOR: N_("{amount} put in for others"),
    Entry.RETURN: N_("{amount} back from what was put in"),
}


def quota(statement: Statement, bucket: Bucket, models: Sequence[ModelInfo], now: int) -> str:
    """The member's bucket, prices and last ledger lines."""
    left_out = len(models) - _PRICES_SHOWN
    entries = [ledger_line(line) for line in statement.lines if _is_worth_a_line(line)]
    lines = [
        "## " + _("Your credits"),
        meter(statement.available, statement.held, bucket.size),
        _("**{left}** of {size} left · {held} held · {spent} spent").format(
            left=in_credits(statement.available),
            size=in_credits(bucket.size),
            held=in_credits(statement.held),
            spent=in_credits(statement.spent),
        ),
        _refill(statement, bucket, now),
        "### " + _("Prices"),
        *(f"{model.title}: {price(model)}" for model in models[:_PRICES_SHOWN]),
        *(["-# " + _("{count} more in /models").format(count=left_out)] if left_out > 0 else []),
        "### " + _("Last entries"),
        *(entries or [_("Nothing yet.")]),
    ]
    return "\n".join(lines)[:PANEL_MAX]


def _refill(statement: Statement, bucket: Bucket, now: int) -> str:
    if bucket.refill_per_day <= 0:
        return _("Credits do not flow back here; the operator grants them.")
    amount = in_credits(bucket.refill_per_day)
    if statement.available + statement.held >= bucket.size:
        return _("Your bucket is full. {amount} credits flow back in a day.").format(amount=amount)
    # One more whole credit is what a member waits for.
    missing = 1_000_000 - statement.available % 1_000_000
    moments = {"next": f"<t:{(now + missing * 86_400_000 // bucket.refill_per_day) // 1000}:R>", "amount": amount}
    if not statement.full_at:
        return _("Next credit {next}. {amount} flow back in a day.").format(**moments)
    return _("Next credit {next}, full {full}. {amount} flow back in a day.").format(**moments, full=f"<t:{statement.full_at // 1000}:R>")


def _is_worth_a_line(line: LedgerLine) -> bool:
    """What flowed back between two requests of a minute is true, and too little to read."""
    return line.entry is not Entry.REFILL or in_credits(line.available) != "0"


def ledger_line(line: LedgerLine) -> str:
    """One entry of the ledger."""
    amount = in_credits(max(abs(line.available), abs(line.held), abs(line.spent)))
    words = _(_LEDGER_WORDS[line.entry]).format(amount=amount)
    return f"<t:{line.at // 1000}:R> {words}" + (f" · `{line.job_id}`" if line.job_id else "")


def model_list(models: Sequence[ModelInfo], default_model: str) -> str:
    """As many models as a panel holds, and how to find the others."""
    lines = ["## " + _("Models")]
    for shown, model in enumerate(models):
        line = model_line(model, default=model.id == default_model)
        if sum(len(each) + 1 for each in (*lines, line)) > PANEL_MAX - 200:
            count = len(models) - shown
            lines.append("-# " + _("And {count} more: type a part of a name into `/generate model:`.").format(count=count))
            break
        lines.append(line)
    return "\n".join(lines)


def model_line(model: ModelInfo, *, default: bool) -> str:
    """A model in the list."""
    names = ", ".join(f"`{idea}`" for idea in model.ideas if idea is not Idea.SEED)
    references = _("takes references") if model.takes_references else _("from words only")
    mark = " " + _("(default)") if default else ""
    summary = f"\n{quoted(model.summary, limit=160)}" if model.summary else ""
    provider = TITLES.get(model.provider, model.provider)
    head = f"**{model.title}**{mark} · {provider} · {price(model)} · {references}"
    return f"{head}{summary}\n-# `{model.id}` · {names or _('no options')}"


# --- the tray --------------------------------------------------------------------------------------------------------


def tray(count: int) -> str:
    """What a tray is for, and how much is in it."""
    head = "## " + _("Your tray")
    if not count:
        return f"{head}\n{_('It is empty. **Apps**, **Use as reference** in the menu of a message puts its picture here.')}"
    holds = ngettext(
        "The next /edit takes this picture as a reference.", "The next /edit takes these {count} pictures as references.", count
    )
    return f"{head}\n{holds.format(count=count)}\n-# {_('What is put by is kept for a day.')}"


def emptied(count: int) -> str:
    """After emptying a tray."""
    if not count:
        return _("Your tray was empty.")
    return ngettext("Your tray is empty; {count} picture was in it.", "Your tray is empty; {count} pictures were in it.", count).format(
        count=count
    )


def from_tray(count: int) -> str:
    """After an edit that used a tray up."""
    sentence = ngettext(
        "{count} picture came from your tray, which is empty now.", "{count} pictures came from your tray, which is empty now.", count
    )
    return sentence.format(count=count)


def with_tray(count: int) -> str:
    """Where an edit was refused that pictures of the tray came with."""
    sentence = ngettext(
        "{count} picture of your tray came with it; `/tray clear` empties it.",
        "{count} pictures of your tray came with it; `/tray clear` empties it.",
        count,
    )
    return sentence.format(count=count)
