"""Handlers of the buttons under a job's message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from functools import partial

import discord

from bot.core.errors import NotAllowed, NotFound
from bot.core.i18n import _
from bot.domain.job import Job
from bot.domain.request import Request
from cogs.images import details, edit_form, retry, upscale_form
from cogs.kit import answers, interactions, job_texts, message_images
from cogs.kit.job_buttons import PRESS
from cogs.kit.request import Interaction, services_of
from cogs.kit.router import Router
from cogs.moderation import report

router = Router()

_UNKNOWN_MESSAGE = 10008  # it is already deleted


async def _edit(_request: Request, interaction: Interaction, _job_id: str) -> None:
    """Open the modal for an edit of the images in this message."""
    await edit_form.ask_for_edit_of(interaction, _message_of(interaction))


async def _upscale(_request: Request, interaction: Interaction, _job_id: str) -> None:
    """Open the modal for an upscale of one of the images in this message."""
    await upscale_form.ask_for_upscale_of(interaction, _message_of(interaction))


async def _again(request: Request, interaction: Interaction, job_id: str) -> None:
    orders = services_of(interaction).orders
    private = _message_of(interaction).flags.ephemeral or request.preferences.private
    async with answers.deferring(interaction, private=private, thinking=True):
        job = await orders.job(job_id)
        again = orders.again(job, request.answered(private=private), origin=await details.origin_of(interaction, job))
        retrying = partial(retry.button_for_job, interaction, job, private=private)
        await interactions.order(interaction, again, private=private, retrying=retrying)


async def _details(request: Request, interaction: Interaction, job_id: str) -> None:
    await details.show(request, interaction, await services_of(interaction).orders.job(job_id))


async def _delete(request: Request, interaction: Interaction, job_id: str) -> None:
    """Delete the message at once; the outbox deletes the job's other messages."""
    message, job = _message_of(interaction), await _find_job(interaction, job_id)
    await answers.defer(interaction)
    remove, owner_id = partial(_remove_message, interaction, message), message_images.requested_by(message)
    if message.flags.ephemeral or interaction.context.dm_channel:  # nobody else sees it
        owner_id = request.actor.user_id
    await services_of(interaction).cases.delete_message(request, job, message.id, owner_id=owner_id, remove=remove)


async def _remove_message(interaction: Interaction, message: discord.Message) -> None:
    """By the interaction, which needs no permission and works in guilds that the bot has not joined; else with the bot's token."""
    for delete in (interaction.delete_original_response, message.delete):
        try:
            await delete()
        except discord.HTTPException as error:
            if error.code == _UNKNOWN_MESSAGE:
                return
        else:
            return
    raise NotAllowed(_("Discord didn't delete this message. Try again in a moment, or ask a moderator to delete it."))


async def _report(request: Request, interaction: Interaction, _job_id: str) -> None:
    await report.ask(request, interaction, _message_of(interaction))


async def _cancel(request: Request, interaction: Interaction, job_id: str) -> None:
    job = await services_of(interaction).orders.cancel(request, job_id)
    await interactions.say(interaction, job_texts.cancelled(job))


def _message_of(interaction: Interaction) -> discord.Message:
    """The message with the button."""
    if interaction.message is None:
        raise NotFound(_("This message was deleted."))
    return interaction.message


async def _find_job(interaction: Interaction, job_id: str) -> Job | None:
    """The job, or None if it is no longer stored; its message can still be deleted."""
    try:
        return await services_of(interaction).orders.job(job_id)
    except NotFound:
        return None


_HANDLERS: Mapping[str, Callable[[Request, Interaction, str], Awaitable[None]]] = {
    "edit": _edit,
    "upscale": _upscale,
    "again": _again,
    "details": _details,
    "delete": _delete,
    "report": _report,
    "cancel": _cancel,
}
_UNDEFERRED = ("edit", "upscale", "report", "again")  # all but the last open a form


@router.press(PRESS, defers=False)
async def press(request: Request, interaction: Interaction, *, action: str, job: str, **_n: int) -> None:
    """Handle a button under a job's message."""
    async with nullcontext() if action in _UNDEFERRED else answers.deferring(interaction):
        await _HANDLERS[action](request, interaction, job)
