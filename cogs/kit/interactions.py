"""How a member is answered: at once, in one place, and with one sentence when something is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
import structlog
from discord import app_commands

from bot.core.errors import EaselError
from bot.core.i18n import _
from bot.core.log import fault_id
from bot.domain.order import Attachment, Receipt
from cogs.kit import job_texts
from cogs.kit.job_buttons import waiting_view
from cogs.kit.request import Interaction, services_of

if TYPE_CHECKING:
    pass


PATIENCE_S = 1.5  # an order that takes longer is deferred first; Discord waits three seconds
_NOBODY = discord.AllowedMentions.none()
_ALREADY_ANSWERED = 40060  # Discord has our first answer although we never heard so
_UNHEARD = (discord.HTTPException, aiohttp.ClientError, OSError)  # refused, or no answer came
_GONE = (10008, 10015, 10062, 50027)  # unknown message, webhook or interaction; dead token: nobody is left to tell

log = structlog.get_logger(__name__)


def attachment_of(attachment: discord.Attachment) -> Attachment:
    """What Discord says of an attached file."""
    return Attachment(url=attachment.url, filename=attachment.filename, size_bytes=attachment.size)


async def order(interaction: Interaction, ordering: Awaitable[Receipt], *, private: bool) -> Receipt | None:
    """Take an order in and tell its member: at once if it is quick, else after "is thinking". None where it was refused."""
    orders = services_of(interaction).orders
    task = asyncio.ensure_future(ordering)
    done, _pending = await asyncio.wait({task}, timeout=PATIENCE_S)
    if not done:
        await _defer(interaction, private=private)
    try:
        receipt = await asyncio.shield(task)
    except EaselError as error:
        await refuse(interaction, error.sentence)
        return None
    message_id = None
    try:
        message_id = await _tell(interaction, receipt, private=private)
    finally:
        await orders.answered(receipt.job.id, message_id)
    return receipt


async def _defer(interaction: Interaction, *, private: bool) -> None:
    try:
        await interaction.response.defer(thinking=True, ephemeral=private)
    except _UNHEARD as error:
        log.info("could not defer", error=type(error).__name__)


async def _tell(interaction: Interaction, receipt: Receipt, *, private: bool) -> int | None:
    """Show the waiting message. The job is safe already: where telling fails, delivery finds another way."""
    content, view = job_texts.waiting(receipt), waiting_view(receipt.job.id)
    try:
        if not interaction.response.is_done():
            try:
                answer = await interaction.response.send_message(content, view=view, ephemeral=private, allowed_mentions=_NOBODY)
            except discord.HTTPException as error:
                if error.code != _ALREADY_ANSWERED:
                    raise
            else:
                return answer.message_id
        return (await interaction.edit_original_response(content=content, view=view, allowed_mentions=_NOBODY)).id
    except _UNHEARD as error:
        log.warning("the first answer did not arrive", job=receipt.job.id, error=type(error).__name__)
        return None


async def say(interaction: Interaction, content: str, *, view: discord.ui.View | None = None) -> None:
    """A short answer that only this member sees."""
    extra: dict[str, Any] = {"view": view} if view is not None else {}
    if interaction.response.is_done():
        await interaction.followup.send(content, ephemeral=True, allowed_mentions=_NOBODY, **extra)
    else:
        await interaction.response.send_message(content, ephemeral=True, allowed_mentions=_NOBODY, **extra)


async def refuse(interaction: Interaction, sentence: str) -> None:
    """One sentence, only to this member; where "is thinking" stands already, in its place.

    Deleting a public "is thinking" first would hide the sentence from others, but what follows a deleted one may be lost (10008).
    """
    if interaction.response.type is discord.InteractionResponseType.deferred_channel_message:
        await interaction.edit_original_response(content=f"🚫 {sentence}", allowed_mentions=_NOBODY)
    else:
        await say(interaction, f"🚫 {sentence}")


@asynccontextmanager
async def answering(interaction: Interaction) -> AsyncIterator[None]:
    """Around the handler of a press, a menu or a form: none ends without an answer, for every error goes to the one sorter."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  the error sorter's own door
        await sort_error(interaction, error)


async def sort_error(interaction: Interaction, error: BaseException) -> None:
    """The one place where errors of commands, buttons and modals end: a sentence for the member, the rest for the log."""
    while isinstance(error, app_commands.CommandInvokeError | app_commands.TransformerError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, discord.HTTPException) and error.code in (*_GONE, _ALREADY_ANSWERED):
        log.info("an interaction was over before its answer", code=error.code)
        return
    sentence = _sentence(error)
    if sentence is None:
        fault = fault_id()
        log.error("command failed", fault=fault, exc_info=error)
        told = _("Something went wrong here. Nothing was charged for what was not made. If it stays, tell the operator: fault `{fault}`.")
        sentence = told.format(fault=fault)
    try:
        await refuse(interaction, sentence)
    except _UNHEARD as failure:
        log.warning("a refusal did not arrive", error=type(failure).__name__)


def _sentence(error: BaseException) -> str | None:
    """What the member did wrong, where it was the member."""
    if isinstance(error, EaselError):
        return error.sentence
    if isinstance(error, app_commands.CommandSignatureMismatch | app_commands.CommandNotFound):
        return _("This command has changed since Discord last heard of it. Please try again in a minute.")
    if isinstance(error, app_commands.MissingPermissions | app_commands.CheckFailure):
        return _("You may not use this command here.")
    return None
