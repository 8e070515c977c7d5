"""Languages: the catalogues are valid, Discord accepts the translated commands, and each member is answered in their language."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Iterator, Mapping
from gettext import NullTranslations
from pathlib import Path
from typing import Any

import discord
import pytest
from babel.messages.catalog import Catalog
from discord import app_commands

from bot.app import App
from bot.core import commands, i18n
from bot.core.errors import StartError
from bot.core.i18n import _, ngettext, pgettext
from bot.ops import translations
from bot.store import documents
from cogs import load
from cogs.kit.translator import LIMITS, Translator, fits
from sandbox.person import Person
from tests.env.app import Env

GERMAN = "FLUX.2 Klein 4B braucht bei schritte eine ganze Zahl von 1 bis 50, nicht 99."
ENGLISH = "FLUX.2 Klein 4B needs a whole number from 1 to 50 for steps, not 99."
LOCALES = [locale.value for locale in discord.Locale if i18n.supported(locale.value)]
COMMAND_CHARACTERS_MAX = 8000  # Discord counts the longest language of each text


class Marked(NullTranslations):
    """A language that has every text: the English one in «»."""

    def gettext(self, message: str) -> str:
        return f"«{message}»"

    def pgettext(self, _context: str, message: str) -> str:
        return self.gettext(message)


@pytest.fixture(autouse=True)
def _catalogues() -> None:
    i18n.load()


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> NullTranslations:
    """`Marked` in place of German."""
    language = Marked()
    monkeypatch.setitem(i18n._catalogues, "de", language)
    return language


def written(folder: Path, *entries: str, language: str = "de") -> Path:
    """Writes a catalogue with these entries."""
    path = folder / f"{language}.po"
    path.write_text("\n\n".join(['msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"', *entries, ""]), "utf-8")
    return path


async def renewed(project: Path, sources: Mapping[str, str]) -> str:
    """Returns the German catalogue of a project with these sources."""
    for name, source in sources.items():
        (project / name).parent.mkdir(parents=True)
        (project / name).write_text(source, "utf-8")
    translations.renew(await translations.gather(project), project)
    return (project / "de.po").read_text("utf-8")


# --- the catalogues --------------------------------------------------------------------------------------------------


async def test_the_catalogues_are_current(tmp_path: Path) -> None:
    folder = shutil.copytree(i18n.FOLDER, tmp_path / "locales")
    translations.renew(await translations.gather(), folder)
    outdated = [path.name for path in sorted(folder.iterdir()) if path.read_bytes() != (i18n.FOLDER / path.name).read_bytes()]
    assert outdated == [], "renew them: python -m bot messages"


async def test_moving_a_text_to_another_file_changes_no_catalogue(tmp_path: Path) -> None:
    before = await renewed(tmp_path / "before", {"bot/a.py": '_("moves")\n_("both")', "cogs/z.py": '_("both")\n_("stays")'})
    after = await renewed(tmp_path / "after", {"bot/a.py": '_("both")', "cogs/z.py": '_("both")\n_("stays")\n_("moves")'})
    assert 'msgid "moves"' in before
    assert after == before


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_a_catalogue_is_readable_and_asks_for_review(language: str) -> None:
    path = i18n.FOLDER / f"{language}.po"
    assert i18n.read(path).gettext("a whole number") != "a whole number"
    assert "needs review by native speakers" in path.read_text("utf-8").partition("msgid")[0]


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_a_translation_keeps_placeholders_and_limits(language: str) -> None:
    assert list(translations.faults(translations.read_catalogue(i18n.FOLDER / f"{language}.po"))) == []


@pytest.mark.parametrize(
    ("original", "translated", "context"),
    [
        ("{count} left", "{zahl} übrig", None),
        ("**Edit** it", "Bearbeite es", None),
        ("since <t:{since}:R>", "seit {since}", None),
        ("-# small", "klein", None),
        ("try `/cancel`", "versuche /cancel", None),
        ("Edit", "x" * 81, "button"),
        ("edit", "Bearbeiten", "command name"),
        ("edit", "bild ändern", "option name"),
        ("Edit with Easel", "x" * 33, "menu name"),
    ],
)
def test_a_faulty_translation_is_found(original: str, translated: str, context: str | None) -> None:
    texts = Catalog(locale="de")
    texts.add(original, translated, context=context)
    assert len(list(translations.faults(texts))) == 1


def test_a_plural_form_may_omit_the_number_if_the_original_does() -> None:
    texts = Catalog(locale="de")
    texts.add(("one image", "{count} images"), ("ein Bild", "{count} Bilder"))
    assert list(translations.faults(texts)) == []


def test_renewing_keeps_translations_comments_and_unused_entries(tmp_path: Path) -> None:
    written(tmp_path, '# a hint\nmsgid "kept"\nmsgstr "behalten"', 'msgid "gone"\nmsgstr "weg"', 'msgid "never"\nmsgstr ""')
    texts = Catalog()
    texts.add("kept")
    texts.add("new")
    (german, *_others) = translations.renew(texts, tmp_path)
    text = (tmp_path / "de.po").read_text("utf-8")
    assert (german.done, german.texts, "never" in text) == (1, 2, False)
    assert '# a hint\nmsgid "kept"\nmsgstr "behalten"' in text
    assert '#~ msgid "gone"\n#~ msgstr "weg"' in text


def test_a_reused_text_has_its_old_translation(tmp_path: Path) -> None:
    written(tmp_path, '#~ msgid "gone"\n#~ msgstr "weg"')
    texts = Catalog()
    texts.add("gone")
    assert translations.renew(texts, tmp_path)[0].done == 1


def test_a_broken_catalogue_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, 'msgid "never closed')
    with pytest.raises(StartError, match=r"The catalogue de\.po cannot be read"):
        i18n.read(path)


def test_the_bot_runs_without_a_broken_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, 'msgid "never closed')
    written(tmp_path, 'msgid "a"\nmsgstr "b"', language="fr")
    monkeypatch.setattr(i18n, "FOLDER", tmp_path)
    monkeypatch.setattr(i18n, "_catalogues", {})
    i18n.load()
    assert [i18n.catalogue(locale).gettext("a") for locale in ("de", "fr")] == ["a", "b"]


# --- the current language --------------------------------------------------------------------------------------------


def test_english_is_the_default() -> None:
    assert (_("a whole number"), ngettext("{n} a", "{n} b", 2), pgettext("x", "y"), _("")) == ("a whole number", "{n} b", "y", "")


@pytest.mark.parametrize(
    ("locale", "number"),
    [
        ("de", "eine ganze Zahl"),
        ("es-ES", "un número entero"),
        ("es-419", "un número entero"),
        ("pt-BR", "um número inteiro"),
        ("ko", None),
    ],
)
def test_a_discord_locale_has_its_catalogue(locale: str, number: str | None) -> None:
    with i18n.speaking(locale):
        assert _("a whole number") == (number or "a whole number")
    assert i18n.supported(locale) == (locale if number else None)


async def test_a_task_keeps_the_language_it_was_started_in() -> None:
    async def later() -> str:
        await asyncio.sleep(0)
        return await asyncio.to_thread(_, "a whole number")

    with i18n.speaking("de"):
        task = asyncio.create_task(later(), name="later")
    assert (_("a whole number"), await task) == ("a whole number", "eine ganze Zahl")


# --- Discord's menus -------------------------------------------------------------------------------------------------


def _forms(text: Any) -> tuple[str, ...]:
    return tuple(text) if isinstance(text, list | tuple) else (text,)


async def payloads() -> list[dict[str, Any]]:
    """The commands as they are registered."""
    tree = await load.command_tree()
    return [await command.get_translated_payload(tree, Translator(tree)) for command in tree.get_commands()]


def within(described: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A command, its groups, subcommands, options and choices."""
    yield described
    for part in (*described.get("options", ()), *described.get("choices", ())):
        yield from within(part)


