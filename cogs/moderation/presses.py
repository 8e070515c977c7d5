"""Handlers of the buttons of cases and of the log, and of appeals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.core.i18n import _, pgettext
from bot.domain.moderation.cases import FINAL, Decision
from bot.domain.request import Request
from cogs.kit import answers, interactions
from cogs.kit.posting import Draft
from cogs.kit.request import Interaction, client_of, services_of
from cogs.kit.router import JOB_ID, CustomId, Router, integer
from cogs.moderation import appeals, confirmation, views
from cogs.moderation.views import APPEAL, CASE, DECISION, JUDGE

router = Router()

_FORM = CustomId("appeal-form:{case}", case=integer())
_CASE_FORM = CustomId("case-form:{decision}:{case}", decision=DECISION, case=integer())
_JUDGE_FORM = CustomId("judge-form:{decision}:{job}", decision=DECISION, job=JOB_ID)


@router.press(CASE, defers=False)
async def decide(request: Request, interaction: Interaction, *, decision: Decision, case: int) -> None:
    """Decide a case; ask before what cannot be undone."""
    if decision in FINAL:
        about = await services_of(interaction).cases.undecided(request, case, decision)
        file, form_id = await views.file_of(client_of(interaction), about), _CASE_FORM(decision=decision, case=case)
        await confirmation.ask(interaction, decision, author_id=about.author_id, job=file.job, form_id=form_id)
        return
    await answers.defer(interaction)
    await _decide(request, interaction, decision=decision, case=case)


@router.form(_CASE_FORM, defers=False)
async def decide_as_asked(request: Request, interaction: Interaction, given: Mapping[str, Any], *, decision: Decision, case: int) -> None:
    await answers.defer(interaction, thinking=False)
    await _decide(request, interaction, decision=decision, case=case, reason=confirmation.reason_in(given))


async def _decide(request: Request, interaction: Interaction, *, decision: Decision, case: int, reason: str = "") -> None:
    """Update the case's message at once."""
    client = client_of(interaction)
    decided = await services_of(client).cases.decide(request, case, decision, reason=reason)
    readers = await views.moderators_in(client, request.required_guild_id, request.channel.channel_id)
    await _redraw(interaction, await views.case_draft(client, decided, readers))


@router.press(JUDGE, defers=False)
async def judge(request: Request, interaction: Interaction, *, decision: Decision, job: str) -> None:
    """Open a case from the log and decide it; ask before what cannot be undone."""
    if decision in FINAL:
        about = await services_of(interaction).cases.unjudged(request, job, decision)
        form_id = _JUDGE_FORM(decision=decision, job=job)
        await confirmation.ask(interaction, decision, author_id=about.place.user_id, job=about, form_id=form_id)
        return
    await answers.defer(interaction)
    await _judge(request, interaction, decision=decision, job=job)


@router.form(_JUDGE_FORM, defers=False)
async def judge_as_asked(request: Request, interaction: Interaction, given: Mapping[str, Any], *, decision: Decision, job: str) -> None:
    await answers.defer(interaction, thinking=False)
    await _judge(request, interaction, decision=decision, job=job, reason=confirmation.reason_in(given))


async def _judge(request: Request, interaction: Interaction, *, decision: Decision, job: str, reason: str = "") -> None:
    """Update the log's message at once."""
    client = client_of(interaction)
    await services_of(client).cases.judge(request, job, decision, reason=reason)
    readers = await views.moderators_in(client, request.required_guild_id, request.channel.channel_id)
    await _redraw(interaction, await views.log_draft(client, await services_of(client).orders.job(job), request.guild_id, readers))


@router.press(APPEAL, defers=False)
async def ask_for_appeal(request: Request, interaction: Interaction, *, case: int) -> None:
    """Open the appeal form, if an appeal is still possible."""
    await services_of(interaction).cases.check_may_appeal(request, case)
    question = pgettext("modal label", "Why should the moderators change this?")
    await appeals.ask_why(interaction, question, form_id=_FORM(case=case))


@router.form(_FORM)
async def appeal(request: Request, interaction: Interaction, given: Mapping[str, Any], *, case: int) -> None:
    """Store the appeal and reopen the case."""
    await services_of(interaction).cases.appeal(request, case, words=appeals.words_in(given))
    await interactions.say(interaction, _("⚖️ Thanks. The moderators will review this again and you'll get their final decision."))


async def _redraw(interaction: Interaction, draft: Draft) -> None:
    """Update the message at once; an outbox item updates it too, if this fails."""
    await interaction.edit_original_response(content=draft.content, view=draft.view, allowed_mentions=draft.allowed_mentions)
