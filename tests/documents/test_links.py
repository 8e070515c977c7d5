"""Links and files in the documents."""

from __future__ import annotations

import re

import pytest

from tests.documents.pages import DOCS, PAGES, Page, page
from tests.imports import PROJECT

FILES = re.compile(r"\b(?:(?:bot|cogs|sandbox|tests|benchmarks|docs)/[\w./-]+|[A-Z]{2,}\.md)")


def relative(here: Page) -> list[str]:
    return [link for link in here.links if "://" not in link]


@pytest.mark.parametrize("here", PAGES, ids=str)
def test_every_link_leads_somewhere(here: Page) -> None:
    broken = []
    for link in relative(here):
        path, _, anchor = link.partition("#")
        target = Page((here.path.parent / path).resolve()) if path else here
        if not target.path.is_relative_to(PROJECT) or not target.path.exists() or (anchor and anchor not in target.anchors):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("here", PAGES, ids=str)
def test_links_to_other_places_are_https(here: Page) -> None:
    """They are not followed: tests use this machine only."""
    assert [link for link in here.links if "://" in link and not re.fullmatch(r"https://[a-z0-9.-]+\.[a-z]{2,}(/\S*)?", link)] == []


@pytest.mark.parametrize("here", PAGES, ids=str)
def test_named_files_exist(here: Page) -> None:
    named = {path.rstrip(".") for part in (here.prose, *here.spans) for path in FILES.findall(part)}
    assert sorted(path for path in named if "*" not in path and not (PROJECT / path).exists()) == []


def test_every_page_and_screenshot_is_linked() -> None:
    linked = {(here.path.parent / link.partition("#")[0]).resolve() for here in PAGES for link in relative(here)}
    pages = {here.path for here in DOCS if here.path.name != "README.md"} | set((PROJECT / "docs").glob("*.png"))
    assert sorted(path.name for path in pages - linked) == []


def test_the_readme_leads_to_every_page_for_readers() -> None:
    linked = {(PROJECT / link.partition("#")[0]).resolve() for link in relative(page("README.md"))}
    assert sorted(str(here) for here in DOCS if here.path not in linked | {PROJECT / "README.md"}) == []


def test_actions_are_pinned_and_may_only_read() -> None:
    text = (PROJECT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    assert re.findall(r"uses: \S+@(?![0-9a-f]{40} # v)\S+", text) == []
    assert re.findall(r"^ *- run: (.+)$", text, re.MULTILINE) == [".ci/run"]
    assert re.findall(r"^permissions:\n((?: +.+\n)+)", text, re.MULTILINE) == ["  contents: read\n"]
