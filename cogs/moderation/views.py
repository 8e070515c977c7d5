"""The messages of cases and of the log, with their buttons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import discord

from bot.core.i18n import pgettext
from bot.domain.job import Job, JobState, MessageRole
from bot.domain.moderation.cases import DECISIONS, Case, CaseFile, CaseState, CaseSubject, Cause, Decision
from bot.domain.visibility import Audience, border, only_moderators_read, origin_of_case
from bot.store import messages
from bot.store.moderation import cases
from cogs.kit.audience import guild_language
from cogs.kit.channels import KnownChannels, fetch_channel, origin_of
from cogs.kit.posting import Button, Draft
from cogs.kit.request import services_of
from cogs.kit.router import JOB_ID, CustomId, integer, one_of
from cogs.moderation import block_texts, case_texts

if TYPE_CHECKING:
    from bot.client.easel import Easel

DECISION: Final = one_of(*Decision)
CASE: Final = CustomId("case:{decision}:{case}", decision=DECISION, case=integer())
JUDGE: Final = CustomId("judge:{decision}:{job}", decision=DECISION, job=JOB_ID)
APPEAL: Final = CustomId("appeal:{case}", case=integer())
OPEN_CASES: Final = CustomId("mod:open")
DECISION_BUTTONS: Final = {
    Decision.KEEP: ("✅", discord.ButtonStyle.success),
    Decision.SPOILER: ("🙈", discord.ButtonStyle.secondary),
    Decision.DELETE: ("🗑️", discord.ButtonStyle.danger),
    Decision.REFUND: ("💰", discord.ButtonStyle.danger),
    Decision.BLOCK: ("⛔", discord.ButtonStyle.danger),
    Decision.LIFT: ("🔓", discord.ButtonStyle.secondary),
}


async def moderators_in(client: Easel, guild_id: int, channel_id: int) -> Audience:
    """The readers of a channel in which moderators decide."""
    channel = await fetch_channel(client, guild_id=guild_id, channel_id=channel_id)
    policy = (await services_of(client).guilds.settings(guild_id)).policy
    return Audience(channel=channel, moderates=True, only_moderators=only_moderators_read(channel, policy))


async def file_of(client: Easel, about: Case) -> CaseFile:
    return await services_of(client).reader.read(cases.file_of, about)


async def may_see(client: Easel, file: CaseFile, audience: Audience) -> bool:
    """Whether all of them may see the image and the prompt. If not, they decide with the link, behind which Discord asks the same."""
    known = KnownChannels(client)
    await known.learn((file.case.guild_id, file.case.channel_id))
    channel = known.get(file.case.guild_id, file.case.channel_id)
    return border(origin_of_case(file, channel), audience) is None


async def case_draft(client: Easel, about: Case, audience: Audience) -> Draft:
    """The message of a case in the guild's language, with buttons until it is decided."""
    file = await file_of(client, about)
    is_shown = await may_see(client, file, audience)
    with await guild_language(client, about.guild_id):
        left_out = "" if is_shown else case_texts.not_for_all()
        title_of = services_of(client).orders.models.title
        content = case_texts.case(file, title_of, left_out=left_out, only_moderators=audience.only_moderators)
        possible = () if about.state is CaseState.DECIDED else decisions_on(file)
        buttons = _buttons(possible, lambda decision: CASE(decision=decision, case=about.id), about)
        return Draft(content=content, buttons=buttons)


async def log_draft(client: Easel, job: Job, guild_id: int | None, audience: Audience) -> Draft:
    """The message of a job in the log channel, with buttons until it was deleted by a decision."""
    latest = await services_of(client).reader.read(cases.latest_about, job.id, guild_id)
    copies = await services_of(client).reader.read(messages.of_job, job.id)
    origin = await origin_of(client, job, copies)
    is_direct = bool(copies) and all(copy.role is MessageRole.DM for copy in copies)
    is_shown = border(replace(origin, private=origin.private or is_direct), audience) is None
    with await guild_language(client, guild_id):
        content = case_texts.log_entry(job, services_of(client).orders.models.title, latest, is_shown=is_shown)
        is_settled = latest is not None and latest.state is CaseState.DECIDED and job.state is JobState.DELETED
        possible = () if is_settled else DECISIONS[CaseSubject.of(job)]
        return Draft(content=content, buttons=_buttons(possible, lambda decision: JUDGE(decision=decision, job=job.id)))


def guild_of(job: Job) -> int | None:
    """The guild of a request; its result may have been sent as a direct message."""
    return next((g.guild_id for g in job.generations), job.place.guild_id)


def label(decision: Decision, about: Case | None) -> str:
    """A decision as on its button. `about`: the case; None: an image without one."""
    is_block = about is not None and about.cause is Cause.BLOCK
    return block_texts.label(decision) if is_block else case_texts.decided(decision)


def decisions_on(file: CaseFile) -> tuple[Decision, ...]:
    """The possible decisions, in the order of their buttons."""
    return DECISIONS[file.subject]


def appeal_buttons(about: Case) -> tuple[Button, ...]:
    """The Appeal button for the author, if an appeal is still possible."""
    if not about.may_be_appealed:
        return ()
    label = pgettext("button", "Appeal")
    return (Button(label=label, emoji="⚖️", style=discord.ButtonStyle.primary, custom_id=APPEAL(case=about.id)),)


def _buttons(decisions: tuple[Decision, ...], custom_id: Callable[[Decision], str], about: Case | None = None) -> tuple[Button, ...]:
    return tuple(
        Button(label=label(decision, about), emoji=emoji, style=style, custom_id=custom_id(decision))
        for decision, (emoji, style) in DECISION_BUTTONS.items()
        if decision in decisions
    )
