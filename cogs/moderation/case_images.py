"""The images of cases in a moderator's private panel, small and behind spoilers; also those that a content check withheld."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import discord

from bot.domain.job import Thumbnails
from bot.domain.moderation.cases import CaseFile
from bot.services.thumbnails import images_of
from bot.store import history
from cogs.kit import answers
from cogs.kit.panels import Part
from cogs.kit.request import Interaction, services_of

_FILES_MAX = 10  # in a message


async def of(interaction: Interaction, files: Sequence[CaseFile], *, redraws: bool) -> Thumbnails:
    """Small images of these cases, which the moderator may see: the first ones, up to the limit of files in a message.

    If one must be fetched, the interaction is deferred first: for a new private panel, or for the panel that it `redraws`.
    """
    services, jobs = services_of(interaction), [file.job for file in files if file.job is not None]
    kept = await services.reader.read(history.thumbnails_of, jobs) if jobs else {}
    missing = [(job, n) for job in jobs for n in images_of(job) if (job.id, n) not in kept][:_FILES_MAX]
    withheld = [(file.job, n) for file in files if file.job is not None for n in file.withheld][:_FILES_MAX]
    if missing or withheld:
        await answers.defer(interaction, thinking=not redraws)
    found = {(job.id, n): small for job, n in withheld if (small := await services.results.thumbnail_of_withheld(job, n)) is not None}
    fetched = await services.thumbnails.fetch(missing) if missing else {}
    return dict([*found.items(), *kept.items(), *fetched.items()][:_FILES_MAX])


def gallery(file: CaseFile, small: Thumbnails) -> list[Part]:
    """The part that shows a case's images, if there are any."""
    items = [discord.MediaGalleryItem(f"attachment://{name}", spoiler=True) for name in _names_of(file, small)]
    return [discord.ui.MediaGallery(*items)] if items else []


def uploads(small: Thumbnails) -> list[discord.File]:
    """The files of the panel."""
    return [discord.File(io.BytesIO(content), filename=_name(*image)) for image, content in small.items()]


def _names_of(file: CaseFile, small: Thumbnails) -> Iterator[str]:
    job_id = None if file.job is None else file.job.id
    return (_name(*image) for image in small if image[0] == job_id)


def _name(job_id: str, n: int) -> str:
    return f"case-{job_id}-{n + 1}.webp"
