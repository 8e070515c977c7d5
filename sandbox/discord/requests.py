"""The requests of a person over the socket (PROTOCOL.md, "Requests of a person")."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sandbox.discord.interactions import Interactions
from sandbox.discord.wire import EPHEMERAL, JSON, RefusedError, Upload, parse_id
from sandbox.discord.world import Channel, Interaction, Message, World
from sandbox.faults import Switchboard

_LONGEST_MESSAGE = 2000  # characters


class PersonRequests:
    """`perform` returns the fields of the answer except `id` and `ok`, or raises `RefusedError` with a sentence.

    `changed` is called when a person changed their own settings, `membership_changed` with the id of a person who joined or left.
    """

    def __init__(
        self,
        *,
        world: World,
        interactions: Interactions,
        switchboard: Switchboard,
        find_upload: Callable[[str], Upload],
        changed: Callable[[], None],
        membership_changed: Callable[[int], None],
    ) -> None:
        self._world = world
        self._interactions = interactions
        self._switchboard = switchboard
        self._find_upload = find_upload
        self._changed = changed
        self._membership_changed = membership_changed
        self._handlers: dict[str, Callable[[int, JSON], Awaitable[JSON]]] = {
            "autocomplete": self._autocomplete,
            "slash": self._slash,
            "menu": self._menu,
            "click": self._click,
            "select": self._select,
            "submit": self._submit,
            "dismiss": self._dismiss,
            "say": self._say,
            "forward": self._forward,
            "other_bot": self._other_bot,
            "react": self._react,
            "unreact": self._unreact,
            "clear_reactions": self._clear_reactions,
            "delete": self._delete,
            "fault": self._fault,
            "join": self._join,
            "leave": self._leave,
            "role": self._role,
            "locale": self._locale,
            "guild_locale": self._guild_locale,
            "dms": self._dms,
            "thread": self._thread,
            "archive": self._archive,
            "delete_channel": self._delete_channel,
            "delete_role": self._delete_role,
            "bot_member": self._bot_member,
            "permit": self._permit,
            "bot_role": self._bot_role,
        }

    async def perform(self, person_id: int, frame: JSON) -> JSON:
        handler = self._handlers.get(str(frame.get("do")))
        if handler is None:
            raise RefusedError(f"Nobody knows how to do {frame.get('do')!r}.")
        return await handler(person_id, frame)

    # ------------------------------------------------------------ interactions

    async def _autocomplete(self, person_id: int, frame: JSON) -> JSON:
        channel = self._channel(person_id, frame)
        values, focused = _field(frame, "options", dict), _field(frame, "focused", str)
        return {"choices": await self._interactions.autocomplete(person_id, channel, _field(frame, "command", str), values, focused)}

    async def _slash(self, person_id: int, frame: JSON) -> JSON:
        channel = self._channel(person_id, frame)
        values = _field(frame, "options", dict)
        return _interaction(await self._interactions.slash(person_id, channel, _field(frame, "command", str), values))

    async def _menu(self, person_id: int, frame: JSON) -> JSON:
        channel, name = self._channel(person_id, frame), _field(frame, "command", str)
        if "user_id" in frame:
            return _interaction(await self._interactions.user_menu(person_id, channel, name, parse_id(frame["user_id"], "user_id")))
        return _interaction(await self._interactions.message_menu(person_id, channel, name, self._message(person_id, frame)))

    async def _click(self, person_id: int, frame: JSON) -> JSON:
        channel, message = self._channel(person_id, frame), self._message(person_id, frame)
        return _interaction(await self._interactions.click(person_id, channel, message, _field(frame, "custom_id", str)))

    async def _select(self, person_id: int, frame: JSON) -> JSON:
        channel, message = self._channel(person_id, frame), self._message(person_id, frame)
        custom_id, values = _field(frame, "custom_id", str), _field(frame, "values", list)
        return _interaction(await self._interactions.select(person_id, channel, message, custom_id, values))

    async def _submit(self, person_id: int, frame: JSON) -> JSON:
        interaction_id, fields = parse_id(frame.get("interaction_id"), "interaction_id"), _field(frame, "fields", dict)
        return _interaction(await self._interactions.submit(person_id, interaction_id, fields))

    async def _dismiss(self, person_id: int, frame: JSON) -> JSON:
        self._interactions.dismiss(person_id, parse_id(frame.get("interaction_id"), "interaction_id"))
        return {}

    # ---------------------------------------------------------------- messages

    async def _say(self, person_id: int, frame: JSON) -> JSON:
        channel, sticker = self._channel(person_id, frame), frame.get("sticker_id")
        content, files = self._content(frame)
        if not content.strip() and not files and sticker is None:
            raise RefusedError("An empty message cannot be sent.")
        self._check_sends(person_id, channel)
        answered = None
        if frame.get("reply_to") is not None:
            answered = self._world.message_for(person_id, channel.id, parse_id(frame["reply_to"], "reply_to"))
        sticker_id = None if sticker is None else parse_id(sticker, "sticker_id")
        message = self._world.messages.post(person_id, channel, content, files, reply_to=answered, sticker_id=sticker_id)
        return {"message_id": str(message.id)}

    async def _forward(self, person_id: int, frame: JSON) -> JSON:
        message, target = self._message(person_id, frame), self._world.channels.for_person(person_id, parse_id(frame.get("to"), "to"))
        self._check_sends(person_id, target)
        return {"message_id": str(self._world.messages.forward(person_id, message, target).id)}

    async def _other_bot(self, person_id: int, frame: JSON) -> JSON:
        """Let the server's other bot post."""
        channel, (content, files) = self._channel(person_id, frame), self._content(frame)
        if channel.guild_id is None:
            raise RefusedError("The other bot is only in servers.")
        embeds, components = _field(frame, "embeds", list), _field(frame, "components", list)
        message = self._world.messages.post_as_other_bot(channel, content, files, embeds=embeds, components=components)
        return {"message_id": str(message.id)}

    def _content(self, frame: JSON) -> tuple[str, list[Upload]]:
        content, keys = str(frame.get("content") or ""), frame.get("uploads") or []
        if not isinstance(keys, list) or len(keys) > 10:
            raise RefusedError("A message has at most 10 files.")
        if len(content) > _LONGEST_MESSAGE:
            raise RefusedError(f"A message has at most {_LONGEST_MESSAGE} characters.")
        return content, [self._find_upload(str(key)) for key in keys]

    def _check_sends(self, person_id: int, channel: Channel) -> None:
        if channel.guild_id is not None and not self._world.may(person_id, channel, "send_messages"):
            raise RefusedError("You may not send messages in this channel.")

    async def _react(self, person_id: int, frame: JSON) -> JSON:
        message = self._message(person_id, frame)
        if message.is_ephemeral:
            raise RefusedError("Nobody can react to a message that only one person sees.")
        self._world.react(person_id, message, _emoji(frame), on=True, burst=bool(frame.get("burst")))
        return {}

    async def _unreact(self, person_id: int, frame: JSON) -> JSON:
        self._world.react(person_id, self._message(person_id, frame), _emoji(frame), on=False, burst=bool(frame.get("burst")))
        return {}

    async def _clear_reactions(self, person_id: int, frame: JSON) -> JSON:
        if not self._world.may(person_id, self._channel(person_id, frame), "manage_messages"):
            raise RefusedError("That takes the permission Manage Messages.")
        self._world.clear_reactions(self._message(person_id, frame), _emoji(frame) if "emoji" in frame else None)
        return {}

    async def _delete(self, person_id: int, frame: JSON) -> JSON:
        channel, message = self._channel(person_id, frame), self._message(person_id, frame)
        moderates = channel.guild_id is not None and self._world.may(person_id, channel, "manage_messages")
        if message.author_id != person_id and not moderates and not message.flags & EPHEMERAL:
            raise RefusedError("That message is not yours to delete.")
        self._world.delete(message)
        return {}

    # ------------------------------------------------------ people and channels

    async def _join(self, _: int, frame: JSON) -> JSON:
        days = frame.get("days")
        if days is not None and (not isinstance(days, int) or isinstance(days, bool)):
            raise RefusedError("days is a number, or null.")
        person_id = self._world.members.join(_field(frame, "name", str), moderator=bool(frame.get("moderator")), days=days)
        self._membership_changed(person_id)
        return {"person": self._world.members.person_json(person_id)}

    async def _leave(self, person_id: int, _: JSON) -> JSON:
        self._world.members.leave(person_id)
        self._membership_changed(person_id)
        return {}

    async def _role(self, person_id: int, frame: JSON) -> JSON:
        self._check_manages(person_id)
        self._world.members.give_role(_field(frame, "name", str), _field(frame, "role", str), on=bool(frame.get("on")))
        return {}

    async def _locale(self, person_id: int, frame: JSON) -> JSON:
        self._world.members.set_locale(person_id, _field(frame, "locale", str))
        self._changed()
        return {}

    async def _guild_locale(self, person_id: int, frame: JSON) -> JSON:
        self._check_manages(person_id)
        self._world.members.set_guild_locale(_field(frame, "locale", str))
        return {}

    async def _dms(self, person_id: int, frame: JSON) -> JSON:
        self._world.members.set_dms(person_id, on=bool(frame.get("open")))
        self._changed()
        return {}

    async def _thread(self, person_id: int, frame: JSON) -> JSON:
        message = self._message(person_id, frame) if frame.get("message_id") is not None else None
        channel, name = self._channel(person_id, frame), _field(frame, "name", str)
        thread = self._world.channels.start_thread(person_id, channel, name, message=message)
        return {"channel_id": str(thread.id)}

    async def _archive(self, person_id: int, frame: JSON) -> JSON:
        thread = self._channel(person_id, frame)
        self._world.channels.archive(thread, on=bool(frame.get("on")), locked=bool(frame.get("locked")))
        return {}

    async def _delete_channel(self, person_id: int, frame: JSON) -> JSON:
        self._check_manages(person_id)
        self._world.channels.delete(self._channel(person_id, frame))
        return {}

    async def _delete_role(self, person_id: int, frame: JSON) -> JSON:
        self._check_manages(person_id)
        self._world.members.delete_role(_field(frame, "role", str))
        return {}

    async def _bot_member(self, person_id: int, frame: JSON) -> JSON:
        self._check_manages(person_id)
        members = self._world.members
        (members.invite_bot if frame.get("on") else members.remove_bot)()
        return {}

    async def _permit(self, person_id: int, frame: JSON) -> JSON:
        self._check_manages(person_id)
        channel, permission = self._channel(person_id, frame), _field(frame, "permission", str)
        self._world.channels.permit(channel, permission, on=bool(frame.get("on")), role=str(frame.get("role") or ""))
        return {}

    async def _bot_role(self, person_id: int, frame: JSON) -> JSON:
        self._check_manages(person_id)
        self._world.members.permit_bot(_field(frame, "permission", str), on=bool(frame.get("on")))
        return {}

    def _check_manages(self, person_id: int) -> None:
        if not self._world.members.may(person_id, "manage_guild"):
            raise RefusedError("That takes the permission Manage Server.")

    # ------------------------------------------------------------------- faults

    async def _fault(self, _: int, frame: JSON) -> JSON:
        name, times = _field(frame, "name", str), frame.get("times")
        if times is not None and (not isinstance(times, int) or isinstance(times, bool) or times < 1):
            raise RefusedError("times is a number from 1, or null.")
        if name not in [fault["name"] for fault in self._switchboard.state()]:
            raise RefusedError(f"There is no fault called {name}.")
        if frame.get("on"):
            self._switchboard.turn_on(name, times=times)
        else:
            self._switchboard.turn_off(name)
        return {}

    # ------------------------------------------------------------------ helpers

    def _channel(self, person_id: int, frame: JSON) -> Channel:
        return self._world.channels.for_person(person_id, parse_id(frame.get("channel_id"), "channel_id"))

    def _message(self, person_id: int, frame: JSON) -> Message:
        channel_id, message_id = parse_id(frame.get("channel_id"), "channel_id"), parse_id(frame.get("message_id"), "message_id")
        return self._world.message_for(person_id, channel_id, message_id)


def _field(frame: JSON, name: str, kind: type[Any]) -> Any:
    value = frame.get(name, kind() if kind is not str else None)
    if not isinstance(value, kind):
        raise RefusedError(f"{name} is missing or not what it should be.")
    return value


def _emoji(frame: JSON) -> str:
    emoji: str = _field(frame, "emoji", str)
    if not 1 <= len(emoji) <= 64:
        raise RefusedError("That is no emoji.")
    return emoji


def _interaction(record: Interaction) -> JSON:
    return {"interaction_id": str(record.id)}
