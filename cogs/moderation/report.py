"""The modal to report an image to the moderators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import discord

from bot.core.errors import InvalidRequest
from bot.core.i18n import _, pgettext
from bot.domain import permissions
from bot.domain.moderation.cases import REASON_MAX, Report
from bot.domain.permissions import Action, Target
from bot.domain.request import Request
from bot.services.moderation.flagging import Flagged
from bot.store import kv
from cogs.kit import interactions, message_images
from cogs.kit.request import Interaction, client_of, services_of
from cogs.kit.router import DISCORD_ID, JOB_ID, CustomId, Router, optional

router = Router()

FORM = CustomId("report-form:{message}:{author}:{job}", message=DISCORD_ID, author=DISCORD_ID, job=optional(JOB_ID))


@dataclass(frozen=True, kw_only=True)
class _Form:
    """What an open form is about. Kept for a day, because the ids in its custom id could be forged."""

    user_id: int
    channel_id: int
    author_id: int
    job_id: str | None


async def ask(request: Request, interaction: Interaction, message: discord.Message) -> None:
    """Open the modal for a message. Raises a `Refusal` if it has no images or flags are not allowed here."""
    found = await message_images.find(client_of(interaction), message)
    author_id, job = found.reported
    permissions.check(request, Action.FLAG, Target(guild_id=_guild_of(interaction), owner_id=author_id))
    found.check_reportable()
    form = _Form(
        user_id=request.actor.user_id,
        channel_id=request.channel.channel_id,
        author_id=author_id,
        job_id=job.id if job else None,
    )
    await services_of(interaction).orders.keep(_name(message.id, form.user_id), vars(form))
    reason = discord.ui.TextInput[Any](custom_id="reason", style=discord.TextStyle.paragraph, max_length=REASON_MAX)
    modal = discord.ui.Modal(
        title=pgettext("modal title", "Report image"),
        custom_id=FORM(message=message.id, author=form.author_id, job=form.job_id),
    )
    modal.add_item(discord.ui.Label(text=pgettext("modal label", "What should the moderators know?"), component=reason))
    await interaction.response.send_modal(modal)


@router.form(FORM)
async def send(request: Request, interaction: Interaction, given: Mapping[str, Any], *, message: int, **_as_posted: Any) -> None:
    """Store the report. Raises `NotAllowed` if this member has not opened the form of this message here."""
    kept = await services_of(interaction).reader.read(kv.get, _name(message, request.actor.user_id))
    form = _Form(**kept) if kept and kept["channel_id"] == request.channel.channel_id else None
    permissions.check(request, Action.SEND, Target(owner_id=form.user_id if form else None))
    if form is None:  # cannot happen: the check has raised
        return
    reason = str(given.get("reason") or "").strip()
    if not reason:
        raise InvalidRequest(_("Say in a few words what's wrong with the image."))
    report = Report(
        at=0,  # set by the service
        guild_id=_guild_of(interaction),
        channel_id=form.channel_id,
        message_id=message,
        author_id=form.author_id,
        job_id=form.job_id,
        user_id=form.user_id,
        reason=reason,
    )
    flagged = await services_of(interaction).flagging.flag(request, report)
    await interactions.say(interaction, f"🚩 {_answer(flagged)}")


def _name(message_id: int, user_id: int) -> str:
    return f"form:report:{message_id}:{user_id}"


def _guild_of(interaction: Interaction) -> int | None:
    """The guild whose moderators get the report; None if the bot has not joined it."""
    return interaction.guild_id if interaction.is_guild_integration() else None


def _answer(flagged: Flagged) -> str:
    if not flagged.is_new:
        return _("You've already reported this message.")
    if flagged.is_kept:
        return _("Your report is kept. The moderators have paused reports, and get it when they take them again. The author isn't told.")
    return _("Thanks. This server's moderators have your report. The author isn't told.")
