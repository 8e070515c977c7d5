"""/history: what a member asked for, with small pictures; to be posted once more, looked into, edited, deleted.

The panel keeps nothing: page and words stand in the ids of its buttons, `v1:history:<deed>:<job>:<page>:<words>`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.i18n import _, pgettext
from bot.jobs.history import PAGE, History, Page, SmallPictures
from bot.jobs.job import Job, JobState
from bot.jobs.showing import Answer
from cogs import look, modals, panels, reply
from cogs.panels import Part, button, everywhere, panel, row, text
from cogs.reply import Interaction, client_of, studio_of
from cogs.rows import JobButton, ended_view

_ID = re.compile(r"v1:history:(?P<deed>[a-z]+):(?P<job>[0-9a-z]{12}|-):(?P<page>[0-9]{1,5}):(?P<words>.*)", re.DOTALL)
_WORDS_MAX = 60  # characters: an id has 100
_FILES_MAX = 10  # that a message carries
_LABEL_MAX = 100  # characters of a choice
_SHOWN = (JobState.DELIVERED, JobState.STRANDED)


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where in the list somebody is."""

    page: int = 0
    words: str = ""

    def id(self, deed: str, *, job: str = "-", page: int | None = None) -> str:
        return f"v1:history:{deed}:{job}:{self.page if page is None else page}:{self.words}"


class HistoryCog(commands.Cog, name="History"):
    """The command, and whatever is pressed in its panel, of this run's and of any earlier one's."""

    @app_commands.command(description="What you asked for: look at it, post it once more, edit or delete it")
    @app_commands.describe(words="Only what has these words")
    @everywhere
    async def history(self, interaction: Interaction, words: app_commands.Range[str, 1, _WORDS_MAX] = "") -> None:
        view, files = await _list(interaction, _Place(words=" ".join(words.split())))
        await panels.show(interaction, view, files)

    @commands.Cog.listener()
    async def on_interaction(self, interaction: Interaction) -> None:
        custom_id, values = panels.pressed(interaction)
        pressed = _ID.fullmatch(custom_id)
        if pressed is None:
            return
        place = _Place(page=int(pressed["page"]), words=pressed["words"])
        chosen = next(iter(values), pressed["job"])
        async with reply.answering(interaction):
            await _DEEDS[pressed["deed"]](interaction, chosen, place)


# --- what is pressed -------------------------------------------------------------------------------------------------


async def _turn(interaction: Interaction, _job_id: str, place: _Place, *, note: str = "") -> None:
    view, files = await _list(interaction, place, note=note)
    await panels.redraw(interaction, view, files)


async def _pick(interaction: Interaction, job_id: str, place: _Place) -> None:
    job = await _history(interaction).own(interaction.user.id, job_id)
    small = await _history(interaction).small_pictures([job])
    shown = _shown([job], small)[job.id]
    parts: list[Part] = [text(look.history.alone(job, studio_of(interaction).models.title)), *_gallery(job, shown)]
    await panels.redraw(interaction, panel(*parts, *_deeds(job, place)), _files([job], {job.id: shown}, small))


async def _repost(interaction: Interaction, job_id: str, _place: _Place) -> None:
    """The full pictures, as an ordinary finished message for everybody here. What goes wrong stays private."""
    job = await _history(interaction).own(interaction.user.id, job_id)
    await interaction.response.defer()
    async with client_of(interaction).results.open(job, limit_bytes=interaction.filesize_limit) as pictures:
        uploads = [discord.File(each.path, filename=each.filename, description=look.basics.alt(each.alt)) for each in pictures]
        message = await interaction.followup.send(
            look.jobs.finished(Answer(job=job, pictures=pictures, notes=()), studio_of(interaction).models.title),
            view=ended_view(job, pictures=len(pictures)),
            files=uploads,
            allowed_mentions=discord.AllowedMentions.none(),
            wait=True,
        )
        await _history(interaction).reposted(
            job, pictures, guild_id=interaction.guild_id, channel_id=message.channel.id, message_id=message.id
        )


async def _edit(interaction: Interaction, job_id: str, _place: _Place) -> None:
    await modals.ask_for_edit(interaction, await _history(interaction).own(interaction.user.id, job_id))


async def _delete(interaction: Interaction, job_id: str, place: _Place) -> None:
    history = _history(interaction)
    job = await history.own(interaction.user.id, job_id)
    await history.take_away(job)
    is_member = job.place.guild_id is None or client_of(interaction).get_guild(job.place.guild_id) is not None
    await _turn(interaction, job_id, place, note=look.history.deleted(job, is_member=is_member))


