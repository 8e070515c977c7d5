"""The private panels of a finished message: what this member may do with it ("More"), or one of its images, large, with what to do with it.

A panel has no stored state. Its buttons name the message, in the channel of the panel, and its job: permissions, and whether that message
shows that job, are checked again at each press.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import discord

from bot.core.errors import NotAllowed, NotFound
from bot.core.i18n import _, pgettext
from bot.domain import permissions
from bot.domain.job import Job, message_url
from bot.domain.moderation.cases import HiddenBy
from bot.domain.permissions import Action, Target
from bot.domain.request import Request
from bot.domain.retention import image_gone
from bot.services.pipeline.delivery.results import usable
from cogs.images import details, edit_form, upscale_form
from cogs.kit import answers, audience, interactions, message_images, panels, spoilers, texts
from cogs.kit.job_buttons import OPEN, ended_job_of, has_delete, styled, upscales_in
from cogs.kit.message_images import FoundImages
from cogs.kit.panels import Part
from cogs.kit.request import Interaction, client_of, services_of
from cogs.kit.router import DISCORD_ID, JOB_ID, CustomId, Router, integer, one_of
from cogs.moderation import report
from cogs.reactions import originals

router = Router()

_ROWS: Final = (("edit", "upscale", "details", "send"), ("hide", "report", "delete"))  # of a panel, as far as they are offered
_OF_ONE: Final = ("edit", "upscale", "send")  # in the panel of one image; the others are about the whole message
_OF_ALL: Final = ("upscale", "details", "send", "hide", "report", "delete")
_NAME_MAX: Final = 80  # characters of the prompt, which says what a panel is about
_CONFIRM: Final = "really"  # delete the image of somebody else, which cannot be undone
# `n` is the number of an image, or 0 for all of the message.
ACT = CustomId(
    "result:{action}:{job}:{n}:{message}",
    action=one_of(*sum(_ROWS, ()), _CONFIRM),
    job=JOB_ID,
    n=integer(most=9),
    message=DISCORD_ID,
)


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """What a panel is about: a message in this channel, or an image of it."""

    job_id: str
    number: int  # of the image; 0: all
    message_id: int

    def id_of(self, action: str) -> str:
        return ACT(action=action, job=self.job_id, n=self.number, message=self.message_id)


# --- opening ---------------------------------------------------------------------------------------------------------


@router.press(OPEN)
async def open_panel(request: Request, interaction: Interaction, *, panel: str, job: str, n: int) -> None:
    """Show the panel of a message, or of its image number `n`."""
    if (message := interaction.message) is None:
        raise NotFound(_("This message was deleted."))
    found = await message_images.find(client_of(interaction), message)
    shown = _Shown(job_id=job, number=n if panel == "image" else 0, message_id=message.id)
    show = _show_image if shown.number else _show_more
    await show(request, interaction, message, found, shown)


async def _show_more(request: Request, interaction: Interaction, message: discord.Message, found: FoundImages, shown: _Shown) -> None:
    offered = await _offered(request, interaction, message, found) & set(_OF_ALL)
    if found.job is None and not offered:
        raise image_gone()
    about = image_gone().sentence
    if found.job is not None:
        name = texts.headline(texts.subject(found.job), limit=_NAME_MAX)
        about = f"**||{name}||**" if found.spoiler else f"**{name}**"
    nothing = "" if offered else _("There's nothing more that you can do with this image.")
    await panels.show(interaction, panels.panel(panels.text(about, nothing), *_rows(shown, offered, found)))


async def _show_image(request: Request, interaction: Interaction, message: discord.Message, found: FoundImages, shown: _Shown) -> None:
    offered = await _offered(request, interaction, message, found) & set(_OF_ONE)
    found = found.only(shown.number)
    if not found.images:
        raise NotFound(_("This image no longer exists."))
    (image,), prompt = found.images, texts.subject(found.job) if found.job else ""
    large = discord.MediaGalleryItem(image.url, description=texts.alt(prompt), spoiler=found.spoiler)
    name = pgettext("heading of a panel", "Image {number}").format(number=shown.number)
    parts = [panels.text(f"**{name}**"), discord.ui.MediaGallery(large), *_rows(shown, offered, found)]
    await panels.show(interaction, panels.panel(*parts))


async def _offered(request: Request, interaction: Interaction, message: discord.Message, found: FoundImages) -> set[str]:
    """What this member may do with a message, where it makes sense."""
    job, target = found.job, await _target(request, interaction, message, found)
    has_images, is_shown = bool(found.images), bool(found.images) or found.is_linked
    flagged = Target(guild_id=request.guild_id, owner_id=found.reported[0])
    in_guild, stays = interaction.is_guild_integration(), _stays(interaction, message)
    may_use = has_images and found.known_owner_id is not None and await _passes(_check_consent(request, interaction, found))
    conditions = {
        "edit": may_use,
        "upscale": may_use and await upscales_in(interaction, request.guild_id),
        "details": job is not None and await _passes(details.check_may_see(request, interaction, job)),
        "send": job is not None and bool(usable(job)) and await _passes(_check_original(request, interaction, job)),
        "hide": in_guild and stays and job is not None and is_shown and not found.spoiler and permissions.may(request, Action.HIDE, target),
        "report": in_guild and stays and is_shown and permissions.may(request, Action.FLAG, flagged),
        "delete": stays and not has_delete(message) and permissions.may(request, Action.DELETE, target),
    }
    return {action for action, is_offered in conditions.items() if is_offered}


def _stays(interaction: Interaction, message: discord.Message) -> bool:
    """Whether the bot reaches the message again when a button of the panel is pressed."""
    return not message.flags.ephemeral and (interaction.is_guild_integration() or interaction.context.dm_channel)


async def _passes(check: Awaitable[None]) -> bool:
    try:
        await check
    except NotAllowed:
        return False
    return True


async def _check_consent(request: Request, interaction: Interaction, found: FoundImages) -> None:
    await services_of(interaction).members.check_consent(request, found.owner_id)


async def _check_original(request: Request, interaction: Interaction, job: Job) -> None:
    originals.check(request, job, await details.origin_of(interaction, job))


async def _target(request: Request, interaction: Interaction, message: discord.Message, found: FoundImages) -> Target:
    """The image as a permission target; without its job it is its message, of the member whom it answers."""
    if found.job is not None:
        return await services_of(interaction).orders.image(request, found.job)
    return Target(guild_id=request.guild_id, owner_id=_owner_without_job(request, interaction, message))


def _owner_without_job(request: Request, interaction: Interaction, message: discord.Message) -> int | None:
    nobody_else_sees_it = message.flags.ephemeral or interaction.context.dm_channel
    return request.actor.user_id if nobody_else_sees_it else message_images.requested_by(message)


def _rows(shown: _Shown, offered: set[str], found: FoundImages) -> list[Part]:
    rows = [[_button(action, shown, found) for action in row if action in offered] for row in _ROWS]
    return [panels.row(*row) for row in rows if row]


def _button(action: str, shown: _Shown, found: FoundImages) -> Part:
    button = styled(action, shown.id_of(action))
    if action == "send" and found.job is not None and not shown.number and len(usable(found.job)) > 1:
        button.label = pgettext("button", "Send me the files")
    return button


# --- presses in a panel ------------------------------------------------------------------------------------------------


async def _edit(request: Request, interaction: Interaction, shown: _Shown) -> None:
    found, job_id = await _images(request, interaction, shown)
    await edit_form.ask_for_edit_in(interaction, found, job_id=job_id)


async def _upscale(request: Request, interaction: Interaction, shown: _Shown) -> None:
    found, job_id = await _images(request, interaction, shown)
    await upscale_form.ask_for_upscale_in(interaction, found, job_id=job_id)


async def _details(request: Request, interaction: Interaction, shown: _Shown) -> None:
    await details.show(request, interaction, await services_of(interaction).orders.job(shown.job_id))


async def _send(request: Request, interaction: Interaction, shown: _Shown) -> None:
    job = await services_of(interaction).orders.job(shown.job_id)
    wanted = [g for g in job.generations if shown.number in (0, g.n + 1)]
    origin, link = await details.origin_of(interaction, job), message_url(request.guild_id, interaction.channel_id, shown.message_id)
    await originals.send(client_of(interaction), request, replace(job, generations=tuple(wanted)), origin=origin, link=link)
    await interactions.say(interaction, _("✉️ Sent. It's in your DMs with Easel."))


async def _hide(request: Request, interaction: Interaction, shown: _Shown) -> None:
    message, found = await _message(interaction, shown)
    if found.job is None:
        raise image_gone()

    async def hide() -> None:
        with audience.language_of(interaction, private=False):
            await spoilers.set_hidden(message, True, by=HiddenBy.AUTHOR)

    await services_of(interaction).cases.hide_message(request, found.job, message.id, hide=hide)
    await _close(interaction, _("🙈 Hidden behind a spoiler."))


async def _report(request: Request, interaction: Interaction, shown: _Shown) -> None:
    await report.ask(request, interaction, (await _message(interaction, shown))[0])


async def _ask_to_delete(request: Request, interaction: Interaction, shown: _Shown) -> None:
    """Delete one's own image at once, and ask once before that of another."""
    message, found = await _message(interaction, shown)
    target = await _target(request, interaction, message, found)
    permissions.check(request, Action.DELETE, target)
    if permissions.is_owner(request, target):
        await _remove_image(request, interaction, message, found)
        return
    sentence = _("Delete this image of {member}? It counts as a strike, and they are told and can appeal.")
    question = sentence.format(member=f"<@{found.owner_id}>") if found.job else _("Delete this image? Easel no longer knows whose it is.")
    await panels.redraw(interaction, panels.panel(panels.text(question), panels.row(styled("delete", shown.id_of(_CONFIRM)))))


