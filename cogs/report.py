"""Telling the moderators of a picture: a small modal for the reason. All it needs is in its id."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import discord
from discord.ext import commands

from bot.errors import InvalidRequest, NotAllowed, NotFound
from bot.i18n import _, pgettext
from bot.jobs.cases import Flagged
from bot.store.reports import REASON_MAX, Report
from cogs import reply, sources
from cogs.reply import Interaction, client_of

_ID = re.compile(r"v1:report-form:(?P<message>[0-9]{1,20}):(?P<author>[0-9]{1,20}):(?P<job>[0-9a-z]{12}|-)")
_LIFE_S = 3600  # discord.py's own bookkeeping of open modals; ours needs none


async def ask(interaction: Interaction, message: discord.Message) -> None:
    """Open the modal for a message with pictures. Raise a `Refusal` where there is nobody to tell, or nothing to tell of."""
    if interaction.guild_id is None or not interaction.is_guild_integration():
        raise InvalidRequest(_("Reports go to the moderators of a server that Easel is a member of; here there are none."))
    found = await sources.find(client_of(interaction), message)
    if not found.pictures:
        raise NotFound(_("This message has no picture to report."))
    if found.owner_id == interaction.user.id:
        raise NotAllowed(_("This is your own picture; Delete takes it away."))
    job_id = found.job.id if found.job else "-"
    reason = discord.ui.TextInput[Any](custom_id="reason", style=discord.TextStyle.paragraph, max_length=REASON_MAX)
    modal = discord.ui.Modal(
        title=pgettext("modal title", "Report this picture"),
        custom_id=f"v1:report-form:{message.id}:{found.owner_id}:{job_id}",
        timeout=_LIFE_S,
    )
    modal.add_item(discord.ui.Label(text=pgettext("modal label", "What should the moderators know?"), component=reason))
    await interaction.response.send_modal(modal)


class Reports(commands.Cog):
    """Takes what the modal sends back, also of an earlier run."""

    @commands.Cog.listener()
    async def on_interaction(self, interaction: Interaction) -> None:
        data: Mapping[str, Any] = interaction.data or {}
        about = _ID.fullmatch(str(data.get("custom_id", "")))
        if interaction.type is not discord.InteractionType.modal_submit or about is None:
            return
        async with reply.answering(interaction):
            await _send(interaction, about, dict(reply.fields_of(data)))


async def _send(interaction: Interaction, about: re.Match[str], fields: Mapping[str, Any]) -> None:
    report = Report(
        at=0,  # the service's clock says when
        guild_id=interaction.guild_id,
        channel_id=interaction.channel_id or 0,
        message_id=int(about["message"]),
        author_id=int(about["author"]),
        job_id=None if about["job"] == "-" else about["job"],
        user_id=interaction.user.id,
        reason=str(fields.get("reason") or ""),
    )
    flagged = await client_of(interaction).cases.flag(report, by=reply.actor_of(interaction))
    await reply.say(interaction, f"🚩 {_answer(flagged)}")


def _answer(flagged: Flagged) -> str:
    if not flagged.is_new:
        return _("You have reported this message before; once is enough.")
    if flagged.why_not is not None:
        return flagged.why_not
    return _("Thank you. The moderators of this server can read your report; the author is not told of it.")
