"""The text of /help."""

from __future__ import annotations

from bot.core.i18n import N_, _

_HELP = (
    N_("## Easel makes and edits pictures"),
    N_("**/generate** makes a picture from your words. Attach up to four references and name them in the prompt if the model takes them."),
    N_("**/edit** changes a picture that you attach, or what is in your tray. On any picture here: open its message's menu, **Apps**."),
    N_("**/models** lists the models with their prices. Every option completes itself with what the chosen model allows."),
    N_("**/quota** shows your credits. A price is held when you ask and spent when the picture is there; what fails is given back."),
    N_("**/cancel** takes back what is not finished."),
    N_("### Under each picture"),
    N_("✏️ **Edit** · 🔁 **Again** with a fresh seed · 🔍 **Details** · 🗑️ **Delete** (by its requester or a moderator) · 🚩 **Report**"),
    N_("### Reactions on a picture"),
    N_("✏️ edit it · 🔁 again · ✉️ the original by direct message · ❌ take yours away · 🙈 hide it · 🚩 report · ⭐ for the gallery."
       " The server's own emoji run its **/presets**."),
    N_("### In a message's menu, Apps"),
    N_("**Edit with Easel** · **Image details** · **Use as reference**: into your **/tray**, for the next /edit · **Report image**"),
    N_("### Yours alone"),
    N_("**/history** finds everything that you asked for: post it once more, edit or delete it."),
    N_("**/settings**: your model, shape, privacy, messages when done, and who may edit your pictures."),
    N_("**/style save** keeps words and options under a name; `style` of /generate and /edit puts them around your prompt."),
    N_("**/privacy** says what is kept of you; **/mydata** hands it out or erases it."),
    N_("-# Nothing you asked for is lost when the bot restarts: the picture arrives late, in its place."),
)  # fmt: skip


def help_text() -> str:
    return "\n".join(_(line) for line in _HELP)
