"""/history: a member's own requests with thumbnails, to post again, inspect, edit or delete.

The panel has no stored state: page and search words are in the custom ids of its buttons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.i18n import _, pgettext
from bot.core.markdown import plain
from bot.core.running import patience
from bot.domain.job import HISTORY_PAGE, HistoryPage, Job, JobState
from bot.domain.request import Request
from bot.services.history import History
from bot.services.pipeline.delivery.fitting import notes_of
from bot.services.pipeline.delivery.results import usable
from bot.services.pipeline.delivery.routes import ResultMessage
from bot.store import history as history_queries
from cogs.images import details, edit_form, history_texts, thumbnails, upscale_form
from cogs.kit import answers, audience, job_texts, panels, texts
from cogs.kit.job_buttons import JOB_BUTTONS, ended_view, job_button, label_of, reaches, upscales_in
from cogs.kit.panels import Part, button, everywhere, panel, row, text
from cogs.kit.request import Interaction, client_of, request_of, services_of
from cogs.kit.router import JOB_ID, CustomId, Field, Router, integer, matching, one_of

router = Router()

_WORDS_MAX = 60  # characters; a custom id has 100
_WHERE: Mapping[str, Field[Any]] = {"page": integer(most=99_999), "words": matching(rf"(?s:.{{0,{_WORDS_MAX}}})")}
_TURN = CustomId("history:{way}:-:{page}:{words}", way=one_of("newer", "older", "back"), **_WHERE)
_PICK = CustomId("history:pick:-:{page}:{words}", **_WHERE)
_REPOST = CustomId("history:repost:{job}:{page}:{words}", job=JOB_ID, **_WHERE)
_EDIT = CustomId("history:edit:{job}:{page}:{words}", job=JOB_ID, **_WHERE)
_UPSCALE = CustomId("history:upscale:{job}:{page}:{words}", job=JOB_ID, **_WHERE)
_DELETE = CustomId("history:delete:{job}:{page}:{words}", job=JOB_ID, **_WHERE)
_LABEL_MAX = 100  # characters of a choice
_SHOWN = (JobState.DELIVERED, JobState.STRANDED)


@dataclass(frozen=True, kw_only=True)
class _Place:
    """The page of the list, and the search words."""

    page: int = 0
    words: str = ""


class HistoryCog(commands.Cog, name="History"):
    """The command /history."""

    @app_commands.command(description="Browse, repost, edit or delete your images")
    @app_commands.describe(search="Search your prompts")
    @everywhere
    async def history(self, interaction: Interaction, search: app_commands.Range[str, 1, _WORDS_MAX] = "") -> None:
        request = await request_of(interaction)
        view, files = await _list(request, interaction, _Place(words=" ".join(search.split())), redraws=False)
        await panels.show(interaction, view, files)


# --- controls --------------------------------------------------------------------------------------------------------


@router.press(_TURN)
async def turn(request: Request, interaction: Interaction, *, page: int, words: str, **_way: str) -> None:
    """Show a page of the list."""
    await _redraw(request, interaction, _Place(page=page, words=words))


@router.select(_PICK)
async def pick(request: Request, interaction: Interaction, values: Sequence[str], *, page: int, words: str) -> None:
    """Show one job with its buttons."""
    job = await _history(interaction).own(request, next(iter(values), ""))
    small = await thumbnails.of_jobs(interaction, [job], redraws=True)
    parts: list[Part] = [text(history_texts.alone(job, services_of(interaction).orders.models.title)), *thumbnails.gallery(job, small)]
    actions = _actions(job, _Place(page=page, words=words), upscales=await upscales_in(interaction, request.guild_id))
    await panels.redraw(interaction, panel(*parts, *actions), thumbnails.files(small))


@router.press(_REPOST)
async def repost(request: Request, interaction: Interaction, *, job: str, **_place: Any) -> None:
    """Post the full images as a public finished message, if the rules of this place allow it. Errors stay private."""
    own = await _history(interaction).own(request, job)
    await answers.defer(interaction)
    reposts = services_of(interaction).reposts
    async with reposts.open(request, own, await details.origin_of(interaction, own)) as found:
        missing = len(usable(own)) - len(found.images)
        is_reachable = await reaches(client_of(interaction), request.guild_id, private=False)
        with audience.language_of(interaction, private=False):
            notes = (*([texts.gone(missing)] if missing else []), *notes_of(found.images))
            shown = ResultMessage(job=found.job, images=found.images, notes=notes)
            uploads = [discord.File(each.path, filename=each.filename, description=texts.alt(each.alt)) for each in found.images]
            content = job_texts.finished(shown, services_of(interaction).orders.models.title)
            view = ended_view(own, numbers=[each.n + 1 for each in found.images], is_reachable=is_reachable)
        message = await interaction.followup.send(
            content,
            view=view,
            files=uploads,
            allowed_mentions=discord.AllowedMentions.none(),
            wait=True,
        )
        with patience.endless():
            await reposts.posted(request, found, channel_id=message.channel.id, message_id=message.id)


@router.press(_EDIT, defers=False)
async def edit(request: Request, interaction: Interaction, *, job: str, **_place: Any) -> None:
    """Open the edit form."""
    await edit_form.ask_for_edit(interaction, await _history(interaction).own(request, job))


@router.press(_UPSCALE, defers=False)
async def upscale(request: Request, interaction: Interaction, *, job: str, **_place: Any) -> None:
    """Open the form of an upscale."""
    await upscale_form.ask_for_upscale(interaction, await _history(interaction).own(request, job))


@router.press(_DELETE)
async def delete(request: Request, interaction: Interaction, *, job: str, page: int, words: str) -> None:
    """Delete the job and its message, and go back to the list."""
    history = _history(interaction)
    own = await history.own(request, job)
    await history.take_away(own)
    is_member = own.place.guild_id is None or await reaches(client_of(interaction), own.place.guild_id, private=False)
    await _redraw(request, interaction, _Place(page=page, words=words), note=history_texts.deleted(own, is_member=is_member))


async def _redraw(request: Request, interaction: Interaction, place: _Place, *, note: str = "") -> None:
    view, files = await _list(request, interaction, place, note=note, redraws=True)
    await panels.redraw(interaction, view, files)


def _history(interaction: Interaction) -> History:
    return services_of(interaction).history


# --- panels ----------------------------------------------------------------------------------------------------------


async def _list(
    request: Request, interaction: Interaction, place: _Place, *, note: str = "", redraws: bool
) -> tuple[discord.ui.LayoutView, list[discord.File]]:
    reader, title_of = services_of(interaction).reader, services_of(interaction).orders.models.title
    page = await reader.read(history_queries.page, request.actor.user_id, words=place.words, number=place.page)
    small = await thumbnails.of_jobs(interaction, page.jobs, redraws=redraws)
    parts: list[Part] = [text(history_texts.heading(page), note)]
    for number, job in _numbered(page):
        line = history_texts.in_list(number, job, title_of, left_out=thumbnails.left_out(page.jobs, job))
        parts += [discord.ui.Separator(), text(line), *thumbnails.gallery(job, small)]
    return panel(*parts, *_navigation(page, _Place(page=page.number, words=place.words))), thumbnails.files(small)


def _numbered(page: HistoryPage) -> list[tuple[int, Job]]:
    return list(enumerate(page.jobs, page.number * HISTORY_PAGE + 1))


def _navigation(page: HistoryPage, place: _Place) -> list[Part]:
    """The menu to choose a job, and the buttons to other pages."""
    if not page.jobs:
        return []
    labels = {job.id: f"{number}. {plain(texts.subject(job))}" for number, job in _numbered(page)}
    options = [discord.SelectOption(label=label[:_LABEL_MAX], value=job_id) for job_id, label in labels.items()]
    choose = discord.ui.Select[Any](
        custom_id=_PICK(page=place.page, words=place.words),
        placeholder=pgettext("select placeholder", "Choose an image"),
        options=options,
    )
    parts: list[Part] = [discord.ui.Separator(), row(choose)]
    if page.pages > 1:
        where = _("Page {number} of {pages}").format(number=page.number + 1, pages=page.pages)
        before = _TURN(way="newer", page=max(page.number - 1, 0), words=place.words)
        after = _TURN(way="older", page=page.number + 1, words=place.words)
        newer = button(pgettext("button", "Newer"), before, emoji="◀️", disabled=page.number == 0)
        older = button(pgettext("button", "Older"), after, emoji="▶️", disabled=page.number + 1 == page.pages)
        parts += [row(newer, older), text(f"-# {where}")]
    return parts


def _actions(job: Job, place: _Place, *, upscales: bool) -> list[Part]:
    """The buttons for one job, by its state."""
    has_image = any(generation.error is None for generation in job.succeeded)
    where = {"page": place.page, "words": place.words}
    buttons: list[Part] = []
    if job.state in _SHOWN and has_image:
        repost = pgettext("button", "Post here")
        buttons.append(button(repost, _REPOST(job=job.id, **where), emoji="📌", style=discord.ButtonStyle.primary))
        buttons.append(button(pgettext("button", "Edit"), _EDIT(job=job.id, **where), emoji="✏️"))
        if upscales:
            buttons.append(button(label_of("upscale"), _UPSCALE(job=job.id, **where), emoji=JOB_BUTTONS["upscale"].emoji))
    buttons.append(job_button("details", job.id))
    if job.state is JobState.OPEN:
        buttons.append(job_button("cancel", job.id))
    if job.state in _SHOWN:
        buttons.append(button(pgettext("button", "Delete"), _DELETE(job=job.id, **where), emoji="🗑️", style=discord.ButtonStyle.danger))
    return [row(*buttons), row(button(pgettext("button", "Back"), _TURN(way="back", **where), emoji="↩️"))]
