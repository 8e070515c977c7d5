"""What a press on a job's button does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from discord.ext import commands

from bot.errors import NotAllowed
from cogs import look, modals, reply
from cogs.reply import Interaction, studio_of


async def _edit(interaction: Interaction, job_id: str) -> None:
    """Open the modal for an edit of the pictures in this message."""
    job = await studio_of(interaction).job(job_id)
    await modals.ask_for_edit(interaction, job)


async def _again(interaction: Interaction, job_id: str) -> None:
    private = interaction.message is not None and interaction.message.flags.ephemeral
    again = studio_of(interaction).again(job_id, reply.place_of(interaction, private=private))
    await reply.order(interaction, again, private=private)


async def _details(interaction: Interaction, job_id: str) -> None:
    studio = studio_of(interaction)
    job = await studio.job(job_id)
    await reply.say(interaction, look.details.details(job, studio.models.title))


async def _delete(interaction: Interaction, job_id: str) -> None:
    """Take the message away; for its requester and for those who may manage messages."""
    studio = studio_of(interaction)
    job = await studio.job(job_id)
    if interaction.user.id != job.place.user_id and not interaction.permissions.manage_messages:
        raise NotAllowed("Only the person who asked for this picture, or somebody who may manage messages, can delete it.")
    await interaction.response.defer()
    await interaction.delete_original_response()
    await studio.taken_away(job_id)


async def _cancel(interaction: Interaction, job_id: str) -> None:
    studio = studio_of(interaction)
    job = await studio.cancel(job_id, user_id=interaction.user.id, moderator=interaction.permissions.manage_messages)
    await reply.say(interaction, look.jobs.cancelled(job))


_PRESSED: Mapping[str, Callable[[Interaction, str], Awaitable[None]]] = {
    "edit": _edit,
    "again": _again,
    "details": _details,
    "delete": _delete,
    "cancel": _cancel,
}


class Buttons(commands.Cog):
    """Takes every press, of this run's messages and of any earlier one's."""

    @commands.Cog.listener()
    async def on_job_button(self, interaction: Interaction, action: str, job_id: str) -> None:
        try:
            await _PRESSED[action](interaction, job_id)
        except Exception as error:  # noqa: BLE001  the error sorter: no press ends without an answer
            await reply.sort_error(interaction, error)
