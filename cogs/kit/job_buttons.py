"""The rows of buttons under a job's message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import discord

from bot.core.i18n import pgettext
from bot.domain.failures import is_worth_retrying, may_be_changed
from bot.domain.job import GenerationState, Job
from bot.services.money.upscalers import is_upscaling_offered
from cogs.kit.posting import ids_in
from cogs.kit.request import Interaction, services_of
from cogs.kit.router import DISCORD_ID, JOB_ID, ON_OFF, CustomId, integer, one_of

if TYPE_CHECKING:
    from bot.client.easel import Easel


@dataclass(frozen=True, kw_only=True)
class JobButtonStyle:
    """Emoji and colour of a button."""

    emoji: str
    style: discord.ButtonStyle = discord.ButtonStyle.secondary


JOB_BUTTONS: Final = {
    "edit": JobButtonStyle(emoji="✏️", style=discord.ButtonStyle.primary),
    "upscale": JobButtonStyle(emoji="⏫"),
    "again": JobButtonStyle(emoji="🔁"),
    "details": JobButtonStyle(emoji="🔍"),
    "send": JobButtonStyle(emoji="✉️"),
    "hide": JobButtonStyle(emoji="🙈"),
    "delete": JobButtonStyle(emoji="🗑️", style=discord.ButtonStyle.danger),
    "report": JobButtonStyle(emoji="🚩"),
    "cancel": JobButtonStyle(emoji="✋"),
}
_LABELS: Mapping[str, Callable[[], str]] = {
    "edit": lambda: pgettext("button", "Edit"),
    "upscale": lambda: pgettext("button", "Upscale"),
    "again": lambda: pgettext("button", "Again"),
    "details": lambda: pgettext("button", "Details"),
    "send": lambda: pgettext("button", "Send me the file"),
    "hide": lambda: pgettext("button", "Hide"),
    "delete": lambda: pgettext("button", "Delete"),
    "report": lambda: pgettext("button", "Report"),
    "cancel": lambda: pgettext("button", "Cancel"),
}
_ENDED: Final = ("edit", "upscale", "again", "details", "delete", "report")  # under a finished message, also of earlier versions
PRESS = CustomId("{action}:{job}:{n}", action=one_of(*_ENDED, "cancel"), job=JOB_ID, n=integer(most=9))  # n is always 0
# Changes what a job ordered and orders it again; only this member may. Whether the answer is private.
RETRY_JOB = CustomId("retry-job:{job}:{user}:{private}", job=JOB_ID, user=DISCORD_ID, private=ON_OFF)
# Open a private panel: about the message, or about its image number n.
OPEN = CustomId("{panel}:{job}:{n}", panel=one_of("more", "image"), job=JOB_ID, n=integer(most=9))


def job_button(action: str, job_id: str) -> discord.ui.Button[Any]:
    return styled(action, PRESS(action=action, job=job_id, n=0))


def styled(action: str, custom_id: str) -> discord.ui.Button[Any]:
    """A button with the label, emoji and colour of an action, in the current language."""
    button = JOB_BUTTONS[action]
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
    return _view([job_button("cancel", job_id)])


def ended_view(job: Job, *, numbers: Sequence[int], links: int = 0, is_reachable: bool) -> discord.ui.View:
    """The buttons under a finished message. One image: Edit, Again, More. Several: their numbers, then Again and More.

    Again is left out if it would fail again, Edit without an image. Without any image the order can be changed, if that may help.

    `numbers`: of the images in the message, from 1; `links`: to images that are not in it, which cannot be edited.
    `is_reachable`: see `reaches`. Where it is not, Delete stands on the message, since only a press there can delete it.
    """
    failures = [g.failure for g in job.generations if g.state is GenerationState.FAILED]
    would_fail = not numbers and not links and bool(failures) and not is_worth_retrying(failures)
    several = len(numbers) > 1
    pick = [_opening(str(number), OPEN(panel="image", job=job.id, n=number)) for number in numbers if several]
    changing = RETRY_JOB(job=job.id, user=job.place.user_id, private=job.place.private)
    row = [
        *([retry_button(changing)] if not numbers and not links and may_be_changed([g.failure for g in job.generations]) else []),
        *([job_button("edit", job.id)] if numbers and not several else []),
        *([] if would_fail else [job_button("again", job.id)]),
        _opening(pgettext("button", "More"), OPEN(panel="more", job=job.id, n=0)),
        *([] if is_reachable else [job_button("delete", job.id)]),
    ]
    return _view(pick, row)


async def reaches(client: Easel, guild_id: int | None, *, private: bool) -> bool:
    """Whether the bot reaches a message there later, with its own token. Raises as discord.py does.

    A private answer, and one outside the bot's guilds, is reached only by an interaction of that very message. Direct messages with the bot
    are not told apart from other members', which it does not reach.
    """
    return not private and guild_id is not None and await client.found_guild(guild_id) is not None


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
    return _job_with(message, (*_ENDED, "cancel"))


def has_delete(message: discord.Message) -> bool:
    """Whether a message has its own button to delete it."""
    return _job_with(message, ("delete",), opens=False) is not None


def _job_with(message: discord.Message, actions: tuple[str, ...], *, opens: bool = True) -> str | None:
    """The job of a button with one of these actions, or that `opens` a panel, which stands only under a finished message."""
    for custom_id in ids_in(message):
        pressed, opened = PRESS.read(custom_id), OPEN.read(custom_id) if opens else None
        if pressed is not None and pressed["action"] in actions:
            return str(pressed["job"])
        if opened is not None:
            return str(opened["job"])
    return None


def _opening(label: str, custom_id: str) -> discord.ui.Button[Any]:
    return discord.ui.Button(label=label, custom_id=custom_id)


def _view(*rows: Iterable[discord.ui.Button[Any]]) -> discord.ui.View:
    """Buttons in rows, of which empty ones take no place."""
    view = discord.ui.View(timeout=None)
    for number, row in enumerate(filter(None, map(list, rows))):
        for button in row:
            button.row = number
            view.add_item(button)
    return view