async def _delete(request: Request, interaction: Interaction, shown: _Shown) -> None:
    await _remove_image(request, interaction, *await _message(interaction, shown))


async def _remove_image(request: Request, interaction: Interaction, message: discord.Message, found: FoundImages) -> None:
    """Checks permissions."""
    owner_id, remove = _owner_without_job(request, interaction, message), partial(_remove, message)
    await services_of(interaction).cases.delete_message(request, found.job, message.id, owner_id=owner_id, remove=remove)
    await _close(interaction, _("🗑️ Deleted."))


async def _remove(message: discord.Message) -> None:
    try:
        await message.delete()
    except discord.NotFound:
        return
    except discord.HTTPException:
        raise NotAllowed(_("Discord didn't delete this message. Try again in a moment, or ask a moderator to delete it.")) from None


async def _close(interaction: Interaction, sentence: str) -> None:
    """Show what was done in place of the panel, whose buttons can do no more."""
    await panels.redraw(interaction, panels.panel(panels.text(sentence)))


async def _images(request: Request, interaction: Interaction, shown: _Shown) -> tuple[FoundImages, str | None]:
    """What the panel is about, and its job's id if the images are read without their message, since nothing reaches it from here."""
    job = await services_of(interaction).orders.job(shown.job_id)
    is_private = job.place.private and job.place.message_id in (None, shown.message_id)
    is_away = not (interaction.is_guild_integration() or interaction.context.dm_channel)
    if is_private or is_away:
        await details.check_may_see(request, interaction, job)
        found, job_id = message_images.of_job(job), job.id
    else:
        found, job_id = (await _message(interaction, shown))[1], None
    return (found.only(shown.number) if shown.number else found), job_id


