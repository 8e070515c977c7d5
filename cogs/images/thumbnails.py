"""Thumbnails in panels. They are uploaded with the panel, so that it also shows images whose message is gone."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

import discord

from bot.domain.job import Job, Thumbnails
from bot.services.thumbnails import images_of
from bot.store import history
from cogs.kit import answers, texts
from cogs.kit.panels import Part
from cogs.kit.request import Interaction, services_of

_FILES_MAX = 10  # files in a message


async def of_jobs(interaction: Interaction, jobs: Sequence[Job], *, redraws: bool) -> Thumbnails:
    """The thumbnails of a panel: the first of each job, then the second, up to the limit of files in a message.

    If one must be fetched, the interaction is deferred first: for a new private panel, or for the panel that it `redraws`.
    """
    services = services_of(interaction)
    chosen = _in_turn(jobs)
    kept = await services.reader.read(history.thumbnails_of, jobs)
    missing = [(job, n) for job, n in chosen if (job.id, n) not in kept]
    if missing:
        await answers.defer(interaction, thinking=not redraws)
        kept = {**kept, **await services.thumbnails.fetch(missing)}
    return {(job.id, n): kept[job.id, n] for job, n in chosen if (job.id, n) in kept}


def left_out(jobs: Sequence[Job], job: Job) -> int:
    """How many of a job's images are beyond the limit, if the panel shows these jobs."""
    return len(images_of(job)) - len([1 for other, _n in _in_turn(jobs) if other.id == job.id])


def gallery(job: Job, small: Thumbnails) -> list[Part]:
    """The part that shows a job's thumbnails, if there are any."""
    names = [_filename(job_id, n) for job_id, n in small if job_id == job.id]
    items = [discord.MediaGalleryItem(f"attachment://{name}", description=texts.alt(job.prompt), spoiler=job.spoiler) for name in names]
    return [discord.ui.MediaGallery(*items)] if items else []


def files(small: Thumbnails) -> list[discord.File]:
    """The uploads of the panel."""
    return [discord.File(io.BytesIO(content), filename=_filename(job_id, n)) for (job_id, n), content in small.items()]


def _in_turn(jobs: Iterable[Job]) -> list[tuple[Job, int]]:
    pairs = [(job, n) for job in jobs for n in images_of(job)]
    return sorted(pairs, key=lambda pair: pair[1])[:_FILES_MAX]  # a stable sort: the jobs stay in order


def _filename(job_id: str, n: int) -> str:
    return f"small-{job_id}-{n + 1}.webp"
