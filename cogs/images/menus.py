"""Message menus. Discord shows at most five of them.

They work on images of any user: Discord sends the chosen message with the interaction, even without the message-content intent, in direct
messages, and in guilds that the bot has not joined.
"""

from __future__ import annotations

from dataclasses import dataclass

import discord
from discord import app_commands

from bot.core.errors import EaselError
from bot.core.i18n import _, ngettext
from bot.domain.order import TrayItem
from bot.domain.request import Request
from bot.domain.retention import image_gone
from bot.services.members import TRAY_MAX
from bot.services.services import Services
from cogs.images import detail_texts, details, edit_form, upscale_form
from cogs.kit import answers, interactions, message_images, panels, texts
from cogs.kit.answers import UNDEFERRED
from cogs.kit.panels import everywhere
from cogs.kit.request import Interaction, client_of, request_of, services_of
from cogs.moderation import report


@app_commands.context_menu(name="Edit with Easel", extras=UNDEFERRED)
@everywhere
async def edit_with_easel(interaction: Interaction, message: discord.Message) -> None:
    await edit_form.ask_for_edit_of(interaction, message)


@app_commands.context_menu(name="Upscale with Easel", extras=UNDEFERRED)
@everywhere
async def upscale_with_easel(interaction: Interaction, message: discord.Message) -> None:
    await upscale_form.ask_for_upscale_of(interaction, message)


@app_commands.context_menu(name="Image details")
@everywhere
async def image_details(interaction: Interaction, message: discord.Message) -> None:
    found = await message_images.find(client_of(interaction), message)
    if found.job is not None:
        await details.show(await request_of(interaction), interaction, found.job)
    elif found.is_gone:
        raise image_gone()
    else:
        found.check_any()
        names = [image.filename for image in found.images]
        await panels.show(interaction, detail_texts.not_ours(found.reported[0], names, message.jump_url))


@app_commands.context_menu(name="Use as reference")
@everywhere
async def use_as_reference(interaction: Interaction, message: discord.Message) -> None:
    """Add the images to the tray. They are fetched at once, because their URLs expire."""
    found = await message_images.find(client_of(interaction), message)
    found.check_any()
    found.check_known()
    request = await request_of(interaction)
    await services_of(interaction).members.check_consent(request, found.owner_id)
    await answers.defer(interaction)
    await interactions.say(interaction, _added_to_tray(await _add_to_tray(services_of(interaction), request, found)))


@dataclass(frozen=True, kw_only=True)
class _Added:
    """What became of the images of a message."""

    in_tray: int  # images in the tray, with those that were there before
    refused: list[str]  # for each that could not be saved: why
    left_out: int
    is_motion_lost: bool = False  # one of them is an animation


async def _add_to_tray(services: Services, request: Request, found: message_images.FoundImages) -> _Added:
    """Add as many as can be read and fit. Raises the first `EaselError` if none was added."""
    user_id = request.actor.user_id
    before = count = await services.members.check_tray(request)
    errors: list[EaselError] = []
    is_motion_lost = False
    left = [(image, image.source) for image in found.images if image.source is not None]
    while left and count < TRAY_MAX and len(errors) < TRAY_MAX:
        image, source = left.pop(0)
        try:
            reference = await services.orders.take_reference(image, request)
            count = await services.members.add_to_tray(user_id, TrayItem(reference=reference, source=source))
        except EaselError as error:
            errors.append(error)
        else:
            is_motion_lost |= reference.frames > 1
    if count == before and errors:
        raise errors[0]
    refused = [*(error.sentence for error in errors), *found.unread]
    return _Added(in_tray=count, refused=refused, left_out=len(left), is_motion_lost=is_motion_lost)


def _added_to_tray(added: _Added) -> str:
    sentence = ngettext(
        "📎 Saved to your tray ({count} image). Your next /edit or /upscale will use it.",
        "📎 Saved to your tray ({count} images). Your next /edit or /upscale will use them.",
        added.in_tray,
    )
    refused = ngettext("{count} image couldn't be saved:", "{count} images couldn't be saved:", len(added.refused))
    left_out = ngettext("{count} more image wasn't saved.", "{count} more images weren't saved.", added.left_out)
    parts = [
        sentence.format(count=added.in_tray),
        texts.first_frame_only() if added.is_motion_lost else "",
        *([refused.format(count=len(added.refused)), *dict.fromkeys(added.refused)] if added.refused else []),
        _("Your tray is now full.") if added.in_tray == TRAY_MAX else "",
        left_out.format(count=added.left_out) if added.left_out else "",
    ]
    return " ".join(filter(None, parts))[: texts.CONTENT_MAX]


@app_commands.context_menu(name="Report image", extras=UNDEFERRED)
@app_commands.guild_only()
@app_commands.allowed_installs(guilds=True, users=False)
async def report_image(interaction: Interaction, message: discord.Message) -> None:
    await report.ask(await request_of(interaction), interaction, message)


MENUS = (edit_with_easel, upscale_with_easel, image_details, use_as_reference, report_image)
