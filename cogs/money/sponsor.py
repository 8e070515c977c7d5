"""/sponsor: a host pays for everyone in a thread or channel. A button updates the public message, and the outbox when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.clock import system
from bot.core.errors import NotFound
from bot.core.i18n import _, pgettext
from bot.domain.job import Job
from bot.domain.money import quota
from bot.domain.money.sponsorship import Sponsorship, SponsorshipState
from bot.domain.outbox import ItemKind, OutboxItem
from bot.domain.request import Request
from bot.services.money.accounts import HOURS_MAX, Money
from cogs.kit import audience, interactions, panels
from cogs.kit.outbound import reopening
from cogs.kit.panels import beside, button, panel, row, text
from cogs.kit.request import Interaction, request_of, services_of
from cogs.kit.router import CustomId, Router, matching
from cogs.money import money_texts

if TYPE_CHECKING:
    from bot.client.easel import Easel

router = Router()

_SPONSORSHIP = matching(r"[0-9a-z]{1,12}")
_REFRESH = CustomId("sponsor:look:{sponsorship}", sponsorship=_SPONSORSHIP)
_STOP = CustomId("sponsor:stop:{sponsorship}", sponsorship=_SPONSORSHIP)
_STOP_OWN = CustomId("sponsor:own:{sponsorship}", sponsorship=_SPONSORSHIP)
_OWN_MAX = 10  # in a list


@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
class Sponsor(commands.GroupCog, group_name="sponsor", group_description="Sponsor images for everyone in a channel or thread"):
    """The commands /sponsor start, stop and show."""

    @app_commands.command(description="Start sponsoring images for everyone in this channel or thread")
    @app_commands.describe(hours="Hours. Leave out for a day", credits="Most credits to spend, taken from your account now")
    async def start(
        self,
        interaction: Interaction,
        hours: app_commands.Range[int, 1, HOURS_MAX] = 24,
        credits: app_commands.Range[float, 0.01, 1_000_000.0] = 10.0,  # noqa: A002  the option's name
    ) -> None:
        request = await request_of(interaction)
        sponsorship = await _money(interaction).start_sponsoring(request, hours=hours, amount=quota.microcredits(credits))
        with audience.language_of(interaction, private=False):
            view = _public(sponsorship)
        await _money(interaction).sponsorship_posted(sponsorship, await panels.show(interaction, view, private=False))

    @app_commands.command(description="Stop sponsoring and get unused credits back")
    async def stop(self, interaction: Interaction) -> None:
        """Works anywhere. Of several, the member chooses one."""
        request = await request_of(interaction)
        found, *others = await _money(interaction).stoppable(request)
        if others:
            await panels.show(interaction, _own([found, *others]))
            return
        ended, returned = await _money(interaction).stop_sponsoring(request, found)
        await interactions.say(interaction, money_texts.stopped(ended, returned))

    @app_commands.command(description="See who is sponsoring here and how much is left")
    async def show(self, interaction: Interaction) -> None:
        request = await request_of(interaction)
        found = await _money(interaction).sponsor_here(request.channel.channel_id)
        await panels.show(interaction, _public(found))


@router.press(_REFRESH)
async def refresh(request: Request, interaction: Interaction, *, sponsorship: str) -> None:
    """Anyone may refresh the public message. One from before its id was stored is remembered."""
    found = await _named(request, interaction, sponsorship)
    await _redraw(interaction, found)
    if interaction.message is not None and not interaction.message.flags.ephemeral:
        await _money(interaction).sponsorship_posted(found, interaction.message.id)


@router.press(_STOP)
async def stop(request: Request, interaction: Interaction, *, sponsorship: str) -> None:
    """End the sponsorship. Ending is idempotent."""
    found = await _money(interaction).sponsorship(sponsorship)
    if not _is_open(found):
        await _redraw(interaction, await _named(request, interaction, sponsorship))
        return
    ended, returned = await _money(interaction).stop_sponsoring(request, found)
    await _redraw(interaction, ended)
    await interactions.say(interaction, money_texts.stopped(ended, returned))


@router.press(_STOP_OWN)
async def stop_own(request: Request, interaction: Interaction, *, sponsorship: str) -> None:
    """End one of the member's own, from the list. Ending is idempotent."""
    ended, returned = await _money(interaction).stop_sponsoring(request, await _money(interaction).sponsorship(sponsorship))
    await panels.redraw(interaction, panel(text(money_texts.stopped(ended, returned))))


class SponsorPosts:
    """The outbox's handler that shows the end in the public message. It raises discord.py's own errors; the caller translates them."""

    def __init__(self, client: Easel) -> None:
        self._client = client
        self.handlers = {ItemKind.SPONSOR: self.show_end}

    async def show_end(self, item: OutboxItem, _job: Job | None) -> None:
        found = await services_of(self._client).money.sponsorship(item.data["sponsorship"])
        if found.message_id is None:
            return
        message = self._client.get_partial_messageable(found.channel_id).get_partial_message(found.message_id)
        with await audience.guild_language(self._client, found.guild_id):
            view = _public(found)
        await reopening(self._client, found.channel_id, partial(message.edit, view=view, allowed_mentions=discord.AllowedMentions.none()))


async def _named(request: Request, interaction: Interaction, sponsorship_id: str) -> Sponsorship:
    """The sponsorship of a button. Raises `NotFound` for one of another channel, which only a forged button names."""
    found = await _money(interaction).sponsorship(sponsorship_id)
    if found.channel_id != request.channel.channel_id:
        raise NotFound(_("Nobody is sponsoring images here."))
    return found


async def _redraw(interaction: Interaction, sponsorship: Sponsorship) -> None:
    with audience.language_of_panel(interaction):
        view = _public(sponsorship)
    await panels.redraw(interaction, view)


def _public(sponsorship: Sponsorship) -> discord.ui.LayoutView:
    words = text(money_texts.announcement(sponsorship, system()))
    if not _is_open(sponsorship):
        return panel(words)
    refresh_button = button(pgettext("button", "How much is left?"), _REFRESH(sponsorship=sponsorship.id), emoji="🪙")
    stop_button = button(pgettext("button", "End sponsorship"), _STOP(sponsorship=sponsorship.id), emoji="✋")
    return panel(words, row(refresh_button, stop_button))


def _own(sponsorships: Sequence[Sponsorship]) -> discord.ui.LayoutView:
    """A member's sponsorships, each with a button that ends it."""
    label = pgettext("button", "End sponsorship")
    return panel(
        *(beside(button(label, _STOP_OWN(sponsorship=each.id), emoji="✋"), money_texts.hosting(each)) for each in sponsorships[:_OWN_MAX])
    )


def _is_open(sponsorship: Sponsorship) -> bool:
    return sponsorship.state is SponsorshipState.OPEN and sponsorship.until > system()


def _money(interaction: Interaction) -> Money:
    return services_of(interaction).money
