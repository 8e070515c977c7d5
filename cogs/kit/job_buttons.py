"""The rows of buttons under a job's message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import discord

from bot.core.i18n import pgettext
from bot.domain.failures import is_worth_retrying, may_be_changed
from bot.domain.job import GenerationState, Job
from bot.services.money.upscalers import is_upscaling_offered
from cogs.kit.posting import ids_in
from cogs.kit.request import Interaction, services_of
from cogs.kit.router import DISCORD_ID, JOB_ID, ON_OFF, CustomId, integer, one_of


@dataclass(frozen=True, kw_only=True)
class JobButtonStyle:
    """Emoji and colour of a button."""

    emoji: str
    style: discord.ButtonStyle = discord.ButtonStyle.secondary


JOB_BUTTONS = {
    "edit": JobButtonStyle(emoji="✏️", style=discord.ButtonStyle.primary),
    "upscale": JobButtonStyle(emoji="⏫"),
    "again": JobButtonStyle(emoji="🔁"),
    "details": JobButtonStyle(emoji="🔍"),
    "delete": JobButtonStyle(emoji="🗑️", style=discord.ButtonStyle.danger),
    "report": JobButtonStyle(emoji="🚩"),
    "cancel": JobButtonStyle(emoji="✋"),
}
_LABELS: Mapping[str, Callable[[], str]] = {
    "edit": lambda: pgettext("button", "Edit"),
    "upscale": lambda: pgettext("button", "Upscale"),
    "again": lambda: pgettext("button", "Again"),
    "details": lambda: pgettext("button", "Details"),
    "delete": lambda: pgettext("button", "Delete"),
    "report": lambda: pgettext("button", "Report"),
    "cancel": lambda: pgettext("button", "Cancel"),
}
PRESS = CustomId("{action}:{job}:{n}", action=one_of(*JOB_BUTTONS), job=JOB_ID, n=integer(most=9))  # n is always 0
# Changes what a job ordered and orders it again; only this member may. Whether the answer is private.
RETRY_JOB = CustomId("retry-job:{job}:{user}:{private}", job=JOB_ID, user=DISCORD_ID, private=ON_OFF)
_ENDED = ("edit", "upscale", "again", "details", "delete", "report")  # under a finished message
_MAKING = ("edit", "upscale", "again")  # in a row of their own if one row cannot hold them all
_ROW_MAX = 5  # buttons


def job_button(action: str, job_id: str) -> discord.ui.Button[Any]:
    button, custom_id = JOB_BUTTONS[action], PRESS(action=action, job=job_id, n=0)
    return discord.ui.Button(label=label_of(action), emoji=button.emoji, style=button.style, custom_id=custom_id)


def retry_button(custom_id: str) -> discord.ui.Button[Any]:
    """The button under a refused order and under one that failed."""
    label = pgettext("button", "Change and try again")
    return discord.ui.Button(label=label, emoji="📝", style=discord.ButtonStyle.primary, custom_id=custom_id)


def label_of(action: str) -> str:
    """A button's label, in the current language."""
    return _LABELS[action]()


def waiting_view(job_id: str) -> discord.ui.View:
    """The button under a waiting message."""
    return _row(("cancel",), job_id)


def ended_view(job: Job, *, images: int, links: int = 0, upscales: bool) -> discord.ui.View:
    """The buttons under a finished message: Edit if it has an image, Report also if it has a link, Again unless it would fail again.

    `links`: to images that are not in the message, which cannot be edited.
    `upscales`: whether an upscaler is offered there.
    """
    failures = [g.failure for g in job.generations if g.state is GenerationState.FAILED]
    hidden = {
        "edit": not images,
        "upscale": not images or not upscales,
        "again": not images and not links and bool(failures) and not is_worth_retrying(failures),
        "report": not (images or links) or job.place.private,  # others cannot see a private message
    }
    view = _row(tuple(action for action in _ENDED if not hidden.get(action)), job.id)
    if not images and not links and may_be_changed(failures):
        _put_first(view, retry_button(RETRY_JOB(job=job.id, user=job.place.user_id, private=job.place.private)))
    return view


async def upscales_in(source: Interaction | discord.Client, guild_id: int | None) -> bool:
    """Whether anyone may upscale in a guild, or in direct messages."""
    services = services_of(source)
    policy = (await services.guilds.settings(guild_id)).policy
    return is_upscaling_offered(services.pricing, services.orders.models.offered, policy)


def ended_job_of(message: discord.Message) -> str | None:
    """The id of the job whose finished message this is, if any."""
    return _job_with(message, _ENDED)


def job_of(message: discord.Message) -> str | None:
    """The id of the job whose waiting or finished message this is, if any."""
    return _job_with(message, tuple(JOB_BUTTONS))


def _job_with(message: discord.Message, actions: tuple[str, ...]) -> str | None:
    fields = (PRESS.read(custom_id) for custom_id in ids_in(message))
    return next((pressed["job"] for pressed in fields if pressed is not None and pressed["action"] in actions), None)


def _put_first(view: discord.ui.View, button: discord.ui.Button[Any]) -> None:
    others = view.children
    view.clear_items()
    for each in (button, *others):
        view.add_item(each)


def _row(actions: tuple[str, ...], job_id: str) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    for action in actions:
        button = job_button(action, job_id)
        button.row = int(action not in _MAKING) if len(actions) > _ROW_MAX else None
        view.add_item(button)
    return view
