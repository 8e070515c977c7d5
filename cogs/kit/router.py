"""Custom ids, and the router of buttons, menus and forms.

A custom id is declared once, beside its handler or beside a button that several modules show. The declaration builds ids and reads them.
An id carries everything that its handler needs, so buttons keep working after a restart.
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
    """One value in a custom id. `read` raises `ValueError` if a text matches the pattern but is not valid."""

    pattern: str
    read: Callable[[str], T]
    render: Callable[[T], str] = str


def matching(pattern: str) -> Field[str]:
    """A text that matches this regular expression."""
    return Field(pattern=pattern, read=str)


def integer(most: int = _INT64_MAX) -> Field[int]:
    """A number from 0 to `most`, without leading zeros, so that a value has only one id."""

    def read(written: str) -> int:
        if (value := int(written)) > most:
            raise ValueError(written)
        return value

    return Field(pattern=rf"0|[1-9][0-9]{{0,{len(str(most)) - 1}}}", read=read)


def one_of(*values: T) -> Field[T]:
    """One of these values, written with `str`."""
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
    """A template such as `"case:{decision}:{case}"` and its fields. Ids of posted buttons must never change: see tests/cogs/golden."""

    def __init__(self, template: str, /, **fields: Field[Any]) -> None:
        self.template = f"{VERSION}:{template}"
        self._fields = fields
        fixed, *rest = _FIELD.split(self.template)
        pairs = zip(rest[::2], rest[1::2], strict=True)
        named = "".join(f"(?P<{name}>{fields[name].pattern}){re.escape(after)}" for name, after in pairs)
        self.pattern = re.compile(re.escape(fixed) + named)

    def __call__(self, **values: Any) -> str:
        """The id with these values. Raises `ValueError` if it could not be read back or is too long."""
        custom_id = self.template.format(**{name: self._fields[name].render(value) for name, value in values.items()})
        if self.read(custom_id) != values or len(custom_id) > LENGTH_MAX:
            raise ValueError(f"{self.template} cannot carry {values}")
        return custom_id

    def read(self, custom_id: str) -> dict[str, Any] | None:
        """The values in an id; None if it is not of this declaration."""
        found = self.pattern.fullmatch(custom_id)
        if found is None:
            return None
        try:
            return {name: self._fields[name].read(written) for name, written in found.groupdict().items()}
        except ValueError:
            return None


# --- the router --------------------------------------------------------------------------------------------------------


class Control(Enum):
    """The kind of component that a member used."""

    BUTTON = auto()
    MENU = auto()
    FORM = auto()


@dataclass(frozen=True, kw_only=True)
class Route:
    """The handler of one custom id."""

    control: Control
    custom_id: CustomId
    handler: Handler
    defers: bool = True  # False: it must open a form at once, or it chooses how it is deferred (`cogs.kit.answers`)


@dataclass(frozen=True, kw_only=True)
class Press:
    """The use of a control: its handler, and the handler's arguments after the request and the interaction."""

    handler: Handler
    given: tuple[Any, ...]
    fields: Mapping[str, Any]
    defers: bool

    async def handle(self, request: Request, interaction: discord.Interaction[Any]) -> None:
        await self.handler(request, interaction, *self.given, **self.fields)


class Router:
    """The handlers of a module's custom ids, or of several routers together."""

    def __init__(self, *parts: Router) -> None:
        self.routes: list[Route] = [route for part in parts for route in part.routes]

    def press(self, custom_id: CustomId, *, defers: bool = True) -> Callable[[AnyHandler], AnyHandler]:
        """Decorator for a button's handler: it takes the request, the interaction and, by name, the fields of the id."""
        return self._declaring(Control.BUTTON, custom_id, defers=defers)

    def select(self, custom_id: CustomId) -> Callable[[AnyHandler], AnyHandler]:
        """Decorator for a select menu's handler: its third argument is the list of chosen values."""
        return self._declaring(Control.MENU, custom_id)

    def form(self, custom_id: CustomId, *, defers: bool = True) -> Callable[[AnyHandler], AnyHandler]:
        """Decorator for a modal's handler: its third argument maps each input's id to its text, values or attachments."""
        return self._declaring(Control.FORM, custom_id, defers=defers)

    def _declaring(self, control: Control, custom_id: CustomId, *, defers: bool = True) -> Callable[[AnyHandler], AnyHandler]:
        def declare(handler: AnyHandler) -> AnyHandler:
            self.routes.append(Route(control=control, custom_id=custom_id, handler=handler, defers=defers))
            return handler

        return declare

    def find(self, interaction: discord.Interaction[Any]) -> Press:
        """The use of the control with this custom id. Raises `NotFound` if no declaration matches: the id is outdated or forged."""
        data: Mapping[str, Any] = interaction.data or {}
        control, given = _used(interaction, data)
        for route in self.routes:
            if route.control is control and (fields := route.custom_id.read(str(data.get("custom_id")))) is not None:
                return Press(handler=route.handler, given=given, fields=fields, defers=route.defers)
        raise NotFound(_("This message is too old. Start again."))


def _used(interaction: discord.Interaction[Any], data: Mapping[str, Any]) -> tuple[Control, tuple[Any, ...]]:
    """The kind of component, and the handler's extra arguments."""
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
