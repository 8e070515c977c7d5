"""A person at the local Discord, for the tests and the demo: a small client of `discord/PROTOCOL.md`."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from typing import Any

from sandbox.messages import JSON, File, Message, Modal
from sandbox.viewer import NotDoneError, Viewer

__all__ = ["File", "Message", "Modal", "NotDoneError", "Person"]


@dataclass(kw_only=True)
class Person(Viewer):
    """What this person can do, in addition to what they see.

    A channel is given by its name (`"studio"`) or id; `"dm"` means the direct messages with the bot, `"private"` those between Ada and
    Ben, `"elsewhere"` the channel of a server without the bot. Whatever Discord's client would refuse, and an interaction that the bot
    leaves unanswered, raises `NotDoneError`.
    """

    # ------------------------------------------------------- commands and panels

    def upload(self, filename: str, data: bytes, content_type: str | None = None) -> File:
        """A file for an option, a form or a message."""
        guessed = content_type or mimetypes.guess_type(filename)[0] or "application/octet-stream"
        return File(filename=filename, data=data, content_type=guessed)

    async def slash(self, command: str, channel: str = "studio", /, **values: Any) -> str:
        """Run a slash command (a subcommand by its path, `"admin pause"`). Returns the interaction's id once the bot has answered."""
        return await self._interact("slash", channel_id=self.channel(channel), command=command, options=await self.send(values))

    async def autocomplete(self, command: str, focused: str, channel: str = "studio", /, **values: Any) -> list[JSON]:
        """The suggestions for the option `focused`; its text so far is one of the values."""
        answer = await self.ask("autocomplete", channel_id=self.channel(channel), command=command, focused=focused, options=values)
        return list(answer["choices"])

    async def menu(self, command: str, message: Message) -> str:
        """Run a command from the menu of a message."""
        return await self._interact("menu", **_at(message), command=command)

    async def user_menu(self, command: str, person: Person | str, channel: str = "studio") -> str:
        """Run a command from the menu of a person (given as a person, name or id) in this channel."""
        user_id = self.person_id(person)
        return await self._interact("menu", channel_id=self.channel(channel), user_id=user_id, command=command)

    async def click(self, message: Message, button: str) -> str:
        """Press a button, given by its label or custom_id."""
        named = message.buttons.get(button)
        return await self._interact("click", **_at(message), custom_id=named["custom_id"] if named else button)

    async def select(self, message: Message, custom_id: str, *values: str) -> str:
        """Choose values in a select menu."""
        return await self._interact("select", **_at(message), custom_id=custom_id, values=list(values))

    async def submit(self, modal: Modal, /, **fields: Any) -> str:
        """Submit a form. Each custom_id gets a text, a list of values, or a list of files."""
        return await self._interact("submit", interaction_id=modal.interaction_id, fields=await self.send(fields))

    async def dismiss(self, modal: Modal) -> None:
        await self.ask("dismiss", interaction_id=modal.interaction_id)

    # ------------------------------------------------------------------ messages

    async def say(
        self, content: str, channel: str = "studio", *, files: tuple[File, ...] = (), reply_to: Message | None = None, sticker: str = ""
    ) -> str:
        """Post a message, also with one of the server's stickers, and return its id."""
        more = {} if reply_to is None else {"reply_to": reply_to.id}
        if sticker:
            more["sticker_id"] = next(each["id"] for each in self.hello["stickers"] if each["name"] == sticker)
        return await self._post("say", content, channel, files, **more)

    async def forward(self, message: Message, channel: str) -> str:
        """Forward a message to a channel. Returns the id of the new message."""
        return str((await self.ask("forward", **_at(message), to=self.channel(channel)))["message_id"])

    async def let_other_bot_say(
        self,
        content: str = "",
        channel: str = "studio",
        *,
        files: tuple[File, ...] = (),
        embeds: tuple[JSON, ...] = (),
        components: tuple[JSON, ...] = (),
    ) -> str:
        """Let the server's other bot post; `attachment://<name>` in embeds and components is one of the files. Returns the message's id."""
        return await self._post("other_bot", content, channel, files, embeds=embeds, components=components)

    async def _post(self, do: str, content: str, channel: str, files: tuple[File, ...], **more: Any) -> str:
        uploads = [(await self.send(file))["upload"] for file in files]
        return str((await self.ask(do, channel_id=self.channel(channel), content=content, uploads=uploads, **more))["message_id"])

    async def react(self, message: Message, emoji: str, *, on: bool = True, burst: bool = False) -> None:
        """Add a reaction, or remove one's own: a Unicode emoji, or one of the server's as `<:name:id>`; `burst`: a super reaction."""
        await self.ask("react" if on else "unreact", **_at(message), emoji=emoji, burst=burst)

    async def unreact(self, message: Message, emoji: str, *, burst: bool = False) -> None:
        await self.react(message, emoji, on=False, burst=burst)

    async def clear_reactions(self, message: Message, emoji: str | None = None) -> None:
        """Remove everybody's reactions, or those with one emoji. Needs Manage Messages."""
        await self.ask("clear_reactions", **_at(message), **({} if emoji is None else {"emoji": emoji}))

    async def delete(self, message: Message) -> None:
        await self.ask("delete", **_at(message))

    # -------------------------------------------------------- people and channels

    def person_id(self, person: Person | str) -> str:
        """The id of a person, given as a person, name or id."""
        if isinstance(person, Person):
            return person.id
        return str(self.people[person]["id"]) if person in self.people else person

    async def join(self, name: str, *, moderator: bool = False, days: int | None = None) -> JSON:
        """Add a person to the server.

        A new member joined `days` days ago (default 400), with an older account. A person who had left returns with the same id,
        joined just now unless `days` is given.
        """
        return dict((await self.ask("join", name=name, moderator=moderator, days=days))["person"])

    async def leave(self) -> None:
        """Leave the server. The direct messages with the bot remain."""
        await self.ask("leave")

    async def role(self, name: str, role: str, on: bool = True) -> None:
        """Give a person a role, or remove it. Needs Manage Server."""
        await self.ask("role", name=name, role=role, on=on)

    async def speak(self, locale: str) -> None:
        """Set the language of this person's client, e.g. `"de"` or `"pt-BR"`."""
        await self.ask("locale", locale=locale)

    async def set_server_language(self, locale: str) -> None:
        """Set the language of the server. Needs Manage Server."""
        await self.ask("guild_locale", locale=locale)

    async def thread(self, name: str, channel: str = "studio", *, message: Message | None = None) -> str:
        """Start a public thread in a channel, on one of its messages if that is given. Returns its id, which is a channel id."""
        on = {} if message is None else {"message_id": message.id}
        return str((await self.ask("thread", channel_id=self.channel(channel), name=name, **on))["channel_id"])

    async def archive(self, thread: str, *, on: bool = True, locked: bool = False) -> None:
        """Archive a thread, or reopen it. A locked one can be reopened only by members with Manage Threads."""
        await self.ask("archive", channel_id=self.channel(thread), on=on, locked=locked)

    async def delete_channel(self, channel: str) -> None:
        """Delete a channel with its threads, or a thread. Needs Manage Server."""
        await self.ask("delete_channel", channel_id=self.channel(channel))

    async def delete_role(self, role: str) -> None:
        """Delete a role. Needs Manage Server."""
        await self.ask("delete_role", role=role)

    async def bot_member(self, on: bool) -> None:
        """Remove the bot from the server, or invite it again. Needs Manage Server."""
        await self.ask("bot_member", on=on)

    async def dms(self, open: bool) -> None:  # noqa: A002 - dms(open=False) reads well
        """Accept direct messages from the bot, or not."""
        await self.ask("dms", open=open)

    async def permit(self, channel: str, permission: str, on: bool, *, role: str = "") -> None:
        """Allow or deny the bot, or a role, a permission in one channel. Needs Manage Server.

        `permission` is discord.py's name, such as `"add_reactions"`; the role `"@everyone"` is every member's.
        """
        await self.ask("permit", channel_id=self.channel(channel), permission=permission, on=on, role=role)

    async def permit_bot(self, permission: str, on: bool) -> None:
        """Change a permission of the bot's own role, in the whole server. Needs Manage Server."""
        await self.ask("bot_role", permission=permission, on=on)

    async def fault(self, name: str, *, on: bool = True, times: int | None = None) -> None:
        await self.ask("fault", name=name, on=on, times=times)

    async def _interact(self, do: str, **fields: Any) -> str:
        return str((await self.ask(do, **fields))["interaction_id"])


def _at(message: Message) -> JSON:
    return {"channel_id": message.channel_id, "message_id": message.id}
