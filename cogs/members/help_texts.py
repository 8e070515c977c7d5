"""The text of /help. It fits one screen of a phone: about twelve short lines."""

from __future__ import annotations

from bot.core import commands
from bot.core.i18n import N_, _

_HELP = (
    N_("## Create and edit images"),
    N_("{generate} creates an image, {edit} edits one, {upscale} makes one larger."),
    N_("Reply to an image to edit it: *{bot} make it winter*"),
    N_("Right-click or long-press a message > **Apps** to edit or save its images."),
    N_("React to an image: ✏️ edit, 🔁 again, ✉️ get the file by DM, ❌ delete, 🙈 spoiler, 🚩 report, ⭐ gallery."),
    N_("{models} shows what each model can do and costs."),
    N_("{quota} shows your credits."),
    N_("{history} shows your images. {cancel} stops one."),
    N_("{settings} sets your defaults. {style_save} saves a style."),
    N_("{privacy} says what is stored and how to delete it."),
    N_("-# Failed images are refunded."),
)
_NAMED = ("generate", "edit", "upscale", "models", "quota", "history", "cancel", "settings", "style save", "privacy")


def help_text(bot: str) -> str:
    """`bot`: its mention."""
    named = commands.mentions(*_NAMED)
    return "\n".join(_(line).format(bot=bot, **named) for line in _HELP)
