"""The pages that people read, taken apart: prose, code, links and headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.imports import PROJECT

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_LINK = re.compile(r"\[(?P<text>[^\]\[]*)\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """A Markdown page, or an issue form in YAML."""

    path: Path

    def __str__(self) -> str:
        return self.path.relative_to(PROJECT).as_posix()

    @cached_property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    @cached_property
    def blocks(self) -> list[tuple[str, str]]:
        """Fenced code: the language, and the content."""
        return [(match[1], match[2]) for match in _FENCE.finditer(self.text)]

    @cached_property
    def spans(self) -> list[str]:
        """Code inside of sentences."""
        return _SPAN.findall(self._unfenced)

    @cached_property
    def links(self) -> list[str]:
        """The targets of links and images."""
        return [match["target"] for match in _LINK.finditer(_SPAN.sub("", self._unfenced))]

    @cached_property
    def prose(self) -> str:
        """The sentences, without code, comments and the targets of links."""
        return _LINK.sub(r"\g<text>", _SPAN.sub("", _COMMENT.sub("", self._unfenced)))

    @cached_property
    def anchors(self) -> set[str]:
        """What links to headings may name, as GitHub makes them."""
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(self._unfenced)}

    @cached_property
    def commands(self) -> list[str]:
        """Command lines: those of shell blocks without comments, and the code inside of sentences."""
        lines = [line.partition(" #")[0].strip() for language, block in self.blocks if language == "sh" for line in block.splitlines()]
        return [*filter(None, lines), *self.spans]

    def section(self, heading: str) -> str:
        """What stands below a heading, up to the next of its level."""
        level, _, _ = heading.partition(" ")
        _, _, rest = self.text.partition(f"\n{heading}\n")
        assert rest, f"{self} has no {heading}"
        return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]

    @property
    def _unfenced(self) -> str:
        return _FENCE.sub("", self.text)


def rows(section: str) -> Iterator[list[str]]:
    """The cells of the table rows in a section, without those of its heads."""
    table = [line for line in section.splitlines() if line.startswith("|")]
    for line, following in zip(table, [*table[1:], ""], strict=True):
        if not set(line) <= set("|- ") and not (following and set(following) <= set("|- ")):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def page(path: str) -> Page:
    return Page(PROJECT / path)


DOCS = [Page(path) for path in (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))]
PAGES = [
    *DOCS,
    *(Page(path) for path in sorted(PROJECT.glob("*.md")) if path.name != "README.md"),
    *(Page(path) for path in sorted((PROJECT / ".github").rglob("*")) if path.suffix in {".md", ".yml"}),
]
