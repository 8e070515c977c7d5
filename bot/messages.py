"""The texts to translate: gathered from the sources and the commands into a template, and brought into each language's catalogue.

What is written depends on the texts alone, without dates and line numbers: a test holds the template against the sources.
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
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import PoFileError, generate_po, read_po

from bot import client, i18n
from bot.errors import StartError
from cogs.translator import LIMITS, TYPED, fits, translatables

PROJECT: Final = Path(__file__).parent.parent
TEMPLATE: Final = i18n.FOLDER / "easel.pot"
_SOURCES: Final = ("bot", "cogs")
_KEYWORDS: Final[Mapping[str, Any]] = {"_": None, "N_": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}
_COMMENTS: Final = ("Translators:",)  # how a comment begins that is meant for them
_LINE_CHARACTERS: Final = 120

_TEMPLATE_HEADER: Final = """\
# Easel's texts, to be translated. Renewed by `make messages`; changes belong into the sources or into a language's .po.
msgid ""
msgstr ""
"Project-Id-Version: Easel\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"""
_HEADER: Final = """\
# Easel in {name}.
#
# FIRST VERSION, NOT YET REVIEWED: it needs review by native speakers. Please correct whatever sounds wrong;
# what is left empty is shown in English. The README says how (For translators).
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

# What a translation keeps of the original: mentions and times, placeholders, markdown, and marks at the beginning of a line.
_KEPT: Final = re.compile(r"<[@#t:/a][^<>\s]*>|\{[^{}]*\}|\*+|__+|`+|~~|\|\||https?://\S+|^-# |^#{1,3} |^- |^> ", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Renewed:
    """What became of one language."""

    language: str
    done: int  # texts with a translation
    texts: int  # in the template
    faults: tuple[str, ...]  # sentences: what a translation lost or broke


def renew(template: Catalog, folder: Path = i18n.FOLDER) -> list[Renewed]:
    """Write the template and bring every catalogue up to it. Raise `StartError` where one cannot be read."""
    (folder / TEMPLATE.name).write_text(render_template(template), "utf-8")
    return [_renew_language(folder / f"{language}.po", template) for language in i18n.LANGUAGES]


async def gather() -> Catalog:
    """Every text to translate: those of the sources in the order of their files, then those of the commands."""
    template = Catalog()
    for path in sorted(path for folder in _SOURCES for path in (PROJECT / folder).rglob("*.py")):
        for line, text, comments, context in extract_from_file("python", path, keywords=_KEYWORDS, comment_tags=_COMMENTS):
            template.add(text, locations=[(path.relative_to(PROJECT).as_posix(), line)], auto_comments=comments, context=context)
    for each in await translatables(await client.commands_alone()):
        rule = ", without spaces and capitals" if each.context in TYPED else ""
        template.add(each.text, auto_comments=[f"At most {LIMITS[each.context]} characters{rule}."], context=each.context)
    return template


def render_template(template: Catalog) -> str:
    """The template as a file."""
    return _render(_TEMPLATE_HEADER, template)


def faults(texts: Catalog) -> Iterator[str]:
    """Where a translation does not keep what its original has, or is longer than Discord takes."""
    for message in texts:
        originals = _forms(message.id)
        for form in filter(None, _forms(message.string) if message.id and not message.fuzzy else ()):
            if not any(_kept(form) == _kept(original) for original in originals):
                yield f"{form!r} does not keep the marks of {originals[-1]!r}"
            if message.context and not fits(message.context, form):
                yield f"{form!r} is not what Discord takes as a {message.context}"


def read_catalogue(path: Path) -> Catalog:
    """A catalogue with its comments, and with translations that are not in use. Raise `StartError` where it cannot be read."""
    try:
        with path.open("rb") as file:
            return read_po(file, locale=path.stem, abort_invalid=True)
    except (PoFileError, ValueError, OSError) as error:
        raise StartError(f"The catalogue {path.name} cannot be read: {error}.") from error


def _renew_language(path: Path, template: Catalog) -> Renewed:
    header = path.read_text("utf-8").partition("\n\n")[0] + "\n" if path.exists() else _new_header(path.stem)
    merged = _merge(template, read_catalogue(path) if path.exists() else Catalog(locale=path.stem))
    path.write_text(_render(header, merged), "utf-8")
    done = sum(all(_forms(message.string)) and not message.fuzzy for message in merged if message.id)
    return Renewed(language=path.stem, done=done, texts=len(template), faults=tuple(faults(merged)))


def _merge(template: Catalog, kept: Catalog) -> Catalog:
    """The template's texts with the translations that there are; translations whose text is gone stay as a memory."""
    merged = Catalog(locale=kept.locale)
    known = {**kept.obsolete, **{_key(message): message for message in kept if message.id}}
    for message in template:
        if message.id:
            old = known.pop(_key(message), None)
            _add(merged, message, old if old and type(old.id) is type(message.id) else None)
    merged.obsolete.update({key: message for key, message in known.items() if any(_forms(message.string))})
    return merged


def _add(merged: Catalog, message: Message, old: Message | None) -> None:
    merged.add(
        message.id,
        old.string if old else ("",) * merged.num_plurals if message.pluralizable else "",
        locations=message.locations,
        flags=(old.flags if old else set()) & {"fuzzy"},
        auto_comments=message.auto_comments,
        user_comments=old.user_comments if old else (),
        context=message.context,
    )


def _render(header: str, texts: Catalog) -> str:
    entries = generate_po(texts, omit_header=True, include_lineno=False, width=_LINE_CHARACTERS)
    return f"{header}\n{''.join(entries).strip()}\n"


def _new_header(language: str) -> str:
    plural_forms = Catalog(locale=language).plural_forms
    return _HEADER.format(name=Locale.parse(language).english_name, language=language, plural_forms=plural_forms)


def _key(message: Message) -> Any:
    first = _forms(message.id)[0]
    return (first, message.context) if message.context else first


def _forms(text: Any) -> tuple[str, ...]:
    """One text, or several forms by number."""
    return tuple(text) if isinstance(text, list | tuple) else (text,)


def _kept(text: str) -> Counter[str]:
    return Counter(_KEPT.findall(text))
