"""Converts the values that a person entered in a slash command to Discord's options, and validates them as its client does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

from sandbox.discord.commands import SUBCOMMAND, SUBCOMMAND_GROUP
from sandbox.discord.resolver import Resolver
from sandbox.discord.wire import JSON, RefusedError

_WHOLE_NUMBER_LIMIT = 2**53


class OptionType(IntEnum):
    STRING = 3
    INTEGER = 4
    BOOLEAN = 5
    USER = 6
    CHANNEL = 7
    ROLE = 8
    MENTIONABLE = 9  # a user or a role
    NUMBER = 10
    ATTACHMENT = 11


def build(leaf: JSON, values: Mapping[str, Any], resolver: Resolver) -> list[JSON]:
    """The wire options of a complete command. Raises `RefusedError` with a sentence about the first mistake."""
    declared = {option["name"]: option for option in leaf.get("options") or () if option["type"] not in (SUBCOMMAND, SUBCOMMAND_GROUP)}
    for name in values:
        if name not in declared:
            raise RefusedError(f"There is no option called {name}.")
    for name, option in declared.items():
        if option.get("required") and name not in values:
            raise RefusedError(f"The option {name} is required.")
    return [_wire_option(declared[name], value, resolver) for name, value in values.items()]


def build_partial(leaf: JSON, values: Mapping[str, Any], focused: str, resolver: Resolver) -> list[JSON]:
    """The wire options while a person is typing into `focused`. Values that are not valid yet are left out."""
    declared = {option["name"]: option for option in leaf.get("options") or ()}
    if not declared.get(focused, {}).get("autocomplete"):
        raise RefusedError(f"The option {focused} offers no suggestions.")
    built: list[JSON] = []
    for name, value in values.items():
        option = declared.get(name)
        if option is None or name == focused or option["type"] == OptionType.ATTACHMENT:
            continue
        try:
            built.append(_wire_option(option, value, resolver))
        except RefusedError:
            continue  # incomplete; Discord's client sends only the valid options
    typed = str(values.get(focused, ""))
    return [*built, {"name": focused, "type": declared[focused]["type"], "value": typed, "focused": True}]


def nest(nodes: list[JSON], options: list[JSON]) -> list[JSON]:
    """Wrap options in the subcommands along their path."""
    for node in reversed(nodes):
        options = [{"name": node["name"], "type": node["type"], "options": options}]
    return options


def _wire_option(option: JSON, value: Any, resolver: Resolver) -> JSON:
    return {"name": option["name"], "type": option["type"], "value": _wire_value(option, value, resolver)}


def _wire_value(option: JSON, value: Any, resolver: Resolver) -> Any:
    kind = OptionType(option["type"])
    if kind is OptionType.CHANNEL and option.get("channel_types"):
        resolver.check_kind(value, option["channel_types"])
    if kind in _RESOLVED:
        return _RESOLVED[kind](resolver, value)
    checked = _CHECKED[kind](option, value)
    choices = [choice["value"] for choice in option.get("choices") or ()]
    if choices and checked not in choices:
        raise RefusedError(f"{option['name']} must be one of: {', '.join(str(choice) for choice in choices)}.")
    return checked


def _string(option: JSON, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise RefusedError(f"{option['name']} must be a text.")
    least, most = option.get("min_length") or 0, option.get("max_length") or 6000
    if not least <= len(value) <= most:
        raise RefusedError(f"{option['name']} must have {least} to {most} characters.")
    return value


def _integer(option: JSON, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _WHOLE_NUMBER_LIMIT:
        raise RefusedError(f"{option['name']} must be a whole number.")
    _check_range(option, value)
    return value


def _number(option: JSON, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= _WHOLE_NUMBER_LIMIT:
        raise RefusedError(f"{option['name']} must be a number.")
    _check_range(option, value)
    return value


def _boolean(option: JSON, value: Any) -> bool:
    if not isinstance(value, bool):
        raise RefusedError(f"{option['name']} must be true or false.")
    return value


def _check_range(option: JSON, value: float) -> None:
    least, most = option.get("min_value"), option.get("max_value")
    if least is not None and value < least:
        raise RefusedError(f"{option['name']} must be {least} or more.")
    if most is not None and value > most:
        raise RefusedError(f"{option['name']} must be {most} or less.")


_CHECKED: dict[OptionType, Callable[[JSON, Any], Any]] = {
    OptionType.STRING: _string,
    OptionType.INTEGER: _integer,
    OptionType.BOOLEAN: _boolean,
    OptionType.NUMBER: _number,
}
_RESOLVED: dict[OptionType, Callable[[Resolver, Any], str]] = {
    OptionType.USER: Resolver.user,
    OptionType.CHANNEL: Resolver.channel,
    OptionType.ROLE: Resolver.role,
    OptionType.MENTIONABLE: Resolver.mentionable,
    OptionType.ATTACHMENT: Resolver.attachment,
}
