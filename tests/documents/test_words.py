"""The documents' language."""

from __future__ import annotations

import re

import pytest

from tests.documents.pages import PAGES, Page, page

README_WORDS_MAX = 1000
# What Easel and Discord call otherwise: image, someone, refund, refill, save, DM, delete, only you can see this.
OTHERS_WORDS = re.compile(
    r"pictures?|(?:some|any|every)body|(?:give|gives|given|flow|flows) back|put by|direct messages?|(?:take|takes|taken) away|ephemeral"
    r"|house|street|doors?|bells?|crew|desk|purses?|errands?|ladder|kin|spots?",
    re.IGNORECASE,
)


@pytest.mark.parametrize("here", [here for here in PAGES if here.path.name != "translators.md"], ids=str)
def test_a_page_uses_the_product_s_words(here: Page) -> None:
    """Except for the translators' page, whose glossary lists the others."""
    assert re.findall(rf"\b(?:{OTHERS_WORDS.pattern})\b", here.prose, re.IGNORECASE) == []


def test_the_readme_is_short() -> None:
    assert len(re.findall(r"\S*\w\S*", page("README.md").text)) <= README_WORDS_MAX
