"""What moderators press: the buttons of cases and of the log, and the messages that carry them. Ids hold all that is needed."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final

import discord

from bot import i18n
from bot.i18n import pgettext
from bot.jobs.job import Job, JobState
from bot.store.cases import Case, CaseState, Decision
from cogs import look
from cogs.posting import Button, Sheet

if TYPE_CHECKING:
    from bot.client import Easel

_DECISIONS = "|".join(Decision)
CASE_ID: Final = re.compile(rf"v1:case:(?P<decision>{_DECISIONS}):(?P<case>[0-9]{{1,20}})")
JUDGE_ID: Final = re.compile(rf"v1:judge:(?P<decision>{_DECISIONS}):(?P<job>[0-9a-z]{{12}})")
APPEAL_ID: Final = re.compile(r"v1:appeal:(?P<case>[0-9]{1,20})")
LOOKS: Final = {
    Decision.KEEP: ("✅", discord.ButtonStyle.success),
    Decision.SPOILER: ("🙈", discord.ButtonStyle.secondary),
    Decision.DELETE: ("🗑️", discord.ButtonStyle.danger),
    Decision.BLOCK: ("⛔", discord.ButtonStyle.danger),
    Decision.REFUND: ("💰", discord.ButtonStyle.secondary),
}


def speaking(client: Easel, guild_id: int | None) -> AbstractContextManager[None]:
    """The language of a server's own posts."""
    guild = client.get_guild(guild_id) if guild_id is not None else None
    return i18n.speaking(str(guild.preferred_locale) if guild else None)


async def case_sheet(client: Easel, about: Case) -> Sheet:
    """The moderators' message about a case, in their server's language; its buttons stay until it is decided."""
    file = await client.casebook.file_of(about)
    with speaking(client, about.guild_id):
        content = look.cases.case(file, client.studio.models.title)
        buttons = () if about.state is CaseState.DECIDED else _buttons("case", str(about.id), decisions_on(about))
        return Sheet(content=content, buttons=buttons)


async def log_sheet(client: Easel, job: Job, guild_id: int | None) -> Sheet:
    """A job in the log channel; its buttons stay until a moderator has decided to take it away."""
    latest = await client.casebook.latest_about(job.id, guild_id)
    with speaking(client, guild_id):
        content = look.cases.log_entry(job, client.studio.models.title, latest)
        is_settled = latest is not None and latest.state is CaseState.DECIDED and job.state is JobState.DELETED
        return Sheet(content=content, buttons=() if is_settled else _buttons("judge", job.id, tuple(Decision)))


def server_of(job: Job) -> int | None:
    """Where a job was asked for: it may have come by direct message."""
    return next((g.guild_id for g in job.generations), job.place.guild_id)


def decisions_on(about: Case) -> tuple[Decision, ...]:
    """What can be decided about a case: pictures that were not made here cannot be hidden, nor their price given back."""
    return tuple(Decision) if about.job_id is not None else (Decision.KEEP, Decision.DELETE, Decision.BLOCK)


def appeal_buttons(about: Case) -> tuple[Button, ...]:
    """Under what the author is told, as long as an appeal is open to them."""
    if not about.may_be_appealed:
        return ()
    label = pgettext("button", "Appeal")
    return (Button(label=label, emoji="⚖️", style=discord.ButtonStyle.primary, custom_id=f"v1:appeal:{about.id}"),)


def _buttons(kind: str, about: str, decisions: tuple[Decision, ...]) -> tuple[Button, ...]:
    return tuple(
        Button(label=look.cases.decided(decision), emoji=emoji, style=style, custom_id=f"v1:{kind}:{decision}:{about}")
        for decision, (emoji, style) in LOOKS.items()
        if decision in decisions
    )
