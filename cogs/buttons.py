"""What a press on a job's button does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import discord

from bot.domain.request import Request
from bot.errors import NotAllowed, NotFound
from bot.i18n import _
from bot.jobs.job import Job
from cogs import lineage, look, modals, reply, report
from cogs.kit.request import Interaction, request_of, services_of
from cogs.kit.router import Router
from cogs.rows import PRESS

router = Router()

_UNKNOWN_MESSAGE = 10008  # it is gone already


async def _edit(interaction: Interaction, _job_id: str) -> None:
    """Open the modal for an edit of the pictures in this message."""
    await modals.ask_for_edit_of(interaction, _message_of(interaction))


async def _again(interaction: Interaction, job_id: str) -> None:
    request = await request_of(interaction)
    private = _message_of(interaction).flags.ephemeral or request.preferences.private
    again = services_of(interaction).studio.again(job_id, request.answered(private=private))
    await reply.order(interaction, again, private=private)


async def _details(interaction: Interaction, job_id: str) -> None:
    await lineage.show(interaction, await services_of(interaction).studio.job(job_id))


async def _delete(interaction: Interaction, job_id: str) -> None:
    """Take the message away; for its requester and for those who may manage messages."""
    message, job = _message_of(interaction), await _known(interaction, job_id)
    is_author = job is not None and interaction.user.id == job.place.user_id
    theirs = message.flags.ephemeral or is_author
    if not theirs and not interaction.permissions.manage_messages:
        raise NotAllowed(_("Only the person who asked for this picture, or somebody who may manage messages, can delete it."))
    await interaction.response.defer()
    await _take_away(interaction, message)
    if job is not None:
        await services_of(interaction).studio.message_deleted(job_id, message.id, guild_id=None if is_author else interaction.guild_id)


async def _take_away(interaction: Interaction, message: discord.Message) -> None:
    """By the interaction, which needs no permission and works where the bot is no member; else by the bot's own right."""
    for way in (interaction.delete_original_response, message.delete):
        try:
            await way()
        except discord.HTTPException as error:
            if error.code == _UNKNOWN_MESSAGE:
                return
        else:
            return
    raise NotAllowed(
        _("Discord did not take this message away. Please try again in a moment; somebody who may manage messages can do it by hand.")
    )


async def _report(interaction: Interaction, _job_id: str) -> None:
    await report.ask(interaction, _message_of(interaction))


async def _cancel(interaction: Interaction, job_id: str) -> None:
    studio = services_of(interaction).studio
    job = await studio.cancel(job_id, user_id=interaction.user.id, moderator=interaction.permissions.manage_messages)
    await reply.say(interaction, look.jobs.cancelled(job))


def _message_of(interaction: Interaction) -> discord.Message:
    """The message that the pressed button belongs to."""
    if interaction.message is None:
        raise NotFound(_("This message is no longer there."))
    return interaction.message


async def _known(interaction: Interaction, job_id: str) -> Job | None:
    """The job, unless it was erased: its message can be taken away all the same."""
    try:
        return await services_of(interaction).studio.job(job_id)
    except NotFound:
        return None


_PRESSED: Mapping[str, Callable[[Interaction, str], Awaitable[None]]] = {
    "edit": _edit,
    "again": _again,
    "details": _details,
    "delete": _delete,
    "report": _report,
    "cancel": _cancel,
}


@router.press(PRESS)
async def press(_request: Request, interaction: Interaction, *, action: str, job: str, **_n: int) -> None:
    """A button of this run's messages, or of any earlier one's."""
    await _PRESSED[action](interaction, job)
