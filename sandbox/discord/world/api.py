"""The bot's access to the world: HTTP calls, and events for the gateway."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any

import discord
from simcord import intents as gating
from simcord.backend import serializers
from simcord.backend.access import channel_accessible
from simcord.backend.errors import BackendError
from simcord.http.router import RouteNotImplemented, UnsupportedField, dispatch

from sandbox.discord.wire import JSON, DiscordApiError, Upload, invalid_form, not_found
from sandbox.discord.world.corrections import corrected
from sandbox.discord.world.engine import Engine

_log = logging.getLogger(__name__)


class WorldApi:
    """Raises `DiscordApiError` if Discord's API would answer with an error."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._listeners: list[Callable[[str, Mapping[str, Any]], None]] = []
        engine.subscribers.append(self._emitted)

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: dict[str, str] | None = None,
        files: Iterable[Upload] = (),
        reason: str | None = None,
        reads_content: bool = False,
    ) -> Any:
        """One HTTP call. Fields that simcord does not support are dropped, as Discord ignores unknown fields."""
        try:
            answer = dispatch(
                self._engine,
                method,
                path,
                json=body,
                params=dict(params or {}),
                files=list(files),
                reason=reason,
                message_content_access=reads_content,
            )
        except UnsupportedField as unknown:
            _log.warning("%s %s: field(s) %s are left out", method, path, ", ".join(unknown.fields))
            reduced = _without(body, set(unknown.fields))
            if reduced == body:
                raise invalid_form(", ".join(unknown.fields)) from unknown
            return self.call(method, path, body=reduced, params=params, files=files, reason=reason, reads_content=reads_content)
        except RouteNotImplemented as unknown:
            _log.warning("%s %s is not known here", method, path)
            raise not_found() from unknown
        except BackendError as error:
            raise DiscordApiError(
                error.status, error.code, error.message, more={"errors": error.errors} if error.errors else None
            ) from error
        except (AttributeError, KeyError, TypeError, ValueError, NotImplementedError) as error:
            raise invalid_form(str(error)) from error
        return corrected(self._engine, answer, viewer_id=self._engine.bot_user.id)

    def listen(self, listener: Callable[[str, Mapping[str, Any]], None]) -> None:
        """Call `listener` with every gateway event, before intents are applied."""
        self._listeners.append(listener)

    def filtered(self, event: str, payload: Mapping[str, Any], intents_value: int) -> JSON | None:
        """An event as a bot with these intents receives it: `None` if not at all, without message content if that intent is missing."""
        if not self._reaches_bot(event, payload):
            return None
        intents = discord.Intents.none()
        intents.value = intents_value
        intent = gating.required_intent(event, payload)
        if intent is not None and not getattr(intents, intent):
            return None
        mine: JSON = corrected(self._engine, deepcopy(dict(payload)), viewer_id=self._engine.bot_user.id)
        if event == "MESSAGE_REACTION_ADD":
            message = self._engine.messages.get(int(mine["channel_id"]), {}).get(int(mine["message_id"]))
            mine["message_author_id"] = str(message.author_id) if message else None
        if event == "GUILD_CREATE":
            gating.prune_guild_create(mine, intents, self._engine.bot_user.id)
        if not intents.message_content:
            self._remove_content(event, mine)
        return mine

    def guild_creates(self) -> list[JSON]:
        """`GUILD_CREATE` payloads of the servers that the bot is a member of."""
        guilds = (guild for guild in self._engine.guilds.values() if guild.id not in self._engine.out_of_reach)
        return [dict(serializers.guild_create_payload(self._engine, guild)) for guild in guilds]

    def members_chunk(self, asked: JSON) -> JSON:
        """The answer to a request for members by ids or by name prefix."""
        guild = self._engine.get_guild(int(asked["guild_id"]))
        members = list(guild.members.values())
        wanted = asked.get("user_ids")
        if wanted is not None:
            ids = {int(user_id) for user_id in (wanted if isinstance(wanted, list) else [wanted])}
            members = [member for member in members if member.user_id in ids]
        elif asked.get("query"):
            members = [m for m in members if self._engine.users[m.user_id].name.lower().startswith(str(asked["query"]).lower())]
        members = members[: asked.get("limit") or None]
        return {
            "guild_id": str(asked["guild_id"]),
            "members": [serializers.member_payload(self._engine, guild, member) for member in members],
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": [],
            "nonce": asked.get("nonce"),
        }

    def _reaches_bot(self, event: str, payload: Mapping[str, Any]) -> bool:
        """Whether the bot receives an event. Only interactions come from channels without it, and no messages that it cannot see."""
        if event == "INTERACTION_CREATE":
            return True
        ids = {int(payload[key]) for key in ("guild_id", "channel_id") if payload.get(key)}
        if ids & self._engine.out_of_reach:
            return False
        channel_id = int(payload.get("channel_id") or 0)
        if not event.startswith("MESSAGE_") or channel_id not in self._engine.channels:
            return True
        return channel_accessible(self._engine, channel_id, self._engine.bot_user.id)

    def _remove_content(self, event: str, payload: JSON) -> None:
        if event in ("MESSAGE_CREATE", "MESSAGE_UPDATE"):
            gating.censor_message(payload, self._engine.bot_user.id, backend=self._engine)
        for message in (payload.get("data") or {}).get("resolved", {}).get("messages", {}).values():
            gating.censor_message(message, self._engine.bot_user.id, backend=self._engine, exempt_root=True)
        if event == "INTERACTION_CREATE" and isinstance(payload.get("message"), dict):
            gating.censor_message(payload["message"], self._engine.bot_user.id, backend=self._engine, exempt_root=True)

    def _emitted(self, event: str, payload: Mapping[str, Any]) -> None:
        for listener in self._listeners:
            listener(event, payload)


def _without(body: Any, fields: set[str]) -> Any:
    if not isinstance(body, dict):
        return body
    return {key: _without(value, fields) if key in ("data", "message") else value for key, value in body.items() if key not in fields}
