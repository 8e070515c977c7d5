"""The message of a job, from waiting to finished."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bot.jobs.deliver import Answer
from bot.jobs.job import Generation, GenerationState, Job
from bot.jobs.order import Receipt
from cogs.look.basics import CONTENT_MAX, amount_of, plural, quoted, seconds

_TWICE = "-# An earlier answer to this request was lost on the way, so it was made once more; you pay once."


def waiting(receipt: Receipt) -> str:
    """The message of an open job."""
    job, model = receipt.job, receipt.model
    what = "pictures" if len(job.generations) > 1 else "picture"
    return f"**{quoted(job.prompt)}**\n{_standing(receipt)}\n-# {model.title} · {len(job.generations)} {what} · {price_of(job)} held"


def _standing(receipt: Receipt) -> str:
    job = receipt.job
    if job.cancel_requested_at is not None:
        return "✋ Being cancelled…"
    if receipt.away is not None:
        return f"⏳ {receipt.away.title} is not answering since <t:{receipt.away.since // 1000}:t>; your picture waits."
    usual = f" It usually takes about {seconds(receipt.usual_ms)}." if receipt.usual_ms else ""
    started = sum(g.state is not GenerationState.WAITING for g in job.generations)
    if not started:
        ahead = f"{receipt.ahead} {plural(receipt.ahead, 'picture')} ahead of yours." if receipt.ahead else "You are next."
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
        yield f"{plural(len(seeds), 'seed')} {', '.join(seeds)}"
    yield price_of(job, job.spent)


def _failure(job: Job, failed: Sequence[Generation]) -> str:
    reasons = " ".join(dict.fromkeys(quoted(g.error or "", limit=300) for g in failed))
    return f"No picture{_some(job, failed)}: {reasons} Nothing was charged for it."


def _some(job: Job, some: Sequence[Generation]) -> str:
    return f" ({len(some)} of {len(job.generations)})" if len(some) < len(job.generations) else ""


def cancelled(job: Job) -> str:
    """After a cancel."""
    return "✋ Being cancelled. What is made already arrives all the same." if job.open else "✋ Cancelled; nothing was charged for it."


def price_of(job: Job, micro: int | None = None) -> str:
    """What a job is held or charged for, or another amount, in words."""
    return amount_of(sum(g.price for g in job.generations) if micro is None else micro)
