"""The HTTP API, version 10: authorisation, tokens, nonces and commands here, the rest in the world.

Source: https://discord.com/developers/docs/reference
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from sandbox.discord.calls import Call, answer, error_answer, read_call
from sandbox.discord.interactions import Asked, Interactions
from sandbox.discord.misbehaviour import Misbehaviour
from sandbox.discord.wire import JSON, ApiError, invalid_form, unauthorised
from sandbox.discord.world import Interaction, World
from sandbox.faults import Switchboard

_NONCE_LIFE = timedelta(minutes=5)
_OPEN_TO_ALL = re.compile(r"/(?:webhooks|interactions)/\d+/[^/]+(?:/.*)?|/gateway")  # these are authorised by the token in their path
_CALLBACK = re.compile(r"POST /interactions/(\d+)/([^/]+)/callback")
# Which answers an interaction may get: message, deferral, deferred update, update, suggestions, modal.
_ANSWERS = {
    Asked.COMMAND: {4, 5, 9},
    Asked.COMPONENT: {4, 5, 6, 7, 9},
    Asked.AUTOCOMPLETE: {8},
    Asked.MODAL_SUBMIT: {4, 5, 6, 7},
}

Handler = Callable[[Call, re.Match[str]], Any]


@dataclass(frozen=True, kw_only=True)
class _Posted:
    channel_id: int
    message_id: int
    at: datetime


class Rest:
    """`/api/v10/*`."""

    def __init__(
        self,
        *,
        world: World,
        switchboard: Switchboard,
        interactions: Interactions,
        token: str,
        gateway_url: str,
        reads_content: bool,
        now: Callable[[], datetime],
    ) -> None:
        self._world = world
        self._interactions = interactions
        self._misbehaviour = Misbehaviour(switchboard=switchboard, world=world)
        self._switchboard = switchboard
        self._token = token
        self._gateway_url = gateway_url
        self._reads_content = reads_content
        self._now = now
        self._nonces: dict[str, _Posted] = {}
        self._routes: list[tuple[re.Pattern[str], Handler]] = [(re.compile(pattern), handler) for pattern, handler in self._table()]

    def _table(self) -> list[tuple[str, Handler]]:
        scope = r"/applications/\d+(?:/guilds/(?P<guild>\d+))?/commands"
        return [
            (r"GET /gateway(?:/bot)?", self._gateway),
            (r"(?:GET /oauth2|GET |PATCH )/applications/@me", self._application),
            (rf"(?P<verb>GET|PUT|POST) {scope}", self._commands),
            (rf"(?P<verb>GET|PATCH|DELETE) {scope}/(?P<command>\d+)", self._command),
            (r"POST /channels/(\d+)/messages", self._post),
            (_CALLBACK.pattern, self._callback),
            (r"[A-Z]+ /webhooks/(?P<application>\d+)/(?P<token>[^/]+)(?:/messages/.+)?", self._webhook),
        ]

    async def handle(self, request: web.Request) -> web.Response:
        try:
            call = await read_call(request)
            self._authorise(call)
            self._misbehaviour.before(call)
            payload = self._perform(call)
        except ApiError as error:
            return error_answer(error)
        if self._misbehaviour.loses_answer(call) and request.transport is not None:
            request.transport.abort()
        return answer(payload, headers=_limits(call))

    def _authorise(self, call: Call) -> None:
        if _OPEN_TO_ALL.fullmatch(call.path) is None and call.headers.get("authorization") != f"Bot {self._token}":
            raise unauthorised()

    def _perform(self, call: Call) -> Any:
        for pattern, handler in self._routes:
            match = pattern.fullmatch(call.line)
            if match:
                return handler(call, match)
        return self._pass_on(call)

    def _pass_on(self, call: Call) -> Any:
        return self._world.api.call(
            call.method,
            call.path,
            body=call.body,
            params=call.params,
            files=call.files,
            reason=call.reason,
            reads_content=self._reads_content,
        )

    # ------------------------------------------------------------- application

    def _gateway(self, call: Call, _: re.Match[str]) -> JSON:
        if call.path == "/gateway":
            return {"url": self._gateway_url}
        limits = {"total": 1000, "remaining": 1000, "reset_after": 86_400_000, "max_concurrency": 1}
        return {"url": self._gateway_url, "shards": 1, "session_start_limit": limits}

    def _application(self, _: Call, __: re.Match[str]) -> JSON:
        return {
            **self._world.api.call("GET", "/oauth2/applications/@me"),
            "owner": self._world.user_json(self._world.owner_id),
            "flags": 0,
            "approximate_guild_count": 1,
            "approximate_user_install_count": 0,
            "interactions_endpoint_url": None,
            "redirect_uris": [],
            "tags": [],
            "integration_types_config": {"0": {"oauth2_install_params": {"scopes": ["applications.commands", "bot"], "permissions": "0"}}},
        }

    def _commands(self, call: Call, match: re.Match[str]) -> Any:
        scope = int(match["guild"]) if match["guild"] else None
        if match["verb"] == "GET":
            return self._world.commands.in_scope(scope)
        if match["verb"] == "POST":
            return self._world.commands.upsert(scope, call.fields)
        if not isinstance(call.body, list):
            raise invalid_form("a list of commands is expected")
        return self._world.commands.replace(scope, call.body)

    def _command(self, call: Call, match: re.Match[str]) -> Any:
        scope = int(match["guild"]) if match["guild"] else None
        if match["verb"] == "DELETE":
            return self._world.commands.remove(scope, match["command"])
        if match["verb"] == "PATCH":
            return self._world.commands.edit(scope, match["command"], call.fields)
        return self._world.commands.get(scope, match["command"])

    # ---------------------------------------------------------------- messages

    def _post(self, call: Call, match: re.Match[str]) -> Any:
        """A nonce that was used a few minutes ago gives the message it made, instead of a second one."""
        nonce = call.fields.get("nonce")
        if nonce is None:
            return self._pass_on(call)
        nonce = str(nonce)
        if len(nonce) > 25:
            raise invalid_form("nonce: Must be 25 or fewer in length.")
        if call.fields.get("enforce_nonce"):
            known = self._posted_before(nonce)
            if known is not None:
                return {**known, "nonce": nonce}
        made = self._pass_on(call)
        self._nonces[nonce] = _Posted(channel_id=int(match[1]), message_id=int(made["id"]), at=self._now())
        return {**made, "nonce": nonce}

    def _posted_before(self, nonce: str) -> JSON | None:
        self._nonces = {key: posted for key, posted in self._nonces.items() if self._now() - posted.at < _NONCE_LIFE}
        posted = self._nonces.get(nonce)
        message = posted and self._world.find_message(posted.channel_id, posted.message_id)
        return self._world.message_json(message) if message else None

    # ------------------------------------------------------------ interactions

    def _callback(self, call: Call, match: re.Match[str]) -> Any:
        record = self._world.interaction(int(match[1]))
        if record is None or record.token != match[2]:
            raise ApiError(404, 10062, "Unknown interaction")
        self._check_answer(record, call.fields)
        given = self._pass_on(call)
        self._interactions.answered(record)
        return given if call.params.get("with_response", "").lower() in ("1", "true") else None

    def _check_answer(self, record: Interaction, body: JSON) -> None:
        kind, data = body.get("type"), body.get("data") or {}
        allowed = _ANSWERS[Asked(record.type)] - (set() if record.source_message_id else {6, 7})
        if kind not in allowed:
            raise invalid_form(f"type: an answer of type {kind} does not fit this interaction")
        choices = data.get("choices") or []
        if len(choices) > 25 or not all(1 <= len(str(choice.get("name", ""))) <= 100 for choice in choices):
            raise invalid_form("data.choices: at most 25, with names of 1 to 100 characters")

    def _webhook(self, call: Call, match: re.Match[str]) -> Any:
        """Messages of an interaction. A token that has died answers 401, not the 404 of one that never was."""
        record = self._world.interaction_by_token(match["token"])
        if record is not None and (self._world.has_expired(record) or (record.responded and self._switchboard.strikes("token-expired"))):
            raise ApiError(401, 50027, "Invalid Webhook Token")
        return self._pass_on(call)


def _limits(call: Call) -> dict[str, str]:
    """Rate limit headers of a bucket that is never used up."""
    bucket = re.sub(r"\d+|(?<=/webhooks/)[^/]+/[^/]+", "x", call.line)
    return {
        "X-RateLimit-Bucket": f"{zlib.crc32(bucket.encode()):08x}",
        "X-RateLimit-Limit": "50",
        "X-RateLimit-Remaining": "49",
        "X-RateLimit-Reset-After": "1.0",
        "X-RateLimit-Reset": f"{time.time() + 1:.3f}",
    }
