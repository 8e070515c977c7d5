"""English texts keep to the glossary and the style of docs/translators.md."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence

import pytest
from babel.messages.catalog import Catalog

from bot.ops import translations
from bot.ops.placeholders import PLACEHOLDERS
from cogs.kit.translator import LIMITS

CHARACTERS_MAX = 220  # of a text that is shown at once
SENTENCES_MAX = 3
DESCRIPTION_MAX = 75  # Discord's mobile app cuts longer ones
ENDS = (".", "?", "!", "…", ":", "*")
PLACEHOLDER = re.compile(r"\{(\w+)\}")
SHOWN = re.compile(r"<t:\{\w+\}:\w>|\{\w+\}")
Text = tuple[str, str | None]


@pytest.fixture(scope="module")
def texts() -> list[Text]:
    """Every English text, with its context."""
    catalogue: Catalog = asyncio.run(translations.gather())
    return [(form, each.context) for each in catalogue if each.id for form in _forms(each.id)]


def _forms(text: str | Sequence[str]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def avoided() -> list[str]:
    """The second column of the glossary."""
    page = (translations.PROJECT / "docs" / "translators.md").read_text("utf-8")
    rows = [row.split("|") for row in page.partition("| Say | Not |")[2].splitlines()[2:] if row.startswith("|")]
    return [phrase.strip() for row in rows for phrase in row[2].split(",") if phrase.strip()]


def sentences(text: str) -> Iterator[str]:
    """The lines of a text that are sentences: capitalised, of five words or more."""
    for line in re.sub(r"^(-# |#+ |- |[^\w{<“(*`]+ )+", "", text, flags=re.MULTILINE).splitlines():
        plain = SHOWN.sub("…", line).strip()
        if (
            plain[:1].isupper()
            and len(plain.split()) >= 5
            and re.search(r"\w\.( |$)|\b(is|are|can|can't|was|isn't|doesn't|don't)\b", plain)
        ):
            yield plain


def test_no_text_uses_a_word_that_the_glossary_avoids(texts: list[Text]) -> None:
    avoid = re.compile(rf"\b({'|'.join(map(re.escape, avoided()))})s?\b", re.IGNORECASE)
    assert len(avoided()) > 30
    assert [text for text, _context in texts if avoid.search(PLACEHOLDER.sub("", text))] == []


def test_no_text_is_longer_than_people_read(texts: list[Text]) -> None:
    assert [text for text, _context in texts if len(text) > CHARACTERS_MAX or len(re.findall(r"\w[.?!] ", text)) >= SENTENCES_MAX] == []


def test_descriptions_are_short_and_end_without_a_period(texts: list[Text]) -> None:
    found = [text for text, context in texts if context and context.endswith("description")]
    assert len(found) > 100
    assert [text for text in found if len(text) > DESCRIPTION_MAX or text.endswith(".") or not text[0].isupper()] == []


def test_labels_end_without_a_period(texts: list[Text]) -> None:
    assert [text for text, context in texts if context in LIMITS and text.endswith(".")] == []


def test_sentences_end_with_punctuation(texts: list[Text]) -> None:
    found = [sentence for text, context in texts if context is None for sentence in sentences(text)]
    assert len(found) > 200
    assert [sentence for sentence in found if not sentence.rstrip(")”`").endswith(ENDS)] == []


def test_every_placeholder_is_explained_to_translators(texts: list[Text]) -> None:
    used = {name for text, _context in texts for name in PLACEHOLDER.findall(text)}
    assert used - set(PLACEHOLDERS) == set()
    assert set(PLACEHOLDERS) - used == set(), "explained but unused"


def test_no_text_names_an_internal_name(texts: list[Text]) -> None:
    """A table, a path of a setting, a constant."""
    internal = re.compile(r"\b[a-z]+\.[a-z]+_[a-z]+\b|\b(kv|outbox|ledger)\b")
    assert [text for text, _context in texts if internal.search(text)] == []
