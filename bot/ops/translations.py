"""`python -m bot messages`: collect the texts to translate from the sources and the commands, and update each language's catalogue.

Catalogues are sorted by text and name no source files, so that moving code does not change them. A test compares them with the sources.
The format is gettext's: https://www.gnu.org/software/gettext/manual/html_node/PO-Files.html
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import PoFileError, generate_po, read_po

from bot.core import i18n
from bot.core.errors import StartError
from bot.ops.placeholders import PLACEHOLDERS
from cogs import load
from cogs.kit.translator import LIMITS, TYPED, fits, translatables

PROJECT: Final = Path(__file__).parents[2]
_SOURCES: Final = ("bot", "cogs")
_KEYWORDS: Final[Mapping[str, Any]] = {"_": None, "N_": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}
_LINE_CHARACTERS: Final = 120

_HEADER: Final = """\
# Easel in {name}.
#
# FIRST VERSION, NOT YET REVIEWED: it needs review by native speakers. Please correct whatever sounds wrong;
# what is left empty is shown in English. docs/translators.md says how.
#
msgid ""
msgstr ""
"Project-Id-Version: Easel\\n"
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plural_forms}\\n"
"""

# What a translation must keep: mentions and timestamps, placeholders, Markdown, addresses, and marks at the beginning of a line.
_KEPT: Final = re.compile(r"<[@#t:/a][^<>\s]*>|\{[^{}]*\}|\*+|__+|`+|~~|\|\||https?://\S+|^-# |^#{1,3} |^- |^> ", re.MULTILINE)


_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, kw_only=True)
class Renewed:
    """The state of one language's catalogue after its update."""

    language: str
    done: int  # texts with a translation
    texts: int  # in all
    faults: tuple[str, ...]  # one sentence for each broken translation


def renew(texts: Catalog, folder: Path = i18n.FOLDER) -> list[Renewed]:
    """Update every catalogue to these texts. Raises `StartError` if one cannot be read."""
    return [_renew_language(folder / f"{language}.po", texts) for language in i18n.LANGUAGES]


async def gather(project: Path = PROJECT) -> Catalog:
    """Every text to translate, of the sources and of the commands."""
    texts = Catalog()
    for folder in _SOURCES:
        for _file, _line, text, _comments, context in extract_from_dir(project / folder, keywords=_KEYWORDS):
            texts.add(text, auto_comments=list(_explained(text)), context=context)
    for each in await translatables(await load.command_tree()):
        rule = ", without spaces and capitals" if each.context in TYPED else ""
        texts.add(each.text, auto_comments=[f"At most {LIMITS[each.context]} characters{rule}."], context=each.context)
    return texts


def _explained(text: str | tuple[str, ...]) -> Iterator[str]:
    """What each placeholder of a text stands for."""
    names = dict.fromkeys(name for form in _forms(text) for name in _PLACEHOLDER.findall(form))
    yield from (f"{{{name}}}: {PLACEHOLDERS[name]}" for name in names if name in PLACEHOLDERS)


def faults(texts: Catalog) -> Iterator[str]:
    """A sentence for each translation that lost a placeholder or mark of its original, or that Discord would refuse."""
    for message in texts:
        originals = _forms(message.id)
        for form in filter(None, _forms(message.string) if message.id and not message.fuzzy else ()):
            if not any(_kept(form) == _kept(original) for original in originals):
                yield f"{form!r} does not keep the marks of {originals[-1]!r}"
            if message.context and not fits(message.context, form):
                yield f"{form!r} is not what Discord takes as a {message.context}"


def read_catalogue(path: Path) -> Catalog:
    """A catalogue with its comments and its obsolete translations. Raises `StartError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return read_po(file, locale=path.stem, abort_invalid=True)
    except (PoFileError, ValueError, OSError) as error:
        raise StartError(f"The catalogue {path.name} cannot be read: {error}.") from error


def _renew_language(path: Path, texts: Catalog) -> Renewed:
    header = path.read_text("utf-8").partition("\n\n")[0] + "\n" if path.exists() else _new_header(path.stem)
    catalogue = read_catalogue(path) if path.exists() else Catalog(locale=path.stem)
    _update(catalogue, texts)
    entries = generate_po(catalogue, omit_header=True, no_location=True, sort_by="message", width=_LINE_CHARACTERS)
    path.write_text(f"{header}\n{''.join(entries).strip()}\n", "utf-8")
    done = sum(all(_forms(message.string)) and not message.fuzzy for message in catalogue if message.id)
    return Renewed(language=path.stem, done=done, texts=len(texts), faults=tuple(faults(catalogue)))


def _update(catalogue: Catalog, texts: Catalog) -> None:
    """Keep the translation of a removed text as obsolete, and use it again if the text comes back. Delete obsolete entries without one."""
    for message in catalogue.obsolete.values():
        if catalogue.get(message.id, message.context) is None:
            catalogue[message.id] = message
    catalogue.obsolete.clear()
    catalogue.update(texts, no_fuzzy_matching=True)
    for key in [key for key, message in catalogue.obsolete.items() if not any(_forms(message.string))]:
        del catalogue.obsolete[key]


def _new_header(language: str) -> str:
    plural_forms = Catalog(locale=language).plural_forms
    return _HEADER.format(name=Locale.parse(language).english_name, language=language, plural_forms=plural_forms)


def _forms(text: Any) -> tuple[str, ...]:
    """One text, or its plural forms."""
    return tuple(text) if isinstance(text, list | tuple) else (text,)


def _kept(text: str) -> Counter[str]:
    return Counter(_KEPT.findall(text))