async def _message(interaction: Interaction, shown: _Shown) -> tuple[discord.Message, FoundImages]:
    """The message in this channel, with its images. Raises `NotFound` unless it shows the job."""
    client = client_of(interaction)
    channel = client.get_partial_messageable(interaction.channel_id or 0, guild_id=interaction.guild_id)
    try:
        message = await channel.fetch_message(shown.message_id)
    except discord.NotFound:
        raise NotFound(_("This message was deleted.")) from None
    except discord.Forbidden:
        raise NotAllowed(_("Easel can't read this channel's messages. Ask a moderator to allow it Read Message History.")) from None
    found = await message_images.find(client, message)
    if ended_job_of(message) != shown.job_id or (found.job is None and not found.is_gone):
        raise NotFound(_("This message was deleted."))
    return message, found


_PRESSES: Final[Mapping[str, Callable[[Request, Interaction, _Shown], Awaitable[None]]]] = {
    "edit": _edit,
    "upscale": _upscale,
    "details": _details,
    "send": _send,
    "hide": _hide,
    "report": _report,
    "delete": _ask_to_delete,
    _CONFIRM: _delete,
}
_FORMS: Final = ("edit", "upscale", "report")  # a form cannot follow a deferral


@router.press(ACT, defers=False)
async def act(request: Request, interaction: Interaction, *, action: str, job: str, n: int, message: int) -> None:
    """Handle a button of a panel."""
    async with nullcontext() if action in _FORMS else answers.deferring(interaction):
        await _PRESSES[action](request, interaction, _Shown(job_id=job, number=n, message_id=message))
