"""How Easel speaks: every text a member reads about a job, a model or credits. Pure: values in, text out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from discord.utils import escape_markdown, escape_mentions

from bot.endpoints import TITLES
from bot.images.catalog import ModelInfo
from bot.images.ideas import Idea
from bot.images.values import show
from bot.jobs.deliver import Answer
from bot.jobs.job import Generation, GenerationState, Job
from bot.jobs.studio import Receipt
from bot.quota import Bucket, in_credits
from bot.store.ledger import Entry, LedgerLine, Statement

CONTENT_MAX = 2000  # characters of a message
ALT_MAX = 1024  # characters of an attachment's description
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif")
PANEL_MAX = 4000  # characters of all texts in a panel
_PRICES_SHOWN = 15
_PROMPT_SHOWN = 280
_TWICE = "-# An earlier answer to this request was lost on the way, so it was made once more; you pay once."
_LEDGER_WORDS = {
    Entry.OPEN: "to begin with",
    Entry.REFILL: "flowed back",
    Entry.HOLD: "held",
    Entry.SETTLE: "spent",
    Entry.RELEASE: "given back",
    Entry.REFUND: "given back",
}


def quoted(prompt: str, *, limit: int = _PROMPT_SHOWN) -> str:
    """A prompt in one line, as text and nothing else."""
    line = " ".join(prompt.split())
    line = line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
    return escape_mentions(escape_markdown(line))


def waiting(receipt: Receipt) -> str:
    """The message of an open job."""
    job, model = receipt.job, receipt.model
    what = "pictures" if len(job.generations) > 1 else "picture"
    return f"**{quoted(job.prompt)}**\n{_standing(receipt)}\n-# {model.title} · {len(job.generations)} {what} · {_price(job)} held"


def _standing(receipt: Receipt) -> str:
    job = receipt.job
    if job.cancel_requested_at is not None:
        return "✋ Being cancelled…"
    if receipt.away is not None:
        return f"⏳ {receipt.away.title} is not answering since <t:{receipt.away.since // 1000}:t>; your picture waits."
    usual = f" It usually takes about {_seconds(receipt.usual_ms)}." if receipt.usual_ms else ""
    started = sum(g.state is not GenerationState.WAITING for g in job.generations)
    if not started:
        ahead = f"{receipt.ahead} {_plural(receipt.ahead, 'picture')} ahead of yours." if receipt.ahead else "You are next."
        return f"⏳ Waiting. {ahead}{usual}"
    done = len(job.generations) - len(job.open)
    count = f" {done} of {len(job.generations)} done." if len(job.generations) > 1 else ""
    return f"🎨 Being made.{count}{usual}"


def finished(answer: Answer, title_of: Callable[[str], str]) -> str:
    """The message of a job that has ended. `title_of` names a model by its id."""
    job = answer.job
    head = f"**{quoted(job.prompt)}**" if not job.spoiler else f"**||{quoted(job.prompt)}||**"
    failed = [g for g in job.generations if g.state is GenerationState.FAILED]
    cancelled = [g for g in job.generations if g.state is GenerationState.CANCELLED]
    lines = [head]
    if answer.pictures:
        lines.append(f"-# {' · '.join(_facts(job, title_of))}")
    lines += [f"⚠️ {_failure(job, failed)}"] if failed else []
    lines += [f"✋ Cancelled{_some(job, cancelled)}; nothing was charged for it."] if cancelled else []
    lines += [_TWICE] if any(g.uncertain for g in job.succeeded) else []
    lines += [f"-# {note}" for note in answer.notes]
    return "\n".join(lines)[:CONTENT_MAX]


def _facts(job: Job, title_of: Callable[[str], str]) -> Iterable[str]:
    yield f"<@{job.place.user_id}>"
    makers = dict.fromkeys(g.model for g in job.succeeded)
    asked = f" instead of {title_of(job.model)}" if set(makers) - {job.model} else ""
    yield f"{', '.join(map(title_of, makers))}{asked}"
    seeds = [str(g.seed) for g in job.succeeded if g.seed is not None]
    if seeds:
        yield f"{_plural(len(seeds), 'seed')} {', '.join(seeds)}"
    yield _price(job, job.spent)


def _failure(job: Job, failed: Sequence[Generation]) -> str:
    reasons = " ".join(dict.fromkeys(quoted(g.error or "", limit=300) for g in failed))
    return f"No picture{_some(job, failed)}: {reasons} Nothing was charged for it."


def _some(job: Job, some: Sequence[Generation]) -> str:
    return f" ({len(some)} of {len(job.generations)})" if len(some) < len(job.generations) else ""


def cancelled(job: Job) -> str:
    """After a cancel."""
    return "✋ Being cancelled. What is made already arrives all the same." if job.open else "✋ Cancelled; nothing was charged for it."


def alt(prompt: str) -> str:
    """A picture's description for those who cannot see it."""
    return f"Picture made from the words: {' '.join(prompt.split())}"[:ALT_MAX]


def details(job: Job, title_of: Callable[[str], str]) -> str:
    """Everything about a finished job, for the Details button."""
    ended = max((g.ended_at or 0 for g in job.generations), default=0)
    rows = {
        "Prompt": quoted(job.prompt, limit=900),
        "Model": ", ".join(f"{title_of(model)} (`{model}`)" for model in dict.fromkeys(g.model for g in job.generations)),
        "Asked for": title_of(job.model) if any(g.model != job.model for g in job.generations) else "",
        "Seeds": ", ".join(f"`{g.seed}`" for g in job.generations if g.seed is not None),
        "Options": ", ".join(f"`{name}={show(value)}`" for name, value in job.params.items()) or "the model's own",
        "Cost": _price(job, job.spent),
        "Asked": f"<t:{job.created_at // 1000}:f> by <@{job.place.user_id}>",
        "Took": _seconds(ended - job.created_at) if ended else "",
        "Made from": f"job `{job.parent_id}`" if job.parent_id else "",
        "Job": f"`{job.id}`",
    }
    return "\n".join(f"**{name}** {value}" for name, value in rows.items() if value)[:CONTENT_MAX]


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


def meter(available: int, held: int, size: int, *, width: int = 20) -> str:
    """A bar: full blocks are left, shaded ones are held."""
    left = max(0, min(width, available * width // max(size, 1)))
    kept = max(0, min(width - left, -(-held * width // max(size, 1))))
    return "`" + "█" * left + "▒" * kept + "░" * (width - left - kept) + "`"


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


def price(model: ModelInfo) -> str:
    """What one picture costs."""
    return "no price per picture" if model.price_microcredits is None else f"{_credits(model.price_microcredits)} a picture"


def _price(job: Job, micro: int | None = None) -> str:
    return _credits(sum(g.price for g in job.generations) if micro is None else micro)


def _credits(micro: int) -> str:
    amount = in_credits(micro, up=True)
    return f"{amount} credit" if amount == "1" else f"{amount} credits"


def _seconds(ms: int | None) -> str:
    seconds = max(1, round((ms or 0) / 1000))
    return f"{seconds} s" if seconds < 100 else f"{round(seconds / 60)} min"


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"
