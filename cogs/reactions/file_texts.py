"""The text sent with original files."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bot.core.i18n import _
from bot.domain.job import Job
from cogs.kit.texts import CONTENT_MAX, gone, quoted, subject

_BOLD = "**"


def original(job: Job, title_of: Callable[[str], str], link: str, *, missing: int = 0, changes: Iterable[str] = ()) -> str:
    """Prompt, models and seeds of a job, and how many of its images are not sent along, and what was changed of the others.

    `title_of` returns a model's title by its id; `link` is the URL of the job's message.
    """
    models = ", ".join(quoted(title_of(model)) for model in dict.fromkeys(g.model for g in job.succeeded))
    seeds = ", ".join(str(g.seed) for g in job.succeeded if g.seed is not None)
    rows = (
        f"{_BOLD}{quoted(subject(job), limit=1200)}{_BOLD}",
        _("Model: {models}").format(models=models),
        _("Seed: {seeds}").format(seeds=seeds) if seeds else "",
        f"⚠️ {gone(missing)}" if missing else "",
        *(f"-# {change}" for change in changes),
        f"-# {link}",
    )
    return "\n".join(row for row in rows if row)[:CONTENT_MAX]
