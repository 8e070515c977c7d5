"""Answers to interactions: receipts of orders, short private messages, and one error handler for everything that fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import discord
import structlog
from discord import app_commands

from bot.client.refusals import reason_of, refused
from bot.core import i18n
from bot.core.errors import EaselError, Refused
from bot.core.i18n import _
from bot.core.log import fault_id
from bot.core.running import machine, patience
from bot.core.running.idempotency import AlreadyDone
from bot.domain.order import Attachment, Receipt
from cogs.kit import answers, job_texts, texts
from cogs.kit.job_buttons import waiting_view
from cogs.kit.outbound import note_refusal
from cogs.kit.request import Interaction, client_of, services_of

_GONE = (10008, 10015, 10062, 50027)  # unknown message, webhook or interaction; expired token: no answer is possible

Retrying = Callable[[EaselError], Awaitable[discord.ui.Button[Any] | None]]

log = structlog.get_logger(__name__)


def attachment_of(attachment: discord.Attachment) -> Attachment:
    return Attachment(
        url=attachment.url,
        filename=attachment.filename,
        size_bytes=attachment.size,
        sides_px=(attachment.width, attachment.height) if attachment.width and attachment.height else None,
    )


async def order(
    interaction: Interaction, ordering: Awaitable[Receipt], *, private: bool, retrying: Retrying | None = None
) -> Receipt | None:
    """Place an order and show its waiting message. None if it was refused; then `retrying` gives the button under the refusal."""
    try:
        receipt = await ordering
    except EaselError as error:
        await refuse(interaction, error.sentence, await retrying(error) if retrying else None)
        return None
    message_id = None
    try:
        message_id = await _show_waiting(interaction, receipt, private=private)
    finally:
        with patience.endless():  # the job is stored already
            await services_of(interaction).orders.answered(receipt.job.id, message_id)
    if receipt.is_motion_lost:
        with suppress(*answers.SEND_ERRORS):
            await say(interaction, f"🎞️ {texts.first_frame_only()}")
    return receipt


async def _show_waiting(interaction: Interaction, receipt: Receipt, *, private: bool) -> int | None:
    """Its message id, or None if sending failed. The job is stored already, so delivery can still post the result another way."""
    with i18n.speaking(receipt.job.place.locale):
        contents, view = (job_texts.waiting(receipt), _("⏳ Queued.")), waiting_view(receipt.job.id)
    for content in contents:
        try:
            return await answers.send(interaction, private=private, content=content, view=view)
        except answers.SEND_ERRORS as error:
            note_refusal(client_of(interaction), error, token=interaction.token)  # delivery would ask it again
            log.warning("waiting message failed", job=receipt.job.id, error=type(error).__name__)
            if not isinstance(error, discord.HTTPException) or reason_of(error) is None:
                break  # less of it would fail too
    return None


async def say(interaction: Interaction, content: str) -> None:
    """Send a message that only this member sees."""
    await answers.send(interaction, content=content)


async def refuse(interaction: Interaction, sentence: str, button: discord.ui.Button[Any] | None = None) -> None:
    """Answer with an error that only this member sees, and with what they can do about it."""
    view: dict[str, Any] = {} if button is None else {"view": discord.ui.View(timeout=None).add_item(button)}
    await answers.send(interaction, content=f"🚫 {sentence}", **view)


@asynccontextmanager
async def handling_errors(interaction: Interaction) -> AsyncIterator[None]:
    """Wrap the handler of a button, menu or form, so that every error is answered by `handle_error`."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  the error handler
        await handle_error(interaction, error)


async def handle_error(interaction: Interaction, error: BaseException) -> None:
    """Answer an error of a command, button or form with its sentence; log an unexpected one with a fault id."""
    while isinstance(error, app_commands.CommandInvokeError | app_commands.TransformerError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, discord.HTTPException) and error.code in (*_GONE, answers.ALREADY_ANSWERED):
        log.info("interaction expired before its answer", code=error.code)
        return
    if isinstance(error, AlreadyDone):
        log.info("request already carried out", interaction=interaction.id)
        return
    sentence = _sentence(error)
    if sentence is None:
        fault = fault_id()
        log.error("unhandled error", fault=fault, exc_info=error)
        text = _(
            "Something went wrong. You only pay for images you get. If it keeps happening, send the bot's operator this code: `{fault}`."
        )
        sentence = text.format(fault=fault)
    try:
        await refuse(interaction, sentence)
    except answers.SEND_ERRORS as failure:
        log.warning("error message failed", error=type(failure).__name__)


def _sentence(error: BaseException) -> str | None:
    """The sentence of an expected error; None for an unexpected one."""
    expected = error if isinstance(error, EaselError) else machine.trouble_of(error)
    reason = reason_of(error) if isinstance(error, discord.HTTPException) else None
    if reason not in (None, Refused.OTHER):  # an invalid form is a bug
        return refused(reason).sentence
    if expected is not None:
        return expected.sentence
    if isinstance(error, app_commands.CommandSignatureMismatch | app_commands.CommandNotFound):
        return _("This command was just updated. Try again in a minute.")
    if isinstance(error, app_commands.MissingPermissions | app_commands.CheckFailure):
        return _("You can't use this command here.")
    return None
