"""What a message that mentions the bot asks for: the words of the edit, and which image it is of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import discord

from bot.core.errors import InvalidRequest
from bot.core.i18n import _
from bot.domain.order import Attachment
from cogs.kit.message_images import FoundImages

_MARK: Final = re.compile(r"<(?P<kind>@!|@&|@|#)(?P<id>\d{1,20})>|<a?:(?P<emoji>\w{2,32}):\d{1,20}>")
_NUMBER: Final = re.compile(r"(?P<sign>#?)(?P<number>\d)(?:[.:)](?=\s)|(?=\s|$))\s*")


@dataclass(frozen=True, kw_only=True)
class PickedImage:
    """The image that is edited."""

    image: Attachment
    number: int  # of the image, from 1
    of: int  # images in its message
    prompt: str  # without the number that picked it


def prompt_of(message: discord.Message, bot_id: int) -> str:
    """The text without the mention of the bot; what else it mentions is named, as people read it."""
    names = _names_in(message)

    def named(mark: re.Match[str]) -> str:
        if mark["emoji"]:
            return f":{mark['emoji']}:"
        if mark["kind"] in ("@", "@!") and int(mark["id"]) == bot_id:
            return " "
        return names.get(int(mark["id"]), "")

    lines = (" ".join(line.split()) for line in _MARK.sub(named, message.content).splitlines())
    return "\n".join(lines).strip()


def _names_in(message: discord.Message) -> Mapping[int, str]:
    channels = ((channel.id, f"#{channel.name}") for channel in message.channel_mentions)
    roles = ((role.id, f"@{role.name}") for role in message.role_mentions)
    return {**{user.id: f"@{user.display_name}" for user in message.mentions}, **dict(channels), **dict(roles)}


def pick(found: FoundImages, prompt: str) -> PickedImage:
    """The first of the found images, or the one whose number the text begins with. Raises `InvalidRequest` if `#` names no image."""
    numbered = {_number_of(image, position): image for position, image in enumerate(found.images, 1)}
    first = PickedImage(image=found.images[0], number=next(iter(numbered)), of=len(numbered), prompt=prompt)
    written = _NUMBER.match(prompt) if len(numbered) > 1 else None
    if written is None:
        return first
    number = int(written["number"])
    if number in numbered:
        return replace(first, image=numbered[number], number=number, prompt=prompt[written.end() :])
    if written["sign"]:
        numbers = ", ".join(map(str, numbered))
        raise InvalidRequest(_("There's no image {number} there. Choose one of these: {choices}.").format(number=number, choices=numbers))
    return first  # such as “7 cats”


def _number_of(image: Attachment, position: int) -> int:
    """Of Easel's own images their number in the job, of which some may have failed."""
    return position if image.source is None or image.source.n is None else image.source.n + 1
