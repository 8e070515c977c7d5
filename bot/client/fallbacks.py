"""Sends a message once more, without what Discord refuses of it, so that one prompt on a page does not fail the page.

All messages and answers go through two methods of discord.py. `install` wraps both, so that this holds whoever sends.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Final

import aiohttp
import discord
import structlog
from discord.http import HTTPClient, json_or_text
from discord.webhook import async_
from discord.webhook.async_ import AsyncWebhookAdapter

from bot.client.refusals import reason_of
from bot.core import markdown
from bot.core.errors import Refused
from bot.core.i18n import _, pgettext

JSON = dict[str, Any]
Path = tuple[str, ...]  # of a value in a message, as in Discord's errors: "components", "0", "label"

_ONE_BY_ONE: Final = 6  # quotes that are left out one at a time, before all of them are
_REPAIRS: Final = 4  # of one message with an invalid form
_REMEMBERED: Final = 500  # refused texts
_READ: Final = ("content", "label", "description", "placeholder", "title")  # what people read
_OPTIONAL: Final = ("emoji", "description", "placeholder", "value", "default_values", "accent_color", "message_reference")
_MEDIA, _SECTION, _CONTAINER, _TEXT = (11, 12, 13), 9, 17, 10  # types of components; media: thumbnail, gallery, file
_LINK: Final = re.compile(r"[A-Za-z0-9-]\.[A-Za-z]{2,}")

log = structlog.get_logger(__name__)
_refused_before: OrderedDict[int, None] = OrderedDict()  # hashes of the latest texts of others that Discord refused


def install() -> None:
    """Give discord.py's two HTTP clients these fallbacks, in the whole process."""
    HTTPClient.request = _with_fallbacks(HTTPClient.request, body="json", form="form")  # type: ignore[assignment, method-assign]
    async_.json_or_text = _with_retry_after  # type: ignore[attr-defined]
    AsyncWebhookAdapter.request = _with_fallbacks(AsyncWebhookAdapter.request, body="payload", form="multipart")  # type: ignore[assignment, method-assign]


async def _with_retry_after(response: aiohttp.ClientResponse) -> Any:
    """The answer to a webhook's call. One of a proxy or a firewall may be a text, in which discord.py would search for the time to wait."""
    answer = await json_or_text(response)
    if response.status == 429 and not isinstance(answer, dict):
        raise discord.HTTPException(response, answer)
    return answer


def _with_fallbacks(request: Callable[..., Awaitable[Any]], *, body: str, form: str) -> Callable[..., Awaitable[Any]]:
    """`body` and `form` name the method's arguments for a message without and with files."""

    async def send(client: object, route: Any, *more: Any, **given: Any) -> Any:
        fallbacks: Fallbacks | None = None
        while True:
            try:
                answer = await request(client, route, *more, **given)
            except discord.HTTPException as error:
                fallbacks = fallbacks or _fallbacks_of(given.get(body), given.get(form))
                message = fallbacks.after(error) if fallbacks else None
                if message is None:
                    raise
                log.info("message refused", code=error.code, method=route.method, path=route.path)
            else:
                if fallbacks:
                    fallbacks.accepted()
                return answer
            for file in given.get("files") or ():
                file.reset(seek=True)  # it was read for the first request
            if message.has_files:
                first, *files = given[form]
                given[form] = [{**first, "value": json.dumps(message.body)}, *files]
            else:
                given = {**{name: value for name, value in given.items() if name not in (form, "files")}, body: message.body}

    return send


def _fallbacks_of(body: Any, form: Any) -> Fallbacks | None:
    """For a message without or with files; None for another request."""
    content = json.loads(form[0]["value"]) if form else body
    return Fallbacks(MessageBody(body=content, has_files=bool(form))) if isinstance(content, dict) else None


# --- messages --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class MessageBody:
    """The body of a request, and whether files go with it."""

    body: JSON
    has_files: bool

    @property
    def shown(self) -> JSON:
        """What it shows; in a first answer to an interaction, that is in `data`."""
        data = self.body.get("data")
        return data if isinstance(data, dict) else self.body

    @property
    def is_gallery(self) -> bool:
        """Whether it is a panel with images. Other messages are there for their files."""
        return any(each.get("type") in _MEDIA for each in _dicts(self.shown.get("components")))

    def without_quotes(self, quotes: Collection[str]) -> MessageBody:
        instead = pgettext("instead of a prompt", "[not allowed by Discord]")
        return replace(self, body=_changed(self.body, lambda text: markdown.without(text, quotes, instead)))

    def without_images(self) -> MessageBody:
        body = deepcopy(self.body)
        shown = replace(self, body=body).shown
        shown["components"] = _without_media(shown["components"])
        container = next((each for each in shown["components"] if each["type"] == _CONTAINER), shown)
        container["components"].append({"type": _TEXT, "content": _("-# Discord doesn't accept the images of this message.")})
        shown["attachments"] = []
        return MessageBody(body=body, has_files=False)

    def repaired(self, errors: Mapping[str, Any]) -> MessageBody | None:
        """Without the values that Discord's `errors` name; None if none can be left out."""
        body = deepcopy(self.body)
        changed = [_leave_out(body, path) for path in sorted(_paths(errors), reverse=True)]  # in a list the last first
        return replace(self, body=body) if any(changed) else None


