"""The language of whoever is being answered: gettext's functions over catalogues that are read once.

The language is a context variable: set where an interaction or a job is taken up, followed by everything that is called from there.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

FOLDER = Path(__file__).parent / "locales"
LANGUAGES = ("de", "fr", "es", "pt", "ja")  # beside English, which the sources are written in

_ENGLISH = NullTranslations()
_catalogues: dict[str, NullTranslations] = {"en": _ENGLISH}
_speaking: ContextVar[NullTranslations] = ContextVar("speaking", default=_ENGLISH)


def load() -> None:
    """Read every catalogue there is; takes some tenths of a second, so not on the event loop. Again has no effect."""
    for language in LANGUAGES:
        path = FOLDER / f"{language}.po"
        if language not in _catalogues and path.exists():
            _catalogues[language] = _read(path)


def catalogue(locale: str | None) -> NullTranslations:
    """The catalogue for one of Discord's locales (such as "de" or "pt-BR"); English where there is none."""
    return _catalogues.get((locale or "en").partition("-")[0], _ENGLISH)


def speak(locale: str | None) -> None:
    """From here on, in this task and what it starts, answers are in this language (one of Discord's locales)."""
    _speaking.set(catalogue(locale))


@contextmanager
def speaking(locale: str | None) -> Iterator[None]:
    """Answers are in this language (one of Discord's locales) until the block ends."""
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


def _read(path: Path) -> GNUTranslations:
    with path.open("rb") as file:
        texts = read_po(file, locale=path.stem)
    compiled = io.BytesIO()
    write_mo(compiled, texts)
    compiled.seek(0)
    return GNUTranslations(compiled)
