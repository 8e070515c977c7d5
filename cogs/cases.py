"""What moderators decide with the buttons of cases and of the log, and what authors say to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import discord

from bot.domain.request import Request
from bot.errors import NotFound
from bot.i18n import _, pgettext
from bot.jobs.cases import APPEAL_MAX
from bot.store.cases import Decision
from cogs import casework, reply
from cogs.casework import APPEAL, CASE, JUDGE
from cogs.kit.request import Interaction, actor_of, client_of, services_of
from cogs.kit.router import CustomId, Router, integer
from cogs.posting import Sheet

router = Router()

_FORM = CustomId("appeal-form:{case}", case=integer())


@router.press(CASE)
async def decide(_request: Request, interaction: Interaction, *, decision: Decision, case: int) -> None:
    """Decide a case; its message shows at once what became of it."""
    await interaction.response.defer()
    client, guild_id = client_of(interaction), _server_of(interaction)
    decided = await client.services.cases.decide(guild_id, case, decision, by=actor_of(interaction))
    await _redraw(interaction, await casework.case_sheet(client, decided))


@router.press(JUDGE)
async def judge(_request: Request, interaction: Interaction, *, decision: Decision, job: str) -> None:
    """Open and decide a case from the log."""
    await interaction.response.defer()
    client, guild_id = client_of(interaction), _server_of(interaction)
    await client.services.cases.judge(guild_id, job, decision, by=actor_of(interaction))
    await _redraw(interaction, await casework.log_sheet(client, await client.services.studio.job(job), guild_id))


@router.press(APPEAL)
async def ask_for_appeal(_request: Request, interaction: Interaction, *, case: int) -> None:
    """Open the form, unless it is too late for it."""
    await services_of(interaction).cases.check_may_appeal(case, user_id=interaction.user.id)
    words = discord.ui.TextInput[Any](custom_id="words", style=discord.TextStyle.paragraph, max_length=APPEAL_MAX)
    modal = discord.ui.Modal(title=pgettext("modal title", "Appeal"), custom_id=_FORM(case=case))
    modal.add_item(discord.ui.Label(text=pgettext("modal label", "What should the moderators consider?"), component=words))
    await interaction.response.send_modal(modal)


@router.form(_FORM)
async def appeal(_request: Request, interaction: Interaction, given: Mapping[str, Any], *, case: int) -> None:
    """Keep what the author says, and ask the moderators again."""
    await services_of(interaction).cases.appeal(case, user_id=interaction.user.id, words=str(given.get("words") or ""))
    await reply.say(interaction, _("⚖️ Thank you. The moderators will look again; you will be told what they decide, and that is final."))


def _server_of(interaction: Interaction) -> int:
    if interaction.guild_id is None:
        raise NotFound(_("This works in a server only."))
    return interaction.guild_id


async def _redraw(interaction: Interaction, sheet: Sheet) -> None:
    """The message that was pressed, as it is from now on; the outbox makes sure of it."""
    await interaction.edit_original_response(content=sheet.content, view=sheet.view, allowed_mentions=sheet.mentions)
