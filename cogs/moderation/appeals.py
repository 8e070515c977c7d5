"""Appeals against blocks: the button under the refusal of an order and under the message about a block, and its form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import discord

from bot.core.i18n import _, pgettext
from bot.domain.request import Request
from bot.services.moderation.cases import APPEAL_MAX
from bot.store.moderation import block_appeals, cases
from cogs.kit import interactions
from cogs.kit.posting import Button
from cogs.kit.request import Interaction, services_of
from cogs.kit.router import CustomId, Router, integer
from cogs.moderation import views

if TYPE_CHECKING:
    from bot.client.easel import Easel

router = Router()

_PRESS = CustomId("appeal-block:{block}", block=integer())
_FORM = CustomId("appeal-block-form:{block}", block=integer())
_WORDS = "words"


def button(block_id: int) -> Button:
    """The button of a background message."""
    return Button(label=pgettext("button", "Appeal"), emoji="⚖️", style=discord.ButtonStyle.primary, custom_id=_PRESS(block=block_id))


async def button_for(client: Easel, block_id: int) -> discord.ui.Button[Any] | None:
    """The button under a refusal: about the block, or about the case that led to it. None if that was appealed already."""
    services = services_of(client)
    block = await services.reader.read(block_appeals.get, block_id)
    if block is None:
        return None
    if block.case_id is None:
        return _as_view_item(button(block_id))
    case = await services.reader.read(cases.get, block.case_id)
    offered = views.appeal_buttons(case) if case is not None else ()
    return next(map(_as_view_item, offered), None)


def _as_view_item(shown: Button) -> discord.ui.Button[Any]:
    return discord.ui.Button(**vars(shown))


async def ask_why(interaction: Interaction, question: str, *, form_id: str) -> None:
    """Open the form of an appeal; `form_id` is the custom id of the handler that stores it."""
    words = discord.ui.TextInput[Any](custom_id=_WORDS, style=discord.TextStyle.paragraph, max_length=APPEAL_MAX)
    modal = discord.ui.Modal(title=pgettext("modal title", "Appeal"), custom_id=form_id)
    modal.add_item(discord.ui.Label(text=question, component=words))
    await interaction.response.send_modal(modal)


def words_in(given: Mapping[str, Any]) -> str:
    """The words in a submitted form."""
    return str(given.get(_WORDS) or "")


@router.press(_PRESS, defers=False)
async def ask(request: Request, interaction: Interaction, *, block: int) -> None:
    """Open the form, if an appeal is still possible."""
    await services_of(interaction).appeals.check(request, block)
    await ask_why(interaction, pgettext("modal label", "Why should the moderators lift the block?"), form_id=_FORM(block=block))


@router.form(_FORM)
async def send(request: Request, interaction: Interaction, given: Mapping[str, Any], *, block: int) -> None:
    """Store the appeal and open the case."""
    await services_of(interaction).appeals.appeal(request, block, words=words_in(given))
    await interactions.say(interaction, _("⚖️ Thanks. The moderators will review the block, and you'll get their decision."))
