"""The rows of buttons under a job's message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import discord

from bot.core.i18n import pgettext
from bot.domain.failures import is_worth_retrying
from bot.domain.job import GenerationState, Job
from cogs.kit.posting import ids_in
from cogs.kit.router import JOB_ID, CustomId, integer, one_of


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What a button shows, beside its label."""

    emoji: str
    style: discord.ButtonStyle = discord.ButtonStyle.secondary


LOOKS = {
    "edit": Looks(emoji="✏️", style=discord.ButtonStyle.primary),
    "again": Looks(emoji="🔁"),
    "details": Looks(emoji="🔍"),
    "delete": Looks(emoji="🗑️", style=discord.ButtonStyle.danger),
    "report": Looks(emoji="🚩"),
    "cancel": Looks(emoji="✋"),
}
PRESS = CustomId("{action}:{job}:{n}", action=one_of(*LOOKS), job=JOB_ID, n=integer(most=9))  # n is always 0
_ENDED = ("edit", "again", "details", "delete", "report")  # what a finished message offers: a row is full with five


def job_button(action: str, job_id: str) -> discord.ui.Button[Any]:
    """One button of one job."""
    looks, custom_id = LOOKS[action], PRESS(action=action, job=job_id, n=0)
    return discord.ui.Button(label=label_of(action), emoji=looks.emoji, style=looks.style, custom_id=custom_id)


def label_of(action: str) -> str:
    """A button's label, in the language of whoever is being answered."""
    return {
        "edit": pgettext("button", "Edit"),
        "again": pgettext("button", "Again"),
        "details": pgettext("button", "Details"),
        "delete": pgettext("button", "Delete"),
        "report": pgettext("button", "Report"),
        "cancel": pgettext("button", "Cancel"),
    }[action]


def waiting_view(job_id: str) -> discord.ui.View:
    """Under a waiting message."""
    return _row(("cancel",), job_id)


def ended_view(job: Job, *, images: int) -> discord.ui.View:
    """Under a finished message: Edit and Report where there is an image, Again where the same words may succeed (another time)."""
    failures = [g.failure for g in job.generations if g.state is GenerationState.FAILED]
    hidden = {
        "edit": not images,
        "again": not images and bool(failures) and not is_worth_retrying(failures),
        "report": not images or job.place.private,  # nobody else sees it
    }
    return _row(tuple(action for action in _ENDED if not hidden.get(action)), job.id)


def ended_job_of(message: discord.Message) -> str | None:
    """The job whose finished message this is."""
    read = (PRESS.read(custom_id) for custom_id in ids_in(message))
    return next((pressed["job"] for pressed in read if pressed is not None and pressed["action"] in _ENDED), None)


def _row(actions: tuple[str, ...], job_id: str) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    for action in actions:
        view.add_item(job_button(action, job_id))
    return view
