"""The form that asks once before a decision that cannot be undone. It says what will happen, and takes the moderator's reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import discord

from bot.core.i18n import _, pgettext
from bot.domain.job import Job
from bot.domain.moderation.cases import Decision
from cogs.kit.request import Interaction

REASON_MAX: Final = 300  # characters
_REASON: Final = "reason"

_TITLES: Mapping[Decision, Callable[[], str]] = {
    Decision.DELETE: lambda: pgettext("modal title", "Delete this image?"),
    Decision.REFUND: lambda: pgettext("modal title", "Delete and refund this image?"),
    Decision.BLOCK: lambda: pgettext("modal title", "Block for 24 hours?"),
}
_CONSEQUENCES: Mapping[Decision, Callable[[], str]] = {
    Decision.DELETE: lambda: _("The image by {member} is deleted for good, and they get a strike."),
    Decision.REFUND: lambda: _("The image by {member} is deleted for good. They get their credits back, and no strike."),
    Decision.BLOCK: lambda: _("The image by {member} is deleted for good. They get a strike and can't create images here for 24 hours."),
}
_ON_WITHHELD: Mapping[Decision, Callable[[], str]] = {
    **_CONSEQUENCES,
    Decision.DELETE: lambda: _("The withheld image by {member} is deleted for good, and the strike stays."),
    Decision.BLOCK: lambda: _(
        "The withheld image by {member} is deleted for good, and the strike stays. They can't create images here for 24 hours."
    ),
}


async def ask(interaction: Interaction, decision: Decision, *, author_id: int, job: Job | None, form_id: str) -> None:
    """Open the form for a decision of `FINAL`; `form_id` is the custom id of the handler that carries it out."""
    consequences = _ON_WITHHELD if job is not None and job.is_withheld else _CONSEQUENCES
    modal = discord.ui.Modal(title=_TITLES[decision](), custom_id=form_id)
    modal.add_item(discord.ui.TextDisplay(consequences[decision]().format(member=f"<@{author_id}>")))
    words = discord.ui.TextInput[Any](custom_id=_REASON, style=discord.TextStyle.paragraph, max_length=REASON_MAX, required=False)
    label = pgettext("modal label", "Reason (optional)")
    modal.add_item(discord.ui.Label(text=label, description=_("The author and the moderators can read it."), component=words))
    await interaction.response.send_modal(modal)


def reason_in(given: Mapping[str, Any]) -> str:
    """The reason in a submitted form."""
    return str(given.get(_REASON) or "")
