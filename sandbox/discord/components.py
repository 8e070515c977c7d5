"""Buttons, select menus and modals: builds the interaction data of a person's input, and validates it.

Source: https://discord.com/developers/docs/components/reference
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from typing import Any

from sandbox.discord.resolver import Resolver
from sandbox.discord.wire import JSON, RefusedError


class ComponentType(IntEnum):
    ROW = 1
    BUTTON = 2
    STRING_SELECT = 3
    TEXT_INPUT = 4
    USER_SELECT = 5
    ROLE_SELECT = 6
    MENTIONABLE_SELECT = 7
    CHANNEL_SELECT = 8
    SECTION = 9
    TEXT = 10
    LABEL = 18
    FILE_UPLOAD = 19
    RADIO_GROUP = 21
    CHECKBOX_GROUP = 22
    CHECKBOX = 23


_CHOOSERS: dict[int, Callable[[Resolver, Any], str]] = {
    ComponentType.USER_SELECT: Resolver.user,
    ComponentType.ROLE_SELECT: Resolver.role,
    ComponentType.MENTIONABLE_SELECT: Resolver.mentionable,
    ComponentType.CHANNEL_SELECT: Resolver.channel,
    ComponentType.FILE_UPLOAD: Resolver.attachment,
}
_SELECTS = {
    ComponentType.STRING_SELECT,
    ComponentType.USER_SELECT,
    ComponentType.ROLE_SELECT,
    ComponentType.MENTIONABLE_SELECT,
    ComponentType.CHANNEL_SELECT,
}
_LISTS = {*_SELECTS, ComponentType.FILE_UPLOAD, ComponentType.CHECKBOX_GROUP}


def walk(components: list[JSON]) -> Iterator[JSON]:
    """Every component in reading order, at any depth."""
    for component in components:
        yield component
        yield from walk(component.get("components") or [])
        yield from walk([component[key] for key in ("accessory", "component") if component.get(key)])


def press(components: list[JSON], custom_id: str) -> JSON:
    """The interaction data of a click. Raises `RefusedError` if there is no such button, or it cannot be pressed."""
    button = _find(components, custom_id, {ComponentType.BUTTON})
    return {"component_type": ComponentType.BUTTON, "custom_id": custom_id, "id": button.get("id", 0)}


def choose(components: list[JSON], custom_id: str, values: list[Any], resolver: Resolver) -> JSON:
    """The interaction data of a choice in a select menu of a message. Raises `RefusedError` if Discord's client would refuse it."""
    menu = _find(components, custom_id, _SELECTS)
    chosen = _chosen(menu, values, resolver, least=_least(menu))
    return {"component_type": menu["type"], "custom_id": custom_id, "id": menu.get("id", 0), "values": chosen, **resolver.block()}


def _find(components: list[JSON], custom_id: str, kinds: set[ComponentType]) -> JSON:
    for component in walk(components):
        if component["type"] in kinds and component.get("custom_id") == custom_id:
            if component.get("disabled"):
                raise RefusedError("That is switched off.")
            return component
    raise RefusedError("That message has no such button or menu.")


def _least(control: JSON) -> int:
    return 1 if control.get("min_values") is None else int(control["min_values"])


def _chosen(control: JSON, values: Any, resolver: Resolver, *, least: int) -> list[str]:
    most = control.get("max_values") or (len(control["options"]) if control["type"] == ComponentType.CHECKBOX_GROUP else 1)
    if not isinstance(values, list) or not least <= len(values) <= most:
        raise RefusedError(f"Choose {least} to {most}." if least != most else f"Choose exactly {most}.")
    if control["type"] in _CHOOSERS:
        return [_CHOOSERS[control["type"]](resolver, value) for value in values]
    offered = [option["value"] for option in control.get("options") or ()]
    if len(set(map(str, values))) != len(values) or any(value not in offered for value in values):
        raise RefusedError("That is not among the choices.")
    return values


# ------------------------------------------------------------------------ modals


def fill(modal: JSON, fields: Mapping[str, Any], resolver: Resolver) -> JSON:
    """The interaction data of a submitted modal. Raises `RefusedError` for the first invalid field."""
    known = {component["custom_id"] for component in walk(modal["components"]) if "custom_id" in component}
    for name in fields:
        if name not in known:
            raise RefusedError(f"The form has no field {name}.")
    filled = [_filled(component, fields, resolver) for component in modal["components"]]
    return {"custom_id": modal["custom_id"], "components": filled, **resolver.block()}


def _filled(component: JSON, fields: Mapping[str, Any], resolver: Resolver) -> JSON:
    kind = component["type"]
    base = {"type": kind, "id": component.get("id", 0)}
    if kind == ComponentType.ROW:
        return {**base, "components": [_filled(child, fields, resolver) for child in component["components"]]}
    if kind == ComponentType.LABEL:
        return {**base, "component": _filled(component["component"], fields, resolver)}
    if kind == ComponentType.TEXT:
        return base
    value = fields.get(component["custom_id"])
    key = "values" if kind in _LISTS else "value"
    return {**base, "custom_id": component["custom_id"], key: _answer(component, value, resolver)}


def _answer(control: JSON, value: Any, resolver: Resolver) -> Any:
    kind = control["type"]
    required = control.get("required", True)
    if kind == ComponentType.CHECKBOX:
        return bool(control.get("default", False) if value is None else value)
    if kind == ComponentType.TEXT_INPUT:
        return _text(control, control.get("value") or "" if value is None else value, required=required)
    if kind == ComponentType.RADIO_GROUP:
        chosen = _chosen(control, [] if value is None else [value], resolver, least=int(required))
        return chosen[0] if chosen else None
    values = _preset(control) if value is None else value
    least = 0 if not required and not values else _least(control)
    return _chosen(control, values, resolver, least=least)


def _text(control: JSON, value: Any, *, required: bool) -> str:
    if not isinstance(value, str):
        raise RefusedError("A text field takes a text.")
    if not value and not required:
        return value
    least, most = max(control.get("min_length") or 0, 1), control.get("max_length") or 4000
    if not least <= len(value) <= most:
        raise RefusedError(f"{control.get('label') or control['custom_id']} must have {least} to {most} characters.")
    return value


def _preset(control: JSON) -> list[Any]:
    """The default selection of a control."""
    options = [option["value"] for option in control.get("options") or () if option.get("default")]
    return options or [default["id"] for default in control.get("default_values") or ()]
