"""Commands and their options as Discord shows them to the reader: clickable, and under their translated names.

Both are known once the commands are registered: `describe` takes what Discord was told of them, `register` the ids that it answered.
Until then commands are shown as text, and names in English. Labels, choices and forms render no mention: use `shown` there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from bot.core import i18n

_SLASH: Final = 1  # type of a command that is typed
_IMAGE_COMMANDS: Final = ("generate", "upscale")  # which have all options of an image
_GROUPS: Final = (1, 2)  # types of options that are subcommands or groups of them

Described = Mapping[str, Any]  # a command, subcommand or option as in Discord's API
_ids: dict[str, int] = {}  # by the command's first word
_names: dict[tuple[str, str], str] = {}  # by language and path: "edit", "tray clear", or "edit:prompt" for an option


def mention(path: str) -> str:
    """A command that a click puts into the message box, such as `mention("tray clear")`."""
    command_id = _ids.get(path.partition(" ")[0])
    return f"`{shown(path)}`" if command_id is None else f"</{path}:{command_id}>"  # Discord translates the name


def mentions(*paths: str) -> dict[str, str]:
    """Several, for the placeholders of a sentence: `mentions("edit", "tray clear")` fills `{edit}` and `{tray_clear}`."""
    return {path.replace(" ", "_"): mention(path) for path in paths}


def shown(path: str) -> str:
    """A command as text in the current language, such as "/edit"."""
    return f"/{_names.get((i18n.language(), path), path)}"


def option(name: str, of: str | None = None) -> str:
    """The name of a command's option in the current language; without `of`, of a command that makes images."""
    named = (_names.get((i18n.language(), f"{command}:{name}")) for command in ((of,) if of else _IMAGE_COMMANDS))
    return next(filter(None, named), name)


def option_named(typed: str) -> str:
    """The own name of an option that a member named as it is shown; other names stay as they are."""
    own, language = tuple(f"{of}:" for of in _IMAGE_COMMANDS), i18n.language()
    found = (path for (spoken, path), name in _names.items() if spoken == language and name == typed and path.startswith(own))
    return next(found, typed).rpartition(":")[2]


def describe(commands: Iterable[Described]) -> None:
    """Learn the translated names from what Discord is told of the commands."""
    _names.clear()
    for command in commands:
        if command.get("type", _SLASH) == _SLASH:
            _names.update(_translated((command,)))


def register(ids: Mapping[str, int]) -> None:
    """Learn the commands' ids, by name."""
    _ids.clear()
    _ids.update(ids)


def ids_of(registered: Iterable[Described]) -> dict[str, int]:
    """The ids of typed commands in Discord's answer to their registration."""
    return {str(each["name"]): int(each["id"]) for each in registered if each.get("type", _SLASH) == _SLASH}


def _translated(path: Sequence[Described]) -> Iterator[tuple[tuple[str, str], str]]:
    """The names of the last command of a path, of its options, and of its subcommands."""
    own = " ".join(each["name"] for each in path)
    names = [_names_of(each) for each in path]
    for language in i18n.LANGUAGES:
        yield (language, own), " ".join(str(name.get(language, each["name"])) for name, each in zip(names, path, strict=True))
    for option in path[-1].get("options") or ():
        if option["type"] in _GROUPS:
            yield from _translated((*path, option))
        else:
            name = _names_of(option)
            yield from (((language, f"{own}:{option['name']}"), name.get(language, option["name"])) for language in i18n.LANGUAGES)


def _names_of(described: Described) -> dict[str, str]:
    """By language: Discord's locales of one language, such as es-ES and es-419, have the same names."""
    names: Mapping[str, str] = described.get("name_localizations") or {}
    return {locale.partition("-")[0]: name for locale, name in names.items()}