class Fallbacks:
    """The versions of one message, each with less in it than the one before."""

    def __init__(self, message: MessageBody) -> None:
        self._whole = message
        self._quoted = dict[str, list[str]]()  # texts of others that it shows, each with how it shows them
        self._choices: Iterator[Collection[str]] | None = None  # texts to leave out
        self._left_out: Collection[str] = ()
        self._repairs = 0

    def after(self, error: discord.HTTPException) -> MessageBody | None:
        """The next version after an error; None if it says nothing of the content, or nothing is left to leave out."""
        reason = reason_of(error)
        if reason is None or (reason is Refused.WORDS and not self._choose()):
            return None
        if reason is not Refused.WORDS:
            smaller = self._repaired(error) or (self._whole.without_images() if self._whole.is_gallery else None)
            if smaller is None:
                return None
            self._whole = smaller
        return self._whole.without_quotes([shown for text in self._left_out for shown in self._quoted[text]])

    def accepted(self) -> None:
        """Remember the words without which the message was accepted, so that they are tried first the next time."""
        if len(self._left_out) < max(2, len(self._quoted)):  # if all were left out, it is not known which was refused
            _refused_before.update(dict.fromkeys(map(hash, self._left_out)))
        while len(_refused_before) > _REMEMBERED:
            _refused_before.popitem(last=False)

    def _choose(self) -> bool:
        """Choose what to leave out next."""
        if self._choices is None:
            self._quoted = _quoted_in(self._whole)
            self._choices = _choices(list(self._quoted))
        self._left_out = next(self._choices, ())
        return bool(self._left_out)

    def _repaired(self, error: discord.HTTPException) -> MessageBody | None:
        self._repairs += 1
        errors = getattr(error, "_errors", None)
        return self._whole.repaired(errors) if errors and self._repairs <= _REPAIRS else None


def _choices(texts: Sequence[str]) -> Iterator[Collection[str]]:
    """Which of the texts to leave out: those that were refused before, with all links, with each of the others, and at last all."""
    known = {text for text in texts if hash(text) in _refused_before}
    links = {text for text in texts if _LINK.search(text)}
    others = sorted((text for text in texts if text not in known), key=len, reverse=True)
    choices = [known, known | links, *(known | {text} for text in others[:_ONE_BY_ONE]), set(texts)]
    return filter(None, dict.fromkeys(map(frozenset, choices)))


def _quoted_in(message: MessageBody) -> dict[str, list[str]]:
    """The texts of others in a message, each with the forms in which it is shown."""
    read, found = list(_read(message.shown)), dict[str, list[str]]()
    for shown, text in markdown.quotes().items():
        if any(markdown.without(each, [shown], "") != each for each in read):
            found.setdefault(text, []).append(shown)
    return found


# --- JSON ------------------------------------------------------------------------------------------------------------


def _dicts(value: Any) -> Iterator[JSON]:
    """All objects in a value."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _dicts(each)


def _read(message: JSON) -> Iterator[str]:
    yield from (value for each in _dicts(message) for key, value in each.items() if key in _READ and isinstance(value, str))


def _changed(value: Any, change: Callable[[str], str], key: str = "") -> Any:
    """A value with its texts changed that people read."""
    if isinstance(value, dict):
        return {key: _changed(each, change, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_changed(each, change) for each in value]
    return change(value) if key in _READ and isinstance(value, str) else value


def _without_media(parts: Sequence[JSON]) -> list[JSON]:
    kept = list[JSON]()
    for part in parts:
        if part["type"] == _SECTION and part["accessory"]["type"] in _MEDIA:
            kept += part["components"]
        elif part["type"] not in _MEDIA:
            kept.append({**part, "components": _without_media(part["components"])} if "components" in part else part)
    return kept


def _paths(errors: Mapping[str, Any], above: Path = ()) -> Iterator[Path]:
    """The values that are named as invalid."""
    if "_errors" in errors:
        yield above
    for key, each in errors.items():
        if isinstance(each, Mapping):
            yield from _paths(each, (*above, key))


def _leave_out(body: JSON, path: Path) -> bool:
    """Leave out the value at a path, or the innermost part of the message that can be left out with it. False if there is none."""
    above = list(_along(body, path))
    for parent, key in above:
        if isinstance(parent, dict) and key in _OPTIONAL:
            del parent[key]
            return True
    for parent, key in reversed(above):
        if isinstance(parent, dict) and key in _READ:
            parent[key] = "…"
            return True
        if isinstance(parent, list):
            del parent[int(key)]
            return True
    return False


def _along(value: Any, path: Path) -> Iterator[tuple[Any, str]]:
    """Each object or list on the way to a value, with the key of the next one."""
    for key in path:
        if isinstance(value, dict) and key in value:
            yield value, key
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            yield value, key
            value = value[int(key)]
        else:
            return
