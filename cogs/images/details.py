"""The details of an image and its relatives, in a private panel with a menu to go from one to another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import discord

from bot.core.i18n import pgettext
from bot.core.markdown import plain
from bot.domain import permissions
from bot.domain.job import Job
from bot.domain.lineage import Lineage, visible
from bot.domain.permissions import Action
from bot.domain.preferences import Preferences
from bot.domain.request import Request
from bot.store import lineage, messages
from cogs.images import detail_texts, thumbnails
from cogs.kit import panels
from cogs.kit.request import Interaction, services_of
from cogs.kit.router import JOB_ID, CustomId, Router

router = Router()

_GO = CustomId("kin:{start}", start=JOB_ID)  # the menu; its values are job ids
_BACK = CustomId("kin-back:{start}", start=JOB_ID)
_MAX_OPTIONS = 25  # of a select; Discord shows no more
_LABEL_MAX = 100  # characters of an option


async def show(request: Request, interaction: Interaction, job: Job) -> None:
    """Send a private panel about a job. Raises `NotAllowed` if this member may not see it."""
    await _check_may_see(request, interaction, job)
    await panels.show(interaction, *await _panel(request, interaction, job, start=job.id, redraws=False))


@router.select(_GO)
async def go(request: Request, interaction: Interaction, values: Sequence[str], *, start: str) -> None:
    """Go to a relative."""
    await _step(request, interaction, next(iter(values), start), start=start)


@router.press(_BACK)
async def back(request: Request, interaction: Interaction, *, start: str) -> None:
    """Go back to the first image of the panel."""
    await _step(request, interaction, start, start=start)


async def is_readable(interaction: Interaction, job: Job) -> bool:
    """Whether this member can read the channel of the job or of one of its copies."""
    if _can_read(interaction, job.place.guild_id, job.place.channel_id):
        return True
    copies = await services_of(interaction).reader.read(messages.of_job, job.id)
    return any(_can_read(interaction, each.guild_id, each.channel_id) for each in copies)


async def _step(request: Request, interaction: Interaction, job_id: str, *, start: str) -> None:
    """Show another image in the same panel. Permissions are checked again, because they may have changed."""
    job = await services_of(interaction).orders.job(job_id)
    await _check_may_see(request, interaction, job)
    await panels.redraw(interaction, *await _panel(request, interaction, job, start=start, redraws=True))


async def _check_may_see(request: Request, interaction: Interaction, job: Job) -> None:
    permissions.check(request, Action.SEE, permissions.image_of(job, is_readable=await is_readable(interaction, job)))


async def _panel(
    request: Request, interaction: Interaction, job: Job, *, start: str, redraws: bool
) -> tuple[discord.ui.LayoutView, list[discord.File]]:
    reader, title_of = services_of(interaction).reader, services_of(interaction).orders.models.title
    job, relatives = await reader.read(lineage.around, job, request.guild_id)
    found = visible(job, relatives, partial(_may_see, request, interaction))
    style = _style_in(request.preferences, job.prompt) if permissions.is_owner(request, permissions.image_of(job)) else None
    small = await thumbnails.of_jobs(interaction, [job], redraws=redraws)
    parts = [*thumbnails.gallery(job, small), panels.text(detail_texts.details(job, title_of, style=style))]
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
        label = plain(other.prompt)[:_LABEL_MAX]
        select.add_option(label=label, value=other.id, description=f"{relation} · {title_of(other.model)}"[:_LABEL_MAX], emoji=arrow)
    return select


def _may_see(request: Request, interaction: Interaction, other: Job) -> bool:
    """Whether this member may see a relative: their own, or one in a channel that they can read."""
    readable = _can_read(interaction, other.place.guild_id, other.place.channel_id)
    return permissions.may(request, Action.SEE, permissions.image_of(other, is_readable=readable))


def _can_read(interaction: Interaction, guild_id: int | None, channel_id: int) -> bool:
    """Whether this member can read a channel: the current one, or one of the same guild that they can view."""
    if channel_id == interaction.channel_id:
        return True
    if guild_id is None or guild_id != interaction.guild_id:
        return False
    guild, member = interaction.client.get_guild(guild_id), interaction.user
    channel = guild.get_channel_or_thread(channel_id) if guild else None
    if channel is None or not isinstance(member, discord.Member) or (isinstance(channel, discord.Thread) and channel.is_private()):
        return False
    return bool(channel.permissions_for(member).view_channel)


def _style_in(chosen: Preferences, prompt: str) -> str | None:
    """The name of the member's style that was applied to this prompt, if any."""
    for style in chosen.styles:
        prefix, suffix = style.prefix.strip(" ,"), style.suffix.strip(" ,")
        if (prefix or suffix) and prompt.startswith(prefix) and prompt.endswith(suffix):
            return style.name
    return None
