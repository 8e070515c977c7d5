"""The rows of buttons under a job's message. Their ids carry all they need, so they outlive restarts: `v1:<action>:<job>:<n>`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Self

import discord

from bot.i18n import pgettext
from bot.jobs.job import GenerationState, Job
from bot.jobs.ladder import worth_asking_again

_ID = re.compile(r"v1:(?P<action>edit|again|details|delete|report|cancel):(?P<job>[0-9a-z]{12}):(?P<n>[0-9])")


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
_ENDED = ("edit", "again", "details", "delete", "report")  # what a finished message offers: a row is full with five


class JobButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=_ID):
    """One button of one job. A press becomes the event `job_button`, which the buttons cog takes."""

    def __init__(self, action: str, job_id: str, n: int = 0) -> None:
        self.action, self.job_id = action, job_id
        looks = LOOKS[action]
        custom_id = f"v1:{action}:{job_id}:{n}"
        super().__init__(discord.ui.Button(label=label_of(action), emoji=looks.emoji, style=looks.style, custom_id=custom_id))

    @classmethod
    async def from_custom_id(cls, _interaction: discord.Interaction[Any], _item: discord.ui.Item[Any], match: re.Match[str], /) -> Self:
        return cls(match["action"], match["job"], int(match["n"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        interaction.client.dispatch("job_button", interaction, self.action, self.job_id)


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


def ended_view(job: Job, *, pictures: int) -> discord.ui.View:
    """Under a finished message: Edit and Report where there is a picture, Again where the same words may succeed (another time)."""
    failures = [g.failure for g in job.generations if g.state is GenerationState.FAILED]
    hidden = {
        "edit": not pictures,
        "again": not pictures and bool(failures) and not worth_asking_again(failures),
        "report": not pictures or job.place.private,  # nobody else sees it
    }
    return _row(tuple(action for action in _ENDED if not hidden.get(action)), job.id)


def ended_job_of(message: discord.Message) -> str | None:
    """The job whose finished message this is."""
    for row in message.components:
        for item in getattr(row, "children", ()):
            match = _ID.fullmatch(getattr(item, "custom_id", None) or "")
            if match and match["action"] in _ENDED:
                return match["job"]
    return None


def _row(actions: tuple[str, ...], job_id: str) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    for action in actions:
        view.add_item(JobButton(action, job_id))
    return view