_DEEDS: Mapping[str, Callable[[Interaction, str, _Place], Awaitable[None]]] = {
    "newer": _turn,
    "older": _turn,
    "back": _turn,
    "pick": _pick,
    "repost": _repost,
    "edit": _edit,
    "delete": _delete,
}


def _history(interaction: Interaction) -> History:
    return client_of(interaction).history


# --- what is shown ---------------------------------------------------------------------------------------------------


async def _list(interaction: Interaction, place: _Place, *, note: str = "") -> tuple[discord.ui.LayoutView, list[discord.File]]:
    history, title_of = _history(interaction), studio_of(interaction).models.title
    page = await history.page(interaction.user.id, words=place.words, number=place.page)
    small = await history.small_pictures(page.jobs)
    shown = _shown(page.jobs, small)
    parts: list[Part] = [text(look.history.heading(page), note)]
    for number, job in _numbered(page):
        left_out = len([1 for job_id, _n in small if job_id == job.id]) - len(shown[job.id])
        line = look.history.in_list(number, job, title_of, left_out=left_out)
        parts += [discord.ui.Separator(), text(line), *_gallery(job, shown[job.id])]
    return panel(*parts, *_turning(page, _Place(page=page.number, words=place.words))), _files(page.jobs, shown, small)


def _shown(jobs: Sequence[Job], small: SmallPictures) -> dict[str, list[int]]:
    """Which pictures of each job are shown: the first of each, then the second, as far as a message carries them."""
    in_turn = sorted((n, place, job.id) for place, job in enumerate(jobs) for job_id, n in small if job_id == job.id)[:_FILES_MAX]
    return {job.id: [n for n, _place, job_id in in_turn if job_id == job.id] for job in jobs}


def _gallery(job: Job, numbers: Sequence[int]) -> list[Part]:
    items = [
        discord.MediaGalleryItem(f"attachment://{_filename(job, n)}", description=look.basics.alt(job.prompt), spoiler=job.spoiler)
        for n in numbers
    ]
    return [discord.ui.MediaGallery(*items)] if items else []


def _files(jobs: Sequence[Job], shown: Mapping[str, Sequence[int]], small: SmallPictures) -> list[discord.File]:
    return [discord.File(io.BytesIO(small[job.id, n]), filename=_filename(job, n)) for job in jobs for n in shown[job.id]]


def _filename(job: Job, n: int) -> str:
    return f"small-{job.id}-{n + 1}.webp"


def _numbered(page: Page) -> list[tuple[int, Job]]:
    return list(enumerate(page.jobs, page.number * PAGE + 1))


def _turning(page: Page, place: _Place) -> list[Part]:
    """Choosing one, and the neighbouring pages."""
    if not page.jobs:
        return []
    labels = {job.id: f"{number}. {' '.join(job.prompt.split())}" for number, job in _numbered(page)}
    options = [discord.SelectOption(label=label[:_LABEL_MAX], value=job_id) for job_id, label in labels.items()]
    choose = discord.ui.Select[Any](
        custom_id=place.id("pick"), placeholder=pgettext("select placeholder", "Choose one to do something with it"), options=options
    )
    parts: list[Part] = [discord.ui.Separator(), row(choose)]
    if page.pages > 1:
        where = _("Page {number} of {pages}").format(number=page.number + 1, pages=page.pages)
        newer = button(pgettext("button", "Newer"), place.id("newer", page=max(page.number - 1, 0)), emoji="◀️", disabled=page.number == 0)
        older = button(
            pgettext("button", "Older"), place.id("older", page=page.number + 1), emoji="▶️", disabled=page.number + 1 == page.pages
        )
        parts += [row(newer, older), text(f"-# {where}")]
    return parts


def _deeds(job: Job, place: _Place) -> list[Part]:
    """What can be done with one job, by its state."""
    has_picture = any(generation.error is None for generation in job.succeeded)
    deeds: list[Part] = []
    if job.state in _SHOWN and has_picture:
        repost = pgettext("button", "Post here")
        deeds.append(button(repost, place.id("repost", job=job.id), emoji="📌", style=discord.ButtonStyle.primary))
        deeds.append(button(pgettext("button", "Edit"), place.id("edit", job=job.id), emoji="✏️"))
    deeds.append(JobButton("details", job.id))
    if job.state is JobState.OPEN:
        deeds.append(JobButton("cancel", job.id))
    if job.state in _SHOWN:
        deeds.append(button(pgettext("button", "Delete"), place.id("delete", job=job.id), emoji="🗑️", style=discord.ButtonStyle.danger))
    return [row(*deeds), row(button(pgettext("button", "Back"), place.id("back"), emoji="↩️"))]
