"""What moderators decide with the buttons of cases and of the log, and what authors say to it. All a press needs is in its id."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import discord
from discord.ext import commands

from bot.errors import NotFound
from bot.i18n import _, pgettext
from bot.jobs.cases import APPEAL_MAX
from bot.store.cases import Decision
from cogs import casework, panels, reply
from cogs.casework import APPEAL_ID, CASE_ID, JUDGE_ID
from cogs.posting import Sheet
from cogs.reply import Interaction, actor_of, client_of

_FORM_ID = re.compile(r"v1:appeal-form:(?P<case>[0-9]{1,20})")
_LIFE_S = 3600  # discord.py's own bookkeeping of open modals; ours needs none


class Cases(commands.Cog):
    """Takes every press and every appeal, also of an earlier run's messages."""

    @commands.Cog.listener()
    async def on_interaction(self, interaction: Interaction) -> None:
        is_form = interaction.type is discord.InteractionType.modal_submit
        data: Mapping[str, Any] = interaction.data or {}
        custom_id = str(data.get("custom_id", "")) if is_form else panels.pressed(interaction)[0]
        for pattern, act in (_FORMS if is_form else _PRESSES).items():
            if about := pattern.fullmatch(custom_id):
                async with reply.answering(interaction):
                    await act(interaction, about)


async def _decide(interaction: Interaction, about: re.Match[str]) -> None:
    """Decide a case; its message shows at once what became of it."""
    await interaction.response.defer()
    client, guild_id = client_of(interaction), _server_of(interaction)
    decided = await client.cases.decide(guild_id, int(about["case"]), Decision(about["decision"]), by=actor_of(interaction))
    await _redraw(interaction, await casework.case_sheet(client, decided))


async def _judge(interaction: Interaction, about: re.Match[str]) -> None:
    """Open and decide a case from the log."""
    await interaction.response.defer()
    client, guild_id = client_of(interaction), _server_of(interaction)
    await client.cases.judge(guild_id, about["job"], Decision(about["decision"]), by=actor_of(interaction))
    await _redraw(interaction, await casework.log_sheet(client, await client.studio.job(about["job"]), guild_id))


async def _ask_for_appeal(interaction: Interaction, about: re.Match[str]) -> None:
    """Open the form, unless it is too late for it."""
    case_id = int(about["case"])
    await client_of(interaction).cases.check_may_appeal(case_id, user_id=interaction.user.id)
    words = discord.ui.TextInput[Any](custom_id="words", style=discord.TextStyle.paragraph, max_length=APPEAL_MAX)
    modal = discord.ui.Modal(title=pgettext("modal title", "Appeal"), custom_id=f"v1:appeal-form:{case_id}", timeout=_LIFE_S)
    modal.add_item(discord.ui.Label(text=pgettext("modal label", "What should the moderators consider?"), component=words))
    await interaction.response.send_modal(modal)


async def _appeal(interaction: Interaction, about: re.Match[str]) -> None:
    fields: Mapping[str, Any] = dict(reply.fields_of(interaction.data or {}))
    await client_of(interaction).cases.appeal(int(about["case"]), user_id=interaction.user.id, words=str(fields.get("words") or ""))
    await reply.say(interaction, _("⚖️ Thank you. The moderators will look again; you will be told what they decide, and that is final."))


def _server_of(interaction: Interaction) -> int:
    if interaction.guild_id is None:
        raise NotFound(_("This works in a server only."))
    return interaction.guild_id


async def _redraw(interaction: Interaction, sheet: Sheet) -> None:
    """The message that was pressed, as it is from now on; the outbox makes sure of it."""
    await interaction.edit_original_response(content=sheet.content, view=sheet.view, allowed_mentions=sheet.mentions)


_PRESSES: Mapping[re.Pattern[str], Callable[[Interaction, re.Match[str]], Awaitable[None]]] = {
    CASE_ID: _decide,
    JUDGE_ID: _judge,
    APPEAL_ID: _ask_for_appeal,
}
_FORMS: Mapping[re.Pattern[str], Callable[[Interaction, re.Match[str]], Awaitable[None]]] = {_FORM_ID: _appeal}
