"""The details of an image and its relatives, in a private panel with a menu to go from one to another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import discord

from bot.core.i18n import pgettext
from bot.core.markdown import plain
from bot.domain import permissions, visibility
from bot.domain.job import Job
from bot.domain.lineage import Lineage, visible
from bot.domain.permissions import Action
from bot.domain.preferences import Preferences
from bot.domain.request import Request
from bot.domain.visibility import Border, Origin, border
from bot.store import lineage, messages
from cogs.images import detail_texts, thumbnails
from cogs.kit import channels, panels, texts
from cogs.kit.channels import KnownChannels
from cogs.kit.request import Interaction, client_of, services_of
from cogs.kit.router import JOB_ID, CustomId, Router

router = Router()

_GO = CustomId("kin:{start}", start=JOB_ID)  # the menu; its values are job ids
_BACK = CustomId("kin-back:{start}", start=JOB_ID)
_MAX_OPTIONS = 25  # of a select; Discord shows no more
_LABEL_MAX = 100  # characters of an option


async def show(request: Request, interaction: Interaction, job: Job) -> None:
    """Send a private panel about a job. Raises `NotAllowed` if this member may not see it."""
    await check_may_see(request, interaction, job)
    await panels.show(interaction, *await _panel(request, interaction, job, start=job.id, redraws=False))


@router.select(_GO)
async def go(request: Request, interaction: Interaction, values: Sequence[str], *, start: str) -> None:
    """Go to a relative."""
    await _step(request, interaction, next(iter(values), start), start=start)


@router.press(_BACK)
async def back(request: Request, interaction: Interaction, *, start: str) -> None:
    """Go back to the first image of the panel."""
    await _step(request, interaction, start, start=start)


async def origin_of(interaction: Interaction, job: Job) -> Origin:
    """Where the job's image is shown: in its own channel, and where copies are."""
    copies = await services_of(interaction).reader.read(messages.of_job, job.id)
    return await channels.origin_of(client_of(interaction), job, copies)


async def _step(request: Request, interaction: Interaction, job_id: str, *, start: str) -> None:
    """Show another image in the same panel. Permissions are checked again, because they may have changed."""
    job = await services_of(interaction).orders.job(job_id)
    await check_may_see(request, interaction, job)
    await panels.redraw(interaction, *await _panel(request, interaction, job, start=start, redraws=True))


async def check_may_see(request: Request, interaction: Interaction, job: Job) -> None:
    """Raises `NotAllowed` if this member may not see the job from here."""
    origin, reader = await origin_of(interaction, job), visibility.reader_of(request)
    is_readable = border(origin, reader) is not Border.READERS
    permissions.check(request, Action.SEE, permissions.image_of(job, is_readable=is_readable))
    visibility.check(origin, reader)


async def _panel(
    request: Request, interaction: Interaction, job: Job, *, start: str, redraws: bool
) -> tuple[discord.ui.LayoutView, list[discord.File]]:
    services, title_of = services_of(interaction), services_of(interaction).orders.models.title
    job, relatives = await services.reader.read(lineage.around, job, request.guild_id)
    known, reader = KnownChannels(client_of(interaction)), visibility.reader_of(request)
    found = visible(job, relatives, lambda other: border(known.origin_of(other), reader) is None)
    is_own = permissions.is_owner(request, permissions.image_of(job))
    style = _style_in(request.preferences, job.prompt) if is_own else None
    source = Origin(channels=(known.get(job.place.guild_id, job.origin_channel_id or 0),))
    shown = job if is_own or border(source, reader) is None else replace(job, origin_message_id=None)
    small = await thumbnails.of_jobs(interaction, [job], redraws=redraws)
    parts = [*thumbnails.gallery(job, small), panels.text(detail_texts.details(shown, title_of, style=style))]
    if family := detail_texts.family(found, title_of):
        parts += [discord.ui.Separator(), panels.text(family)]
    if found.all:
        parts.append(panels.row(_relatives(found, start, title_of)))
    if job.id != start:
        parts.append(panels.row(panels.button(pgettext("button", "Back to the first"), _BACK(start=start), emoji="↩️")))
    return panels.panel(*parts), thumbnails.files(small)


def _relatives(found: Lineage, start: str, title_of: Callable[[str], str]) -> discord.ui.Select[Any]:
    select = discord.ui.Select[Any](custom_id=_GO(start=start), placeholder=pgettext("select placeholder", "Open a related image"))
    for other in found.all[:_MAX_OPTIONS]:
        arrow, relation = detail_texts.relation(found, other)
        label = plain(texts.subject(other))[:_LABEL_MAX]
        select.add_option(label=label, value=other.id, description=f"{relation} · {title_of(other.model)}"[:_LABEL_MAX], emoji=arrow)
    return select


def _style_in(chosen: Preferences, prompt: str) -> str | None:
    """The name of the member's style that was applied to this prompt, if any."""
    for style in chosen.styles:
        prefix, suffix = style.prefix.strip(" ,"), style.suffix.strip(" ,")
        if (prefix or suffix) and prompt.startswith(prefix) and prompt.endswith(suffix):
            return style.name
    return None
