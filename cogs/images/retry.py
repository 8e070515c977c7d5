"""Change and try again: a refused order is kept for a day, and its form opens filled with what was written.

`order` places every order of a command or a form. The button under a failed message, and under what Again was refused with, needs
nothing that is kept: the job is stored.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import discord
import structlog

from bot.core.errors import (
    BadReference,
    ChoiceNotAllowed,
    EaselError,
    InvalidRequest,
    MachineTrouble,
    NotKnownYet,
    OutOfCredit,
    Overloaded,
    TooManyWaiting,
)
from bot.core.i18n import pgettext
from bot.domain import permissions, visibility
from bot.domain.admission import Blocked, PromptBlocked
from bot.domain.job import Job, Reference, ReferenceRole
from bot.domain.order import Order, Receipt
from bot.domain.permissions import Action, Target
from bot.domain.request import Request
from bot.store import jobs, messages, tray
from cogs.images import details, latest
from cogs.images.forms import kept_order, rows
from cogs.images.forms.contexts import opened, readable
from cogs.images.forms.filled_form import FilledForm, able_models, changed, filled_form, rows_of
from cogs.images.forms.kept_order import KEPT_ORDERS, KeptOrder
from cogs.kit import answers, interactions
from cogs.kit.channels import KnownChannels
from cogs.kit.job_buttons import RETRY_JOB, retry_button
from cogs.kit.request import Interaction, client_of, services_of
from cogs.kit.router import DISCORD_ID, CustomId, Router
from cogs.members import account_texts
from cogs.moderation import appeals

if TYPE_CHECKING:
    from bot.client.easel import Easel

router = Router()
log = structlog.get_logger(__name__)

_PRESS = CustomId("retry:{form}", form=DISCORD_ID)
_FORM = CustomId("retry-form:{form}", form=DISCORD_ID)
_BITS: Final = 62  # of a number that nobody guesses
# Refusals that a change of the order, or another try a little later, can help.
_HELPED: Final = (
    *(InvalidRequest, BadReference, OutOfCredit, TooManyWaiting, Overloaded, NotKnownYet, ChoiceNotAllowed),
    MachineTrouble,
)


# --- ordering ----------------------------------------------------------------------------------------------------------


async def order(interaction: Interaction, wanted: Order) -> Receipt | None:
    """Place an order, and say which images it used that were not given: those of the tray, else the member's latest one here.

    None if it was refused: the refusal keeps what was written.
    """
    client, services = client_of(interaction), services_of(interaction)
    from_tray = await services.reader.read(tray.sources, wanted.request.actor.user_id) if wanted.from_tray else []
    told, told_if_refused = "", ""
    if from_tray:
        told, told_if_refused = account_texts.from_tray(len(from_tray)), account_texts.with_tray(len(from_tray))
    elif wanted.from_tray and not wanted.attachments and (taken := await latest.take(interaction, wanted)) is not None:
        wanted, told, told_if_refused = taken.order, taken.sentence, taken.sentence
    wanted = await KnownChannels(client).with_sources(wanted, [*(each.source for each in wanted.attachments), *from_tray])
    ordering = _naming(services.orders.order(wanted), told_if_refused)
    private, retrying = wanted.request.reply_to.private, partial(button_for, client, wanted)
    receipt = await interactions.order(interaction, ordering, private=private, retrying=retrying)
    if receipt is not None and told:
        await interactions.say(interaction, f"🗃️ {told}")
    return receipt


async def _naming(ordering: Awaitable[Receipt], taken: str) -> Receipt:
    """Wait for the receipt; an `InvalidRequest` also names the images that were taken, which may be why it was refused."""
    try:
        return await ordering
    except InvalidRequest as error:
        if not taken:
            raise
        raise InvalidRequest(f"{error.sentence} {taken}") from error


async def button_for(client: Easel, order: Order, error: EaselError | None = None) -> discord.ui.Button[Any] | None:
    """The button under the refusal of an order, which is kept for a day; None if no change of it can help, or it cannot be kept."""
    if isinstance(error, Blocked | PromptBlocked) and error.block_id is not None:
        return await appeals.button_for(client, error.block_id)
    if error is not None and not isinstance(error, _HELPED):
        return None
    model = error.model if isinstance(error, OutOfCredit) else None
    written = kept_order.kept(order, images_refused=isinstance(error, BadReference), model=model)
    number = secrets.randbits(_BITS)
    try:
        if not able_models(client, order.request, written):
            return None
        await _keep(client, number, written)
    except EaselError as failure:
        log.info("refused order not kept", error=type(failure).__name__)
        return None
    return retry_button(_PRESS(form=number))


async def button_for_job(interaction: Interaction, job: Job, error: EaselError, *, private: bool) -> discord.ui.Button[Any] | None:
    """The same for the refusal to run a job again."""
    if isinstance(error, Blocked | PromptBlocked) and error.block_id is not None:
        return await appeals.button_for(client_of(interaction), error.block_id)
    if not isinstance(error, _HELPED):
        return None
    written = await _written_of(interaction, job, private=private)
    number = secrets.randbits(_BITS)
    cheaper = error.model if isinstance(error, OutOfCredit) else None
    await _keep(client_of(interaction), number, replace(written, model=cheaper or written.model))
    return retry_button(_PRESS(form=number))


# --- opening -----------------------------------------------------------------------------------------------------------


@router.press(_PRESS, defers=False)
async def press(request: Request, interaction: Interaction, *, form: int) -> None:
    """Open the form of a refused order."""
    written = await opened(request, interaction, form, KEPT_ORDERS)
    await _show(interaction, await filled_form(client_of(interaction), request, written), form)


@router.press(RETRY_JOB, defers=False)
async def press_for_job(request: Request, interaction: Interaction, *, job: str, user: int, private: bool) -> None:
    """Open the form of a job that failed, or that was not run again. Only the member for whom the button is may."""
    permissions.check(request, Action.RETRY, Target(owner_id=user))
    old = await services_of(interaction).orders.job(job)
    await _check_again(request, interaction, old)
    written = await _written_of(interaction, old, private=private or old.place.private)
    await _keep(client_of(interaction), interaction.id, written)
    await _show(interaction, await filled_form(client_of(interaction), request, written), interaction.id)


async def _written_of(interaction: Interaction, job: Job, *, private: bool) -> KeptOrder:
    """What the order of a job was, for another one by this member."""
    reader, models = services_of(interaction).reader, services_of(interaction).orders.models
    references = await reader.read(jobs.references_of, job.id)
    images = len(kept_order.attachments_of(job, references, ReferenceRole.REFERENCE))
    spoiler = job.spoiler or await reader.read(messages.is_hidden_in, job, interaction.guild_id)
    return kept_order.of_job(job, models, user_id=interaction.user.id, images=images, private=private, spoiler=spoiler)


async def _check_again(request: Request, interaction: Interaction, job: Job) -> None:
    """Raise `NotAllowed` if the member may not run this job again, as Again does."""
    origin, reader = await details.origin_of(interaction, job), visibility.reader_of(request)
    is_readable = visibility.border(origin, reader) is not visibility.Border.READERS
    permissions.check(request, Action.AGAIN, permissions.image_of(job, is_readable=is_readable))
    visibility.check(origin, reader)


async def _keep(client: Easel, number: int, written: KeptOrder) -> None:
    dumped = KEPT_ORDERS.dump_python(written, mode="json", exclude_defaults=True)
    await services_of(client).orders.keep(f"form:{number}", dumped)


async def _show(interaction: Interaction, filled: FilledForm, form: int) -> None:
    title = pgettext("modal title", "Change and try again")
    await interaction.response.send_modal(rows.modal(title, _FORM(form=form), rows_of(filled)))


# --- submitting --------------------------------------------------------------------------------------------------------


@router.form(_FORM, defers=False)
async def send(request: Request, interaction: Interaction, given: Mapping[str, Any], *, form: int) -> None:
    """Order what was changed, with everything else as it was."""
    written = await opened(request, interaction, form, KEPT_ORDERS)
    async with answers.deferring(interaction, private=written.private, thinking=True):
        if written.repeats is not None:
            await _check_again(request, interaction, await services_of(interaction).orders.job(written.repeats))
        filled = await filled_form(client_of(interaction), request, written)
        await order(interaction, await _with_images(interaction, changed(request, filled, given), written, given))


async def _with_images(interaction: Interaction, order: Order, written: KeptOrder, given: Mapping[str, Any]) -> Order:
    """The order with the images of before, or with those that were attached in the form in their place."""
    stored: list[Reference] = []
    old = None
    if written.repeats is not None:
        old = await services_of(interaction).orders.job(written.repeats)
        stored = await services_of(interaction).reader.read(jobs.references_of, old.id)
    before = [readable(interaction, each) for each in written.attachments]
    mask = None if written.mask is None else readable(interaction, written.mask)
    if old is not None:
        before = kept_order.attachments_of(old, stored, ReferenceRole.REFERENCE)
        mask = next(iter(kept_order.attachments_of(old, stored, ReferenceRole.MASK)), None)
    return replace(order, attachments=list(given.get("references") or ()) or before, mask=mask)
