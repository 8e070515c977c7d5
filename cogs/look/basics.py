"""What all texts are made of."""

from __future__ import annotations

from discord.utils import escape_markdown, escape_mentions

from bot.images.catalog import ModelInfo
from bot.quota import in_credits

CONTENT_MAX = 2000  # characters of a message
ALT_MAX = 1024  # characters of an attachment's description
PANEL_MAX = 4000  # characters of all texts in a panel
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif")
_PROMPT_SHOWN = 280


def quoted(prompt: str, *, limit: int = _PROMPT_SHOWN) -> str:
    """A prompt in one line, as text and nothing else."""
    line = " ".join(prompt.split())
    line = line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
    return escape_mentions(escape_markdown(line))


def alt(prompt: str) -> str:
    """A picture's description for those who cannot see it."""
    return f"Picture made from the words: {' '.join(prompt.split())}"[:ALT_MAX]


def price(model: ModelInfo) -> str:
    """What one picture costs."""
    return "no price per picture" if model.price_microcredits is None else f"{amount_of(model.price_microcredits)} a picture"


def amount_of(micro: int) -> str:
    """An amount of microcredits, in words."""
    amount = in_credits(micro, up=True)
    return f"{amount} credit" if amount == "1" else f"{amount} credits"


def seconds(ms: int | None) -> str:
    """A duration in milliseconds, roughly."""
    seconds = max(1, round((ms or 0) / 1000))
    return f"{seconds} s" if seconds < 100 else f"{round(seconds / 60)} min"


def plural(count: int, word: str) -> str:
    """`word` for `count` of them."""
    return word if count == 1 else f"{word}s"


def meter(available: int, held: int, size: int, *, width: int = 20) -> str:
    """A bar: full blocks are left, shaded ones are held."""
    left = max(0, min(width, available * width // max(size, 1)))
    kept = max(0, min(width - left, -(-held * width // max(size, 1))))
    return "`" + "█" * left + "▒" * kept + "░" * (width - left - kept) + "`"
