"""The answers to an interaction, and its deferral. Discord waits three seconds for the first answer.

Only a few handlers run at a time. In a burst the others are deferred at once, before they read anything, and wait for their turn; one
that waits for something slow makes way for the next, and is deferred after a second. So a handler answers with the functions of this
module. A form cannot follow a deferral: the handlers that open one, and those that choose how they are deferred, are declared with
`defers=False`, or as commands with `UNDEFERRED`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final

import aiohttp
import discord
import structlog

from bot.core.running import patience
from cogs.kit.request import Interaction, client_of

MAKE_WAY_AFTER_S = 0.1
LATE = timedelta(seconds=2)  # by this machine's clock; Discord takes the first answer for three seconds
DEFER_AFTER_S = 1.0
UNDEFERRED: Final = {"defers": False}  # `extras` of a command
ALREADY_ANSWERED: Final = 40060  # Discord received our first answer, but its response to us was lost
SEND_ERRORS = (discord.HTTPException, aiohttp.ClientError, OSError)  # Discord refused, or did not respond
_NO_MENTIONS = discord.AllowedMentions.none()
_KEY = "answers"  # in an interaction's extras

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Deferral:
    thinking: bool  # shows "is thinking", which the first message replaces
    private: bool


@dataclass(kw_only=True)
class _Answers:
    """What an interaction was answered with."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # a deferral and an answer must not be sent at the same time
    deferral: _Deferral | None = None  # until the first answer after it
    arrived: bool = False  # a first answer whose response was lost


@asynccontextmanager
async def deferring(interaction: Interaction, *, private: bool = True, thinking: bool | None = None) -> AsyncIterator[None]:
    """Run a handler. Defer it as `defer` does, at once in a burst, or if it takes longer than `DEFER_AFTER_S`.

    One that came late, as after a lost connection, is run only if Discord still takes an answer to it.
    """
    patience.acknowledged()  # it will be, in time
    handlers, loop = client_of(interaction).handlers, asyncio.get_running_loop()
    acknowledge = partial(_try_to_defer, interaction, private=private, thinking=thinking)
    if discord.utils.utcnow() - interaction.created_at > LATE:
        await defer(interaction, private=private, thinking=thinking)
    elif handlers.locked():
        await acknowledge()
    await handlers.acquire()
    with ExitStack() as running, ExitStack() as turn:

        def defer_late() -> None:
            interaction.extras["deferral"] = asyncio.create_task(acknowledge(), name="deferral")  # asyncio keeps no reference

        running.callback(loop.call_later(DEFER_AFTER_S, defer_late).cancel)
        turn.callback(handlers.release)
        turn.callback(loop.call_later(MAKE_WAY_AFTER_S, turn.close).cancel)
        yield


async def defer(interaction: Interaction, *, private: bool = True, thinking: bool | None = None) -> None:
    """Acknowledge an interaction that is not answered yet.

    `thinking`: show "is thinking" (privately if `private`) until `send` replaces it. By default this is so for commands, and for forms
    that a command opened; nothing is shown for the controls of a message.
    """
    answers = _of(interaction)
    async with answers.turn:
        if interaction.response.is_done() or answers.arrived:
            return
        answers.deferral = _Deferral(thinking=interaction.message is None if thinking is None else thinking, private=private)
        try:
            await _send_deferral(interaction, answers.deferral)
        except (aiohttp.ClientError, OSError):  # the response was lost; if Discord received it, it says so
            await _send_deferral(interaction, answers.deferral)
        patience.acknowledged()


async def send(interaction: Interaction, *, private: bool = True, files: Sequence[discord.File] = (), **message: Any) -> int | None:
    """Send a message, in place of "is thinking" if it is the first. Returns its id."""
    answers, message = _of(interaction), {"allowed_mentions": _NO_MENTIONS, **message}
    async with answers.turn:
        if not (interaction.response.is_done() or answers.arrived):
            try:
                answer = await interaction.response.send_message(ephemeral=private, files=list(files), **message)
            except discord.HTTPException as error:
                if not await _is_ours(interaction, error):
                    raise
                answers.arrived = True
                answers.deferral = answers.deferral or _Deferral(thinking=True, private=private)  # this very message is there already
            else:
                answers.deferral = None  # it did not arrive
                return answer.message_id
        deferral = answers.deferral  # until a message is accepted
        if deferral is not None and deferral.thinking:
            if deferral.private == private:
                original = await interaction.edit_original_response(attachments=list(files), **message)
                answers.deferral = None
                return original.id
            # The next message would become as private as "is thinking" is. If that were deleted first, the message might be lost (10008).
            await interaction.edit_original_response(content="…")
        sent = await interaction.followup.send(ephemeral=private, files=list(files), wait=True, **message)
        answers.deferral = None
        if deferral is not None and deferral.thinking:
            await interaction.delete_original_response()
        return sent.id


async def update(interaction: Interaction, *, files: Sequence[discord.File] = (), **message: Any) -> None:
    """Change the message whose control was used, or that `defer` announced; `files` replace all its attachments."""
    answers, message = _of(interaction), {"allowed_mentions": _NO_MENTIONS, **message}
    async with answers.turn:
        if interaction.response.is_done() or answers.arrived:
            answers.deferral = None
            await interaction.edit_original_response(attachments=list(files), **message)
        else:
            await interaction.response.edit_message(attachments=list(files), **message)


def _of(interaction: Interaction) -> _Answers:
    answers: _Answers = interaction.extras.setdefault(_KEY, _Answers())
    return answers


async def _send_deferral(interaction: Interaction, deferral: _Deferral) -> None:
    try:
        await interaction.response.defer(thinking=deferral.thinking, ephemeral=deferral.private)
    except discord.HTTPException as error:
        if not await _is_ours(interaction, error):
            raise
        _of(interaction).arrived = True


async def _is_ours(interaction: Interaction, error: discord.HTTPException) -> bool:
    """Whether a first answer was refused because an answer of ours is there, whose response was lost.

    One that an earlier run of the bot has given is ours only if it still shows "is thinking"; otherwise that run has answered.
    """
    if error.code != ALREADY_ANSWERED:
        return False
    if interaction.created_at >= client_of(interaction).began_at:
        return True
    try:
        return (await interaction.original_response()).flags.loading
    except SEND_ERRORS:  # it was deleted
        return False


async def _try_to_defer(interaction: Interaction, *, private: bool, thinking: bool | None) -> None:
    try:
        await defer(interaction, private=private, thinking=thinking)
    except SEND_ERRORS as error:
        log.info("defer failed", error=type(error).__name__)
