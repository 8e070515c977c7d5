"""Commands and options as Discord shows them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.core import commands, i18n

DESCRIBED = (
    {
        "name": "history",
        "type": 1,
        "name_localizations": {"de": "verlauf", "es-ES": "historial", "es-419": "historial"},
        "options": [{"name": "words", "type": 3, "name_localizations": {"de": "wörter"}}],
    },
    {
        "name": "tray",
        "type": 1,
        "name_localizations": {"de": "ablage"},
        "options": [{"name": "clear", "type": 1, "name_localizations": {"de": "leeren"}}],
    },
    {"name": "Edit with Easel", "type": 3},
)


@pytest.fixture(autouse=True)
def _described() -> Iterator[None]:
    i18n.load()
    commands.register({})
    commands.describe(DESCRIBED)
    yield
    commands.register({})
    commands.describe(())


@pytest.mark.parametrize(
    ("locale", "names"),
    [
        ("en-US", ["/history", "/tray clear", "words"]),
        ("de", ["/verlauf", "/ablage leeren", "wörter"]),
        ("es-419", ["/historial", "/tray clear", "words"]),
    ],
)
def test_names_are_those_that_the_reader_sees(locale: str, names: list[str]) -> None:
    with i18n.speaking(locale):
        assert [commands.shown("history"), commands.shown("tray clear"), commands.option("words", of="history")] == names
        assert commands.mention("history") == f"`{names[0]}`"


def test_a_command_whose_id_is_known_is_clickable() -> None:
    commands.register(commands.ids_of([{"name": "tray", "id": "12", "type": 1}, {"name": "Edit with Easel", "id": "13", "type": 3}]))
    with i18n.speaking("de"):
        assert commands.mentions("tray clear", "history") == {"tray_clear": "</tray clear:12>", "history": "`/verlauf`"}
