"""The language of whoever is being answered: gettext's functions over catalogues that are read once.

The language is a context variable: set where an interaction or a job is taken up, followed by everything that is called from there.
What nobody asked for in a language of their own, such as what a background task writes down, is English.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

import structlog
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po

from bot.core.errors import StartError

FOLDER = Path(__file__).parent.parent / "locales"
LANGUAGES = ("de", "fr", "es", "pt", "ja")  # beside English, which the sources are written in

log = structlog.get_logger(__name__)

_ENGLISH = NullTranslations()
_catalogues: dict[str, NullTranslations] = {"en": _ENGLISH}
_speaking: ContextVar[NullTranslations] = ContextVar("speaking", default=_ENGLISH)


def load() -> None:
    """Read every catalogue there is; takes some tenths of a second, so not on the event loop. Again has no effect.

    A catalogue that cannot be read is left out with a warning: its language is answered in English.
    """
    for language in LANGUAGES:
        if language in _catalogues:
            continue
        try:
            _catalogues[language] = read(FOLDER / f"{language}.po")
        except StartError as error:
            log.warning("a language is left out", language=language, reason=error.sentence)


def read(path: Path) -> NullTranslations:
    """One catalogue, whose file is named after its language. Raise `StartError` where it cannot be read."""
    compiled = io.BytesIO()
    try:
        with path.open("rb") as file:
            texts = read_po(file, locale=path.stem, abort_invalid=True)
        write_mo(compiled, texts)
        compiled.seek(0)
        return GNUTranslations(compiled)
    except (PoFileError, ValueError, OSError) as error:
        raise StartError(f"The catalogue {path.name} cannot be read: {error}.") from error


def catalogue(locale: str | None) -> NullTranslations:
    """The catalogue for one of Discord's locales (such as "de" or "pt-BR"); English where there is none."""
    return _catalogues.get(_language(locale), _ENGLISH)


@lru_cache(maxsize=128)
def served(locale: str | None) -> str | None:
    """The locale itself where it has a catalogue of its own; `None` where it is answered in English."""
    return locale if _language(locale) in LANGUAGES else None


@contextmanager
def speaking(locale: str | None) -> Iterator[None]:
    """Answers are in this language (one of Discord's locales) until the block ends, and in all tasks that it starts."""
    token = _speaking.set(catalogue(locale))
    try:
        yield
    finally:
        _speaking.reset(token)


def _(message: str) -> str:
    """`message` in the language of whoever is being answered."""
    return _speaking.get().gettext(message) if message else ""


def ngettext(singular: str, plural: str, n: int) -> str:
    """The form for `n` things, in the language of whoever is being answered."""
    return _speaking.get().ngettext(singular, plural, n)


def pgettext(context: str, message: str) -> str:
    """`message` where the same English word needs different ones elsewhere; `context` tells them apart."""
    return _speaking.get().pgettext(context, message)


def N_(message: str) -> str:  # noqa: N802  gettext's own name for it
    """Marks a text that is translated later, where it is shown."""
    return message


def _language(locale: str | None) -> str:
    return (locale or "en").partition("-")[0]
