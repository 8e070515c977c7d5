"""Custom ids and the router of presses, menus and forms.

A custom id is declared once, beside the handler or beside the button that several modules draw; the declaration builds an id and reads it
back. Ids carry all that a handler needs, so buttons outlive restarts.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, Generic, TypeVar

import discord

from bot.core.errors import NotFound
from bot.core.i18n import _
from bot.domain.order import Attachment
from bot.domain.request import Request

T = TypeVar("T")
Handler = Callable[..., Awaitable[None]]
AnyHandler = TypeVar("AnyHandler", bound=Handler)

VERSION: Final = "v1"
LENGTH_MAX: Final = 100  # characters of a custom id; Discord's limit
_INT64_MAX: Final = 2**63 - 1
_FIELD: Final = re.compile(r"{(\w+)}")


# --- custom ids --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Field(Generic[T]):
    """One value in a custom id. `read` raises `ValueError` for a text that fits the pattern and is no such value."""

    pattern: str
    read: Callable[[str], T]
    render: Callable[[T], str] = str


def matching(pattern: str) -> Field[str]:
    """A text that matches this regular expression."""
    return Field(pattern=pattern, read=str)


def integer(most: int = _INT64_MAX) -> Field[int]:
    """A number from 0, written without leading zeros, so that two ids never mean the same."""

    def read(written: str) -> int:
        if (value := int(written)) > most:
            raise ValueError(written)
        return value

    return Field(pattern=rf"0|[1-9][0-9]{{0,{len(str(most)) - 1}}}", read=read)


def one_of(*values: T) -> Field[T]:
    """One of these values, each written as `str` has it."""
    by_text = {str(value): value for value in values}
    return Field(pattern="|".join(map(re.escape, by_text)), read=by_text.__getitem__)


def optional(field: Field[T]) -> Field[T | None]:
    """A value, or `-` for None."""
    return Field(
        pattern=f"{field.pattern}|-",
        read=lambda written: None if written == "-" else field.read(written),
        render=lambda value: "-" if value is None else field.render(value),
    )


DISCORD_ID: Final = integer()
JOB_ID: Final = matching(r"[0-9a-z]{12}")
ON_OFF: Final = Field[bool](pattern="on|off", read=lambda written: written == "on", render=lambda is_on: "on" if is_on else "off")


class CustomId:
    """A template such as `"case:{decision}:{case}"` with its fields. Ids that are posted may never change: see the golden file."""

    def __init__(self, template: str, /, **fields: Field[Any]) -> None:
        self.template = f"{VERSION}:{template}"
        self._fields = fields
        fixed, *rest = _FIELD.split(self.template)
        pairs = zip(rest[::2], rest[1::2], strict=True)
        named = "".join(f"(?P<{name}>{fields[name].pattern}){re.escape(after)}" for name, after in pairs)
        self.pattern = re.compile(re.escape(fixed) + named)

    def __call__(self, **values: Any) -> str:
        """The id with these values. Raise `ValueError` for values that would not be read back as they are."""
        custom_id = self.template.format(**{name: self._fields[name].render(value) for name, value in values.items()})
        if self.read(custom_id) != values or len(custom_id) > LENGTH_MAX:
            raise ValueError(f"{self.template} cannot carry {values}")
        return custom_id

    def read(self, custom_id: str) -> dict[str, Any] | None:
        """The values in an id; None where it is not one of these."""
        found = self.pattern.fullmatch(custom_id)
        if found is None:
            return None
        try:
            return {name: self._fields[name].read(written) for name, written in found.groupdict().items()}
        except ValueError:
            return None


# --- the router --------------------------------------------------------------------------------------------------------


class Control(Enum):
    """What a member used."""

    BUTTON = auto()
    MENU = auto()
    FORM = auto()


@dataclass(frozen=True, kw_only=True)
class Route:
    """Whoever handles the ids of one declaration."""

    control: Control
    custom_id: CustomId
    handler: Handler


class Router:
    """The handlers of some custom ids: those of a module, or of several routers together."""

    def __init__(self, *parts: Router) -> None:
        self.routes: list[Route] = [route for part in parts for route in part.routes]

    def press(self, custom_id: CustomId) -> Callable[[AnyHandler], AnyHandler]:
        """For a button. The handler is called with the request and the interaction, and by name with the fields of the id."""
        return self._handled_by(Control.BUTTON, custom_id)

    def select(self, custom_id: CustomId) -> Callable[[AnyHandler], AnyHandler]:
        """For a select menu. The handler's third argument is the list of chosen values."""
        return self._handled_by(Control.MENU, custom_id)

    def form(self, custom_id: CustomId) -> Callable[[AnyHandler], AnyHandler]:
        """For a modal. The handler's third argument is what was filled in, by the controls' own ids: text, values or attachments."""
        return self._handled_by(Control.FORM, custom_id)

    def _handled_by(self, control: Control, custom_id: CustomId) -> Callable[[AnyHandler], AnyHandler]:
        def declare(handler: AnyHandler) -> AnyHandler:
            self.routes.append(Route(control=control, custom_id=custom_id, handler=handler))
            return handler

        return declare

    async def route(self, request: Request, interaction: discord.Interaction[Any]) -> None:
        """Call the handler of what was used. Raise `NotFound` for an id that nobody declares: an outdated or a forged one."""
        data: Mapping[str, Any] = interaction.data or {}
        control, given = _used(interaction, data)
        for route in self.routes:
            if route.control is control and (fields := route.custom_id.read(str(data.get("custom_id")))) is not None:
                return await route.handler(request, interaction, *given, **fields)
        raise NotFound(_("This message is too old; please begin again."))


def _used(interaction: discord.Interaction[Any], data: Mapping[str, Any]) -> tuple[Control, tuple[Any, ...]]:
    """What was used, and what came with it."""
    if interaction.type is discord.InteractionType.modal_submit:
        return Control.FORM, (dict(_filled_in(data)),)
    if data.get("component_type") == discord.ComponentType.button.value:
        return Control.BUTTON, ()
    return Control.MENU, (list(data.get("values") or ()),)


def _filled_in(data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    resolved = (data.get("resolved") or {}).get("attachments") or {}
    for label in data.get("components", ()):
        item = label.get("component") or {}
        values = item.get("values")
        if item.get("type") == discord.ComponentType.file_upload.value:
            given = [resolved[value] for value in values or () if value in resolved]
            yield item["custom_id"], [Attachment(url=a["url"], filename=a["filename"], size_bytes=int(a["size"])) for a in given]
        elif "custom_id" in item:
            yield item["custom_id"], values if values is not None else item.get("value")
