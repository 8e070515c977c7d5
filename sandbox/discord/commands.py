"""Application commands as the bot has registered them, for the whole application or for one server.

Source: https://discord.com/developers/docs/interactions/application-commands
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any

from sandbox.discord.wire import JSON, DiscordApiError, RefusedError, invalid_form

SUBCOMMAND, SUBCOMMAND_GROUP = 1, 2  # option types that contain options instead of a value

_SLASH_NAME = re.compile(r"^[-_'\w]{1,32}$")
_MOST_PER_SCOPE = {1: 100, 2: 5, 3: 5}


class CommandType(IntEnum):
    SLASH = 1  # typed into the message box
    USER = 2  # in a member's menu
    MESSAGE = 3  # in a message's menu


def _check_option(option: JSON, path: str) -> None:
    name, description = str(option.get("name", "")), str(option.get("description", ""))
    if not _SLASH_NAME.match(name) or name != name.lower():
        raise invalid_form(f"{path}.name: Command name is invalid")
    if not 1 <= len(description) <= 100:
        raise invalid_form(f"{path}.description: Must be between 1 and 100 in length.")
    if len(option.get("choices") or ()) > 25:
        raise invalid_form(f"{path}.choices: Must be 25 or fewer in length.")
    _check_options(option, path)


def _check_options(holder: JSON, path: str) -> None:
    options = holder.get("options") or []
    if len(options) > 25:
        raise invalid_form(f"{path}.options: Must be 25 or fewer in length.")
    names = [option.get("name") for option in options]
    if len(set(names)) != len(names):
        raise invalid_form(f"{path}.options: Option names must be unique")
    required = [bool(option.get("required")) for option in options]
    if required != sorted(required, reverse=True):
        raise invalid_form(f"{path}.options: Required options must be placed before non-required options")
    for index, option in enumerate(options):
        _check_option(option, f"{path}.options[{index}]")


def check_definition(command: JSON) -> None:
    """Validate a definition as Discord does. Raises `DiscordApiError` 400/50035."""
    kind = int(command.get("type") or CommandType.SLASH)
    if kind == CommandType.SLASH:
        _check_option({**command, "choices": []}, command.get("name") or "command")
        return
    if not 1 <= len(str(command.get("name", ""))) <= 32 or command.get("description") or command.get("options"):
        raise invalid_form("A menu command has a name of 1 to 32 characters, no description and no options")


class CommandRegistry:
    """Commands by scope: `None` for global commands, otherwise a server's id."""

    def __init__(self, *, application_id: int, new_id: Callable[[], int]) -> None:
        self._application_id = application_id
        self._new_id = new_id
        self._scopes: dict[int | None, dict[tuple[str, int], JSON]] = {}
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every change."""
        self._listeners.append(listener)

    def in_scope(self, scope: int | None, *, localised: bool = True) -> list[JSON]:
        """The commands of a scope, with or without names and descriptions in other languages."""
        commands = list(self._scopes.get(scope, {}).values())
        return commands if localised else [_without_languages(command) for command in commands]

    def get(self, scope: int | None, command_id: str) -> JSON:
        for command in self.in_scope(scope):
            if command["id"] == command_id:
                return command
        raise DiscordApiError(404, 10063, "Unknown application command")

    def replace(self, scope: int | None, definitions: Iterable[JSON]) -> list[JSON]:
        """Replace all commands of a scope. A command that was already there keeps its id."""
        made = [self._complete(scope, definition) for definition in definitions]
        keyed = {(command["name"], command["type"]): command for command in made}
        if len(keyed) != len(made):
            raise invalid_form("Application command names must be unique")
        for kind, most in _MOST_PER_SCOPE.items():
            if sum(command["type"] == kind for command in made) > most:
                raise DiscordApiError(400, 30032, f"Maximum number of application commands reached ({most})")
        self._scopes[scope] = keyed
        self._changed()
        return made

    def upsert(self, scope: int | None, definition: JSON) -> JSON:
        made = self._complete(scope, definition)
        self._scopes.setdefault(scope, {})[made["name"], made["type"]] = made
        self._changed()
        return made

    def edit(self, scope: int | None, command_id: str, changes: JSON) -> JSON:
        old = self.get(scope, command_id)
        made = {**self._complete(scope, {**old, **changes}), "id": command_id}
        del self._scopes[scope][old["name"], old["type"]]
        self._scopes[scope][made["name"], made["type"]] = made
        self._changed()
        return made

    def remove(self, scope: int | None, command_id: str) -> None:
        command = self.get(scope, command_id)
        del self._scopes[scope][command["name"], command["type"]]
        self._changed()

    def _complete(self, scope: int | None, definition: JSON) -> JSON:
        check_definition(definition)
        kind = int(definition.get("type") or CommandType.SLASH)
        known = self._scopes.get(scope, {}).get((definition["name"], kind))
        permissions = definition.get("default_member_permissions")
        return {
            "description": "",
            "options": [],
            "contexts": None,
            "nsfw": False,
            "dm_permission": True,
            **definition,
            "integration_types": definition.get("integration_types") or [0],
            "id": known["id"] if known else str(self._new_id()),
            "application_id": str(self._application_id),
            "version": str(self._new_id()),
            "type": kind,
            "default_member_permissions": None if permissions is None else str(permissions),
            **({} if scope is None else {"guild_id": str(scope)}),
        }

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()


def _without_languages(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_languages(value) for key, value in node.items() if not key.endswith("_localizations")}
    return [_without_languages(item) for item in node] if isinstance(node, list) else node


def find_leaf(commands: Iterable[JSON], path: str) -> tuple[JSON, list[JSON]]:
    """The slash command of a path such as `generate` or `admin limits set`, and the subcommand options along the path.

    Raises `RefusedError` if there is no such command.
    """
    names = path.split()
    for command in commands:
        if command["type"] == CommandType.SLASH and names[:1] == [command["name"]]:
            return command, _nodes_on_path(command, names[1:], path)
    raise RefusedError(f"There is no command /{path} here.")


def _nodes_on_path(command: JSON, names: list[str], path: str) -> list[JSON]:
    node, nodes = command, list[JSON]()
    for name in names:
        inner = {option["name"]: option for option in _subcommands(node)}
        if name not in inner:
            raise RefusedError(f"There is no command /{path} here.")
        node = inner[name]
        nodes.append(node)
    if _subcommands(node):
        raise RefusedError(f"/{path} needs the name of one of its subcommands.")
    return nodes


def _subcommands(node: JSON) -> list[JSON]:
    return [option for option in node.get("options") or () if option["type"] in (SUBCOMMAND, SUBCOMMAND_GROUP)]
