"""Parts that many texts share: quoted prompts, prices, durations, meters."""

from __future__ import annotations

from bot.core import markdown
from bot.core.i18n import _, ngettext
from bot.domain.catalog.models import ModelInfo
from bot.domain.job import Job, JobKind
from bot.domain.money.quota import in_credits, plural_count, with_unit

CONTENT_MAX = 2000  # characters of a message
ALT_MAX = 1024  # characters of an attachment's description
PANEL_MAX = 4000  # characters of all texts in a panel
LINK_MARK = "🔗"  # begins each line of a message that is a link to an image
_PROMPT_SHOWN = 280
_HEADLINE_MAX = 150  # characters; the image leads, and the whole prompt is in Details


def quoted(prompt: str, *, limit: int = _PROMPT_SHOWN) -> str:
    """A prompt, or another text that is not ours, in one line of at most `limit` characters, in which nothing is alive."""
    return markdown.escaped(prompt, limit)


def headline(prompt: str, *, limit: int = _HEADLINE_MAX) -> str:
    """A prompt as the heading of its image: as `quoted`, but short, and cut between words."""
    return markdown.escaped(prompt, limit, at_word=True)


def subject(job: Job) -> str:
    """What a job shows: its prompt, or that it is an upscale, which mostly has none."""
    return job.prompt or (_("Upscaled image") if job.kind is JobKind.UPSCALE else "")


def alt(prompt: str) -> str:
    """An image's alternative text. Only an upscale has no prompt."""
    if not prompt:
        return _("Upscaled image")
    return _("Image created from the prompt: {words}").format(words=markdown.plain(prompt))[:ALT_MAX]


def first_frame_only() -> str:
    """Said of reference images that are animations."""
    return _("Only the first frame of the animation is used.")


def gone(count: int) -> str:
    """Said with the images of a job that can still be had."""
    sentence = ngettext("{count} more image is no longer available.", "{count} more images are no longer available.", count)
    return sentence.format(count=count)


def price(model: ModelInfo) -> str:
    """What one image costs, with the default options if these decide."""
    if model.price_microcredits is None:
        return _("no price yet")
    amount = in_credits(model.price_microcredits, up=True)
    words = ngettext("{amount} credit per image", "{amount} credits per image", plural_count(amount)).format(amount=amount)
    return _("usually {price}").format(price=words) if model.price_varies else words


def amount_of(micro: int) -> str:
    """An amount of microcredits, in words."""
    return with_unit(micro, up=True)


def duration(ms: int | None) -> str:
    """A duration in milliseconds, in seconds or minutes."""
    seconds = max(1, round((ms or 0) / 1000))
    return _("{count} s").format(count=seconds) if seconds < 100 else _("{count} min").format(count=round(seconds / 60))


def meter(available: int, held: int, size: int, *, width: int = 20) -> str:
    """A bar: full blocks are available, shaded ones held."""
    left = max(0, min(width, available * width // max(size, 1)))
    shaded = max(0, min(width - left, -(-held * width // max(size, 1))))
    return "`" + "█" * left + "▒" * shaded + "░" * (width - left - shaded) + "`"
