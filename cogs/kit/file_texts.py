"""The text sent with original files, and the spoiler around a message's prompt."""

from __future__ import annotations

from collections.abc import Callable

from bot.core.i18n import _
from bot.domain.job import Job
from cogs.kit.texts import CONTENT_MAX, quoted

_BOLD, _SPOILER = "**", "||"


def original(job: Job, title_of: Callable[[str], str], link: str) -> str:
    """Prompt, models and seeds of a job. `title_of` returns a model's title by its id; `link` is the URL of the job's message."""
    models = ", ".join(quoted(title_of(model)) for model in dict.fromkeys(g.model for g in job.succeeded))
    seeds = ", ".join(str(g.seed) for g in job.succeeded if g.seed is not None)
    rows = (
        f"{_BOLD}{quoted(job.prompt, limit=1200)}{_BOLD}",
        _("Model: {models}").format(models=models),
        _("Seed: {seeds}").format(seeds=seeds) if seeds else "",
        f"-# {link}",
    )
    return "\n".join(row for row in rows if row)[:CONTENT_MAX]


def hidden(content: str) -> str:
    """The content of a finished message with its first line, the prompt, behind a spoiler."""
    head, *rest = content.split("\n")
    if head.startswith(f"{_BOLD}{_SPOILER}") or not head.startswith(_BOLD):
        return content
    prompt = head.removeprefix(_BOLD).removesuffix(_BOLD)
    return "\n".join([f"{_BOLD}{_SPOILER}{prompt}{_SPOILER}{_BOLD}", *rest])[:CONTENT_MAX]


def unhidden(content: str) -> str:
    """The content without that spoiler."""
    head, *rest = content.split("\n")
    marks = f"{_BOLD}{_SPOILER}"
    if not head.startswith(marks):
        return content
    prompt = head.removeprefix(marks).removesuffix(f"{_SPOILER}{_BOLD}")
    return "\n".join([f"{_BOLD}{prompt}{_BOLD}", *rest])