def named(described: dict[str, Any], locale: str) -> str:
    return str((described.get("name_localizations") or {}).get(locale, described["name"]))


@pytest.mark.usefixtures("marked")
async def test_an_invalid_translation_stays_english() -> None:
    every = [part for command in await payloads() for part in within(command)]
    typed = [part for part in every if "description" in part]
    assert [part["name"] for part in typed if "de" in (part.get("name_localizations") or {})] == []  # «ping» is not a valid name
    assert all(part["description_localizations"]["de"].startswith("«") for part in typed if len(part["description"]) < 90)


@pytest.mark.parametrize("locale", LOCALES)
async def test_every_name_is_valid_and_unique_among_options(locale: str) -> None:
    for command in await payloads():
        context = "menu name" if command["type"] != discord.AppCommandType.chat_input.value else "command name"
        assert fits(context, named(command, locale))
        for part in within(command):
            assert fits("choice", named(part, locale))
            names = [named(option, locale) for option in part.get("options", ())]
            assert [name for name in names if not fits("option name", name)] == []
            assert len(names) == len(set(names))


@pytest.mark.parametrize("locale", LOCALES)
async def test_no_two_commands_have_the_same_name(locale: str) -> None:
    names = [(command["type"], named(command, locale)) for command in await payloads()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("locale", LOCALES)
async def test_no_translated_name_is_lost(locale: str) -> None:
    """Every translated name is used: none fell back to English."""
    kept = {named(part, locale) for command in await payloads() for part in within(command)}
    texts = translations.read_catalogue(i18n.FOLDER / f"{locale.partition('-')[0]}.po")
    assert {text.string for text in texts if text.string and str(text.context).endswith(" name")} - kept == set()


@pytest.mark.parametrize("language", i18n.LANGUAGES)
async def test_a_translation_names_commands_as_discord_shows_them(language: str) -> None:
    tree = await load.command_tree()
    commands.describe([await command.get_translated_payload(tree, Translator(tree)) for command in tree.get_commands()])
    paths = sorted((path for spoken, path in commands._names if spoken == language and ":" not in path), key=len, reverse=True)
    named = re.compile(rf"(?<![\w<])/({'|'.join(map(re.escape, paths))})(?![\w:])")
    catalogue = translations.read_catalogue(i18n.FOLDER / f"{language}.po")
    forms = [each for text in catalogue for each in zip(_forms(text.id), _forms(text.string), strict=False)]
    found = [(path, translated) for english, translated in forms for path in named.findall(english)]
    assert len(found) > 20
    with i18n.speaking(language):
        assert [(path, translated) for path, translated in found if commands.shown(path) not in translated] == []


async def test_a_commands_texts_are_within_discords_limit() -> None:
    for command in await payloads():
        longest = 0
        for part in within(command):
            for key in ("name", "description"):
                longest += max(map(len, (part.get(key, ""), *(part.get(f"{key}_localizations") or {}).values())))
        assert longest <= COMMAND_CHARACTERS_MAX


async def test_a_name_that_a_sibling_has_stays_english(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {"one": "eins", "two": "eins", "three": "one", "four": "vier"}
    path = written(tmp_path, *(f'msgctxt "command name"\nmsgid "{name}"\nmsgstr "{text}"' for name, text in entries.items()))
    monkeypatch.setitem(i18n._catalogues, "de", i18n.read(path))

    async def nothing(_interaction: discord.Interaction[Any]) -> None: ...

    tree: app_commands.CommandTree[Any] = app_commands.CommandTree(discord.Client(intents=discord.Intents.none()))
    for name in entries:
        tree.add_command(app_commands.Command(name=name, description="It.", callback=nothing))
    translated = [await command.get_translated_payload(tree, Translator(tree)) for command in tree.get_commands()]
    assert [named(command, "de") for command in translated] == ["one", "two", "three", "vier"]


@pytest.mark.parametrize(
    ("translations_of", "shown"),
    [
        ({"one": "eins", "two": "zwei", "three": "three"}, ["eins", "zwei", "three"]),
        ({"one": "eins", "two": "zwei", "three": ""}, ["one", "two", "three"]),
        ({"one": "eins", "two": "eins", "three": "drei"}, ["one", "two", "three"]),
        ({"one": "Eins", "two": "zwei", "three": "drei"}, ["one", "two", "three"]),
        ({"one": "two", "two": "one", "three": "drei"}, ["two", "one", "drei"]),
    ],
)
async def test_the_options_of_a_command_are_all_translated_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, translations_of: dict[str, str], shown: list[str]
) -> None:
    path = written(tmp_path, *(f'msgctxt "option name"\nmsgid "{name}"\nmsgstr "{text}"' for name, text in translations_of.items()))
    monkeypatch.setitem(i18n._catalogues, "de", i18n.read(path))

    async def run(_interaction: discord.Interaction[Any], one: str, two: str, three: str) -> None: ...

    tree: app_commands.CommandTree[Any] = app_commands.CommandTree(discord.Client(intents=discord.Intents.none()))
    tree.add_command(app_commands.Command(name="count", description="It.", callback=run))
    (command,) = [await command.get_translated_payload(tree, Translator(tree)) for command in tree.get_commands()]
    assert [named(option, "de") for option in command["options"]] == shown


def test_a_text_fits_up_to_its_limit() -> None:
    assert all(fits(context, "a" * limit) and not fits(context, "a" * (limit + 1)) for context, limit in LIMITS.items())


# --- with a running bot ----------------------------------------------------------------------------------------------


async def test_members_are_answered_in_their_language(ada: Person, ben: Person) -> None:
    await ada.speak("de")
    for person, sentence in ((ada, GERMAN), (ben, ENGLISH), (ada, GERMAN)):
        seen = {message.id for message in person.messages()}
        await person.slash("generate", prompt="a fox", steps="99")
        refusal = await person.message(lambda message: message.ephemeral and message.id not in seen)  # noqa: B023  awaited here
        assert sentence in refusal.content


async def test_autocomplete_is_in_the_members_language(ada: Person, marked: NullTranslations) -> None:
    await ada.speak("de")
    suggested = await ada.autocomplete("generate", "steps", prompt="a fox", steps="")
    assert "«default»" in suggested[0]["name"]


async def test_buttons_and_forms_are_answered_in_the_members_language(app: App, ada: Person, marked: NullTranslations) -> None:
    await ada.slash("generate", prompt="a fox")
    message = await ada.message(lambda message: bool(message.attachments))
    language: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    async def on_press(_interaction: object) -> None:
        language.set_result(i18n.language())

    app.client.add_listener(on_press)
    await ada.speak("de")
    await ada.click(message, next(name for name, button in message.buttons.items() if ":edit:" in button["custom_id"]))
    assert await language == "de"
    app.client.remove_listener(on_press)
    await ada.submit(await ada.modal(), prompt="   ")
    refusal = await ada.message(lambda message: message.ephemeral)
    assert "«" in refusal.content


async def test_commands_are_registered_again_after_a_translation_changed(env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    registered = []
    for language in (None, None, Marked()):
        if language:
            monkeypatch.setitem(i18n._catalogues, "de", language)
        async with env.app(await_models=False) as app:
            registered.append(app.client.has_registered)
    assert registered == [True, False, True]


async def test_ids_and_names_of_commands_are_known_after_every_start(env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(i18n._catalogues, "de", NullTranslations())
    shown = []
    for _run in range(2):
        async with env.app(await_models=False):
            shown.append(commands.mention("tray clear"))
    assert shown[0] == shown[1] != "`/tray clear`"


async def language_of(app: App, person: Person) -> str | None:
    """The stored language, after the bot has handled all events."""
    await app.client.finish_events()
    return (await app.store.read(documents.preferences, int(person.id))).locale


async def test_the_language_is_stored_for_messages_in_the_background(app: App, ada: Person) -> None:
    kept = []
    for locale in ("de", "ko", "pt-BR", "en-GB"):
        await ada.speak(locale)
        await ada.slash("ping")
        kept.append(await language_of(app, ada))
    assert kept == ["de", None, "pt-BR", None]
