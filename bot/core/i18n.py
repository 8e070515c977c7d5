"""Translations: gettext's functions over catalogues that are read once.

The current language is a context variable, set where the handling of an interaction or a job begins; functions called and tasks
started from there inherit it. Where it was never set, as in most background work, texts are English.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

import structlog

from bot.core.errors import StartError

FOLDER = Path(__file__).parent.parent / "locales"
LANGUAGES = ("de", "fr", "es", "pt", "ja")  # besides English, the language of the source texts

log = structlog.get_logger(__name__)

_ENGLISH = NullTranslations()
_catalogues: dict[str, NullTranslations] = {"en": _ENGLISH}
_speaking: ContextVar[str] = ContextVar("speaking", default="en")


def load(languages: Iterable[str] = LANGUAGES) -> None:
    """Read catalogues, and how each language writes numbers. Blocks for some tenths of a second: call it in a thread. Idempotent.

    A catalogue that cannot be read is skipped with a warning; its texts stay English.
    """
    from babel.numbers import format_decimal  # imported here because this runs in a thread

    for language in languages:
        if language in _catalogues:
            continue
        try:
            _catalogues[language] = read(FOLDER / f"{language}.po")
        except StartError as error:
            log.warning("catalogue skipped", language=language, reason=error.sentence)
    for language in _catalogues:
        format_decimal(1, locale=language)  # babel keeps what it has read


class Catalogue(GNUTranslations):
    """The texts of a language."""

    names: frozenset[tuple[str | None, str]] = frozenset()  # contexts and originals of the translated texts that have a context


def translated(catalogue: NullTranslations, context: str, message: str) -> str | None:
    """A translation, which may be equal to the original; None if there is none."""
    text = catalogue.pgettext(context, message)
    return text if text != message or (context, message) in getattr(catalogue, "names", ()) else None


def read(path: Path) -> NullTranslations:
    """Read a catalogue from `<language>.po`. Raises `StartError` if it cannot be read."""
    from babel.messages.mofile import write_mo  # imported here because this runs in a thread
    from babel.messages.pofile import PoFileError, read_po

    compiled = io.BytesIO()
    try:
        with path.open("rb") as file:
            texts = read_po(file, locale=path.stem, abort_invalid=True)
        write_mo(compiled, texts)
        compiled.seek(0)
        catalogue = Catalogue(compiled)
    except (PoFileError, ValueError, OSError) as error:
        raise StartError(f"The catalogue {path.name} cannot be read: {error}.") from error
    catalogue.names = frozenset((text.context, str(text.id)) for text in texts if text.context and text.string)
    return catalogue


def catalogue(locale: str | None) -> NullTranslations:
    """The catalogue of a Discord locale (such as "de" or "pt-BR"), or the English one."""
    return _catalogues.get(_language(locale), _ENGLISH)


@lru_cache(maxsize=128)
def supported(locale: str | None) -> str | None:
    """The locale if there is a catalogue for it; None if its texts are English."""
    return locale if _language(locale) in LANGUAGES else None


@contextmanager
def speaking(locale: str | None) -> Iterator[None]:
    """Set the current language to a Discord locale within the block, and in the tasks started from it."""
    token = _speaking.set(_language(locale))
    try:
        yield
    finally:
        _speaking.reset(token)


def language() -> str:
    """The current language, such as "de"; "en" if it has no catalogue."""
    return _speaking.get() if _speaking.get() in _catalogues else "en"


def _(message: str) -> str:
    """`message` in the current language."""
    return _current().gettext(message) if message else ""


def ngettext(singular: str, plural: str, n: int) -> str:
    """The plural form for `n`, in the current language."""
    return _current().ngettext(singular, plural, n)


def pgettext(context: str, message: str) -> str:
    """`message` in the current language; `context` distinguishes equal English texts with different translations."""
    return _current().pgettext(context, message)


def N_(message: str) -> str:  # noqa: N802  gettext's own name for it
    """Mark a text for extraction; it is translated where it is shown."""
    return message


def _current() -> NullTranslations:
    return _catalogues.get(_speaking.get(), _ENGLISH)


def _language(locale: str | None) -> str:
    return (locale or "en").partition("-")[0]
