"""Flags (🚩): Easel takes the reaction away, so that the image's author does not see who flagged, and answers by DM."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord

from bot.core import i18n
from bot.core.clock import Clock
from bot.core.i18n import _, pgettext
from bot.domain.gestures import FLAGS
from bot.domain.guild.sections import Flags
from bot.domain.job import Job, message_url
from bot.domain.outbox import ItemKind, OutboxItem
from bot.domain.request import Request
from bot.services.moderation.flagging import why_not
from bot.services.services import Services
from cogs.kit import answers
from cogs.kit.outbound import reopening
from cogs.kit.posting import Button, Draft, Poster
from cogs.kit.request import Interaction, services_of
from cogs.kit.router import DISCORD_ID, CustomId, Router

if TYPE_CHECKING:
    from bot.client.easel import Easel

router = Router()

WITHDRAW = CustomId("withdraw:{message}", message=DISCORD_ID)


class FlagAnswers:
    """The outbox's handler. It raises discord.py's own errors; the caller translates them."""

    def __init__(self, client: Easel, *, clock: Clock) -> None:
        self._client = client
        self._poster = Poster(client, clock=clock)
        self.handlers = {ItemKind.FLAGGED: self._answer}

    async def _answer(self, item: OutboxItem, _job: Job | None) -> None:
        """A flag whose reaction stays is withdrawn by removing it, and answered only if it does not count."""
        data, user_id = item.data, item.user_id
        if user_id is None:
            return
        is_removed = await self._remove(data["channel_id"], data["message_id"], user_id, burst=data["burst"])
        if not is_removed:
            await self._services.flagging.reaction_stays(data["message_id"], user_id)
        if is_removed or not data["counts"]:
            await self._tell(item, user_id, may_withdraw=is_removed)

    async def _remove(self, channel_id: int, message_id: int, user_id: int, *, burst: bool) -> bool:
        """False if Easel lacks the permission Manage Messages."""
        message = self._client.get_partial_messageable(channel_id).get_partial_message(message_id)

        async def remove() -> None:
            if burst:  # bots can remove a super reaction only together with everyone's reactions with that emoji, which are stored already
                await message.clear_reaction(FLAGS)
            else:
                await message.remove_reaction(FLAGS, discord.Object(user_id))

        try:
            await reopening(self._client, channel_id, remove)
        except discord.Forbidden:
            return False
        except discord.NotFound:
            return True  # with its message
        return True

    async def _tell(self, item: OutboxItem, user_id: int, *, may_withdraw: bool) -> None:
        data = item.data
        rules = (await self._services.guilds.settings(data["guild_id"])).policy.flags
        preferences = await self._services.members.preferences(user_id)
        with i18n.speaking(preferences.locale):
            link = message_url(data["guild_id"], data["channel_id"], data["message_id"])
            content = f"🚩 {_sentence(rules, counts=data['counts'], is_new=data['is_new'])}\n-# {link}"
            buttons = _buttons(data["message_id"]) if may_withdraw else ()
        channel = await self._client.create_dm(discord.Object(user_id))
        await self._poster.once(
            channel,
            Draft(content=content, buttons=buttons),
            nonce=item.id,
            was_tried=bool(item.attempts),
            is_same=lambda m: m.content == content,
        )

    @property
    def _services(self) -> Services:
        return services_of(self._client)


@router.press(WITHDRAW)
async def withdraw(request: Request, interaction: Interaction, *, message: int) -> None:
    """Withdraw the presser's own flag, until a case was decided by it."""
    await services_of(interaction).flagging.withdraw(request, message)
    await answers.update(interaction, content=_("🚩 You've withdrawn your report."), view=None)


def _sentence(rules: Flags, *, counts: bool, is_new: bool) -> str:
    if not is_new:
        return (
            _("You've already reported this image, and your report still counts.") if counts else _("You've already reported this image.")
        )
    if not counts:
        return why_not(rules)
    if rules.locked:
        return _("Your report is kept. The moderators have paused reports, and count it when they take them again. The author isn't told.")
    return _("Your report was counted. The author isn't told.")


def _buttons(message_id: int) -> tuple[Button, ...]:
    label = pgettext("button", "Withdraw")
    return (Button(label=label, emoji="↩️", style=discord.ButtonStyle.secondary, custom_id=WITHDRAW(message=message_id)),)
