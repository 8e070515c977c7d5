"""/cancel with several unfinished jobs: a panel with a button for each, and one for all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import discord

from bot.core.errors import NotFound
from bot.core.i18n import _, ngettext, pgettext
from bot.domain.job import Job, JobState
from bot.domain.request import Request
from bot.store import jobs
from cogs.kit import job_texts, panels, texts
from cogs.kit.panels import Part, beside, button, panel, row, text
from cogs.kit.request import Interaction, services_of
from cogs.kit.router import JOB_ID, CustomId, Router

router = Router()

_ONE = CustomId("cancel-one:{job}", job=JOB_ID)
_ALL = CustomId("cancel-all")
_SHOWN_MAX = 10  # jobs: more would fit in a panel, but not on a phone
_SUBJECT_MAX = 120  # characters


async def unfinished(request: Request, interaction: Interaction) -> Sequence[Job]:
    """The member's unfinished jobs, newest first; without those that are being cancelled, unless all are."""
    found = await services_of(interaction).reader.read(jobs.of_member, request.actor.user_id, state=JobState.OPEN)
    return [job for job in found if job.cancel_requested_at is None] or found


async def ask(interaction: Interaction, open_jobs: Sequence[Job]) -> None:
    """Show the panel."""
    await panels.show(interaction, _panel(interaction, open_jobs))


@router.press(_ONE)
async def cancel_one(request: Request, interaction: Interaction, *, job: str) -> None:
    """Cancel a job, and show those that are left."""
    try:
        note = job_texts.cancelled(await services_of(interaction).orders.cancel(request, job))
    except NotFound as error:  # it was finished in the meantime
        note = error.sentence
    left = [each for each in await unfinished(request, interaction) if each.cancel_requested_at is None]
    await panels.redraw(interaction, _panel(interaction, left, note))


@router.press(_ALL)
async def cancel_all(request: Request, interaction: Interaction) -> None:
    """Cancel all of the member's jobs, also those that the panel does not show."""
    orders, cancelled = services_of(interaction).orders, []
    for job in await unfinished(request, interaction):
        try:
            cancelled.append(await orders.cancel(request, job.id))
        except NotFound:  # it was finished in the meantime
            continue
    await panels.redraw(interaction, panel(text(_of_all(cancelled))))


def _panel(interaction: Interaction, open_jobs: Sequence[Job], note: str = "") -> discord.ui.LayoutView:
    if not open_jobs:
        return panel(text(note or _("You have no unfinished images.")))
    parts: list[Part] = [text(note)] if note else []
    title_of = services_of(interaction).orders.models.title
    for job in open_jobs[:_SHOWN_MAX]:
        cancel = button(pgettext("button", "Cancel"), _ONE(job=job.id), emoji="✋")
        subject, model = texts.quoted(texts.subject(job), limit=_SUBJECT_MAX), texts.quoted(title_of(job.model))
        parts.append(beside(cancel, f"**{subject}**", f"-# {model}"))
    if len(open_jobs) > 1:
        everything = pgettext("button", "Cancel all ({count})").format(count=len(open_jobs))
        parts.append(row(button(everything, _ALL(), style=discord.ButtonStyle.danger)))
    return panel(text("## " + _("Cancel an image")), *parts)


def _of_all(cancelled: Iterable[Job]) -> str:
    found = list(cancelled)
    if not found:
        return _("You have no unfinished images.")
    done = ngettext("✋ {count} request cancelled.", "✋ {count} requests cancelled.", len(found)).format(count=len(found))
    running = any(job.open for job in found)
    charged = _("Images that are already done will still arrive.") if running else _("You weren't charged.")
    return f"{done} {charged}"
