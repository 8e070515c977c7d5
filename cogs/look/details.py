"""Everything about a finished job."""

from __future__ import annotations

from collections.abc import Callable

from bot.images.values import show
from bot.jobs.job import Job
from cogs.look.basics import CONTENT_MAX, quoted, seconds
from cogs.look.jobs import price_of


def details(job: Job, title_of: Callable[[str], str]) -> str:
    """Everything about a finished job, for the Details button."""
    ended = max((g.ended_at or 0 for g in job.generations), default=0)
    rows = {
        "Prompt": quoted(job.prompt, limit=900),
        "Model": ", ".join(f"{title_of(model)} (`{model}`)" for model in dict.fromkeys(g.model for g in job.generations)),
        "Asked for": title_of(job.model) if any(g.model != job.model for g in job.generations) else "",
        "Seeds": ", ".join(f"`{g.seed}`" for g in job.generations if g.seed is not None),
        "Options": ", ".join(f"`{name}={show(value)}`" for name, value in job.params.items()) or "the model's own",
        "Cost": price_of(job, job.spent),
        "Asked": f"<t:{job.created_at // 1000}:f> by <@{job.place.user_id}>",
        "Took": seconds(ended - job.created_at) if ended else "",
        "Made from": f"job `{job.parent_id}`" if job.parent_id else "",
        "Job": f"`{job.id}`",
    }
    return "\n".join(f"**{name}** {value}" for name, value in rows.items() if value)[:CONTENT_MAX]
