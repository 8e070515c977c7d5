"""Interactions of people with the bot, from the event to the first answer.

Source: https://discord.com/developers/docs/interactions/receiving-and-responding
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from sandbox.discord import components, options
from sandbox.discord.commands import CommandType, find_leaf
from sandbox.discord.resolver import Resolver
from sandbox.discord.wire import JSON, RefusedError, Upload
from sandbox.discord.world import Channel, Interaction, Message, World

NO_ANSWER = "The application did not respond"

Push = Callable[[int, JSON], None]  # sends a frame to every viewer of this person


class InteractionType(IntEnum):
    """Discord's interaction types."""

    COMMAND = 2  # a slash command, or a command in a menu
    COMPONENT = 3  # a button or a select menu
    AUTOCOMPLETE = 4  # suggestions while typing
    MODAL_SUBMIT = 5  # a submitted form


@dataclass(frozen=True, kw_only=True)
class _OpenModal:
    interaction_id: int
    person_id: int
    channel: Channel
    modal: JSON
    source: Message | None


class Interactions:
    """Methods take the id of an authenticated person and raise `RefusedError` with a sentence for them."""

    def __init__(self, *, world: World, first_answer_s: float, push: Push, find_upload: Callable[[str], Upload]) -> None:
        self._world = world
        self._first_answer_s = first_answer_s
        self._push = push
        self._find_upload = find_upload
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._modals: dict[int, _OpenModal] = {}

    # --------------------------------------------------------------- commands

    async def slash(self, person_id: int, channel: Channel, path: str, values: JSON) -> Interaction:
        root, nodes, resolver = self._find_slash(person_id, channel, path)
        built = options.build(nodes[-1] if nodes else root, values, resolver)
        data = {**_named(root), "options": options.nest(nodes, built), **resolver.block()}
        return await self._ask(InteractionType.COMMAND, person_id, channel, data, installs=root["integration_types"])

    async def autocomplete(self, person_id: int, channel: Channel, path: str, values: JSON, focused: str) -> list[JSON]:
        """The bot's suggestions: `[{"name", "value"}]`."""
        root, nodes, resolver = self._find_slash(person_id, channel, path)
        built = options.build_partial(nodes[-1] if nodes else root, values, focused, resolver)
        data = {**_named(root), "options": options.nest(nodes, built), **resolver.block()}
        record = await self._ask(InteractionType.AUTOCOMPLETE, person_id, channel, data, installs=root["integration_types"])
        return record.autocomplete_choices or []

    async def message_menu(self, person_id: int, channel: Channel, name: str, message: Message) -> Interaction:
        command = self._find_menu(person_id, channel, name, CommandType.MESSAGE)
        resolver = self._resolver(person_id, channel)
        return await self._choose_command(person_id, channel, command, resolver, target_id=resolver.message(message))

    async def user_menu(self, person_id: int, channel: Channel, name: str, user_id: int) -> Interaction:
        command = self._find_menu(person_id, channel, name, CommandType.USER)
        resolver = self._resolver(person_id, channel)
        return await self._choose_command(person_id, channel, command, resolver, target_id=resolver.user(user_id))

    async def _choose_command(self, person_id: int, channel: Channel, command: JSON, resolver: Resolver, *, target_id: str) -> Interaction:
        data = {**_named(command), "target_id": target_id, **resolver.block()}
        return await self._ask(InteractionType.COMMAND, person_id, channel, data, installs=command["integration_types"])

    # -------------------------------------------------------------- components

    async def click(self, person_id: int, channel: Channel, message: Message, custom_id: str) -> Interaction:
        data = components.press(message.components, custom_id)
        return await self._ask(InteractionType.COMPONENT, person_id, channel, data, source=message, after=_made_by(message))

    async def select(self, person_id: int, channel: Channel, message: Message, custom_id: str, values: list[Any]) -> Interaction:
        data = components.choose(message.components, custom_id, values, self._resolver(person_id, channel))
        return await self._ask(InteractionType.COMPONENT, person_id, channel, data, source=message, after=_made_by(message))

    async def submit(self, person_id: int, interaction_id: int, fields: JSON) -> Interaction:
        """Submit a modal. It stays open if the bot does not answer, as at Discord."""
        opened = self._open_modal(person_id, interaction_id)
        resolver = self._resolver(person_id, opened.channel)
        data = components.fill(opened.modal, fields, resolver)
        record = await self._ask(
            InteractionType.MODAL_SUBMIT, person_id, opened.channel, data, source=opened.source, after=opened.interaction_id
        )
        if self._modals.pop(interaction_id, None) is not None:
            self._push(person_id, {"event": "closed", "interaction_id": str(interaction_id)})
        return record

    def dismiss(self, person_id: int, interaction_id: int) -> None:
        self._open_modal(person_id, interaction_id)
        del self._modals[interaction_id]
        self._push(person_id, {"event": "closed", "interaction_id": str(interaction_id)})

    # ----------------------------------------------------------------- answers

    def answered(self, record: Interaction) -> None:
        """Record that the bot gave its first answer, and open a modal if that is the answer."""
        channel = self._world.channels.get(record.channel_id)
        if record.modal is not None and channel is not None:
            source = record.source_message_id and self._world.find_message(channel.id, record.source_message_id)
            self._modals[record.id] = _OpenModal(
                interaction_id=record.id, person_id=record.user_id, channel=channel, modal=record.modal, source=source or None
            )
            self._push(record.user_id, {"event": "modal", "interaction_id": str(record.id), "modal": record.modal})
        waiter = self._waiting.get(record.id)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _ask(
        self, kind: InteractionType, person_id: int, channel: Channel, data: JSON, *, source: Message | None = None, **origin: Any
    ) -> Interaction:
        """Send an interaction and wait for its first answer. `origin` is passed to `World.open_interaction`."""
        record, payload = self._world.open_interaction(kind, person_id=person_id, channel=channel, data=data, message=source, **origin)
        waiter = self._waiting[record.id] = asyncio.get_running_loop().create_future()
        self._world.announce("INTERACTION_CREATE", payload)
        try:
            async with asyncio.timeout(self._first_answer_s):
                await waiter
        except TimeoutError:
            if kind is not InteractionType.AUTOCOMPLETE:
                self._push(person_id, {"event": "unanswered", "interaction_id": str(record.id), "text": NO_ANSWER})
            raise RefusedError(NO_ANSWER) from None
        finally:
            del self._waiting[record.id]
        return record

    # ----------------------------------------------------------------- helpers

    def _find_slash(self, person_id: int, channel: Channel, path: str) -> tuple[JSON, list[JSON], Resolver]:
        root, nodes = find_leaf(self._world.commands_for(person_id, channel), path.removeprefix("/"))
        return root, nodes, self._resolver(person_id, channel)

    def _find_menu(self, person_id: int, channel: Channel, name: str, kind: CommandType) -> JSON:
        for command in self._world.commands_for(person_id, channel):
            if (command["name"], command["type"]) == (name, kind):
                return command
        raise RefusedError(f"There is no {name} in this menu.")

    def _resolver(self, person_id: int, channel: Channel) -> Resolver:
        return Resolver(world=self._world, viewer_id=person_id, channel=channel, find_upload=self._find_upload)

    def _open_modal(self, person_id: int, interaction_id: int) -> _OpenModal:
        opened = self._modals.get(interaction_id)
        if opened is None or opened.person_id != person_id:
            raise RefusedError("That form is not open.")
        return opened


def _made_by(message: Message) -> int | None:
    """The id of the interaction that a message answers, if any."""
    return int(message.interaction_metadata["id"]) if message.interaction_metadata else None


def _named(command: JSON) -> JSON:
    guild = {"guild_id": command["guild_id"]} if "guild_id" in command else {}
    return {"id": command["id"], "name": command["name"], "type": command["type"], **guild}
