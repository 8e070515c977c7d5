"""The HTTP API, version 10. Authorisation, tokens and commands are handled here, everything else in the world.

Source: https://discord.com/developers/docs/reference
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from sandbox.discord.archived import REOPEN, ArchivedThreads
from sandbox.discord.calls import ApiCall, RefusedCall, answer, error_answer, read_call
from sandbox.discord.http_faults import HttpFaults
from sandbox.discord.interactions import Interactions, InteractionType
from sandbox.discord.posting import Posting
from sandbox.discord.sharding import Sharding
from sandbox.discord.wire import JSON, DiscordApiError, application_flags, invalid_form, unauthorised
from sandbox.discord.world import Interaction, World
from sandbox.faults import Switchboard

_GUILD_OR_CHANNEL = re.compile(r"/(?:channels|guilds|applications/\d+/guilds)/(\d+)(?:/.*)?")  # the server or channel in a path
_INVALID = (401, 403, 404, 429)  # Discord bans a bot that gets too many of these
_MOST_LINKS = 50  # per request to refresh links
_MOST_PEOPLE = 100  # per page of people who reacted
_OPEN_TO_ALL = re.compile(r"/(?:webhooks|interactions)/\d+/[^/]+(?:/.*)?|/gateway")  # authorised by the token in their path
_CALLBACK = re.compile(r"POST /interactions/(\d+)/([^/]+)/callback")
# The answer types that Discord accepts by interaction type: 4 message, 5 deferral, 6 deferred update, 7 update, 8 suggestions, 9 modal.
_ANSWERS = {
    InteractionType.COMMAND: {4, 5, 9},
    InteractionType.COMPONENT: {4, 5, 6, 7, 9},
    InteractionType.AUTOCOMPLETE: {8},
    InteractionType.MODAL_SUBMIT: {4, 5, 6, 7},
}

_TRUE = ("1", "true")

Handler = Callable[[ApiCall, re.Match[str]], Any]


class RestApi:
    """`/api/v10/*`."""

    def __init__(
        self,
        *,
        world: World,
        switchboard: Switchboard,
        sharding: Sharding,
        interactions: Interactions,
        token: str,
        gateway_url: str,
        privileged: frozenset[str],
        now: Callable[[], datetime],
    ) -> None:
        self._world = world
        self._sharding = sharding
        self._interactions = interactions
        self._faults = HttpFaults(switchboard=switchboard, world=world)
        self._switchboard = switchboard
        self._token = token
        self._gateway_url = gateway_url
        self._privileged = privileged
        self.refused: list[RefusedCall] = []
        self._posting = Posting(world=world, now=now)
        self._archived = ArchivedThreads(world=world)
        self._routes: list[tuple[re.Pattern[str], Handler]] = [(re.compile(pattern), handler) for pattern, handler in self._table()]

    def _table(self) -> list[tuple[str, Handler]]:
        scope = r"/applications/\d+(?:/guilds/(?P<guild>\d+))?/commands"
        return [
            (r"GET /gateway(?:/bot)?", self._gateway),
            (r"(?:GET /oauth2|GET |PATCH )/applications/@me", self._application),
            (rf"(?P<verb>GET|PUT|POST) {scope}", self._commands),
            (rf"(?P<verb>GET|PATCH|DELETE) {scope}/(?P<command>\d+)", self._command),
            (r"GET /users/@me/guilds", self._guilds),
            (r"POST /channels/\d+/messages", self._post),
            (REOPEN, self._edit_channel),
            (r"GET /channels/\d+/messages/(?P<message>\d+)/reactions/(?P<emoji>[^/]+)", self._reacted),
            (r"POST /attachments/refresh-urls", self._refresh_links),
            (_CALLBACK.pattern, self._callback),
            (r"[A-Z]+ /webhooks/(?P<application>\d+)/(?P<token>[^/]+)(?:/messages/.+)?", self._webhook),
        ]

    async def handle(self, request: web.Request) -> web.Response:
        try:
            call = await read_call(request)
            self._authorise(call)
            self._check_reach(call)
            self._faults.before(call)
            self._posting.check(call)
            self._archived.check(call)
            payload = self._perform(call)
            self._faults.after(call, request.transport)
        except DiscordApiError as error:
            if error.status in _INVALID:
                self.refused.append(RefusedCall(status=error.status, line=call.line, message_id=self._message_of(call)))
            return error_answer(error)
        return answer(payload, headers=_limits(call))

    def _authorise(self, call: ApiCall) -> None:
        if _OPEN_TO_ALL.fullmatch(call.path) is None and call.headers.get("authorization") != f"Bot {self._token}":
            raise unauthorised()

    def _check_reach(self, call: ApiCall) -> None:
        """The bot's token has no access to servers and channels without the bot, even if people use the application there."""
        target = _GUILD_OR_CHANNEL.fullmatch(call.path)
        if target and self._world.is_out_of_reach(int(target[1])):
            raise DiscordApiError(403, 50001, "Missing Access")

    def _perform(self, call: ApiCall) -> Any:
        for pattern, handler in self._routes:
            match = pattern.fullmatch(call.line)
            if match:
                return handler(call, match)
        return self._forward(call)

    def _message_of(self, call: ApiCall) -> int | None:
        """The message that the call is about: the one in its path, or the first answer to the interaction whose token is in its path."""
        named, token = re.search(r"/messages/(\d+)", call.path), re.match(r"/webhooks/\d+/([^/]+)", call.path)
        record = self._world.interaction_by_token(token[1]) if token else None
        return int(named[1]) if named else (record.message_id if record else None)

    def _forward(self, call: ApiCall) -> Any:
        return self._world.api.call(
            call.method,
            call.path,
            body=call.body,
            params=call.params,
            files=call.files,
            reason=call.reason,
            reads_content="message_content" in self._privileged and not self._switchboard.fires("content-hidden"),
        )

    # ------------------------------------------------------------- application

    def _gateway(self, call: ApiCall, _: re.Match[str]) -> JSON:
        if call.path == "/gateway":
            return {"url": self._gateway_url}
        return {"url": self._gateway_url, **self._sharding.limits()}

    def _application(self, _: ApiCall, __: re.Match[str]) -> JSON:
        return {
            **self._world.api.call("GET", "/oauth2/applications/@me"),
            "owner": self._world.members.user_json(self._world.owner_id),
            "flags": application_flags(self._privileged),
            "approximate_guild_count": 1,
            "approximate_user_install_count": len(self._world.members.everybody),
            "interactions_endpoint_url": None,
            "redirect_uris": [],
            "tags": [],
            "integration_types_config": {
                "0": {"oauth2_install_params": {"scopes": ["applications.commands", "bot"], "permissions": "0"}},
                "1": {"oauth2_install_params": {"scopes": ["applications.commands"], "permissions": "0"}},
            },
        }

    def _guilds(self, call: ApiCall, _: re.Match[str]) -> list[JSON]:
        return [guild for guild in self._forward(call) if not self._world.is_out_of_reach(int(guild["id"]))]

    def _commands(self, call: ApiCall, match: re.Match[str]) -> Any:
        scope = int(match["guild"]) if match["guild"] else None
        if match["verb"] == "GET":
            return self._world.commands.in_scope(scope, localised=call.params.get("with_localizations", "").lower() in _TRUE)
        if match["verb"] == "POST":
            return self._world.commands.upsert(scope, call.fields)
        if not isinstance(call.body, list):
            raise invalid_form("a list of commands is expected")
        return self._world.commands.replace(scope, call.body)

    def _command(self, call: ApiCall, match: re.Match[str]) -> Any:
        scope = int(match["guild"]) if match["guild"] else None
        if match["verb"] == "DELETE":
            return self._world.commands.remove(scope, match["command"])
        if match["verb"] == "PATCH":
            return self._world.commands.edit(scope, match["command"], call.fields)
        return self._world.commands.get(scope, match["command"])

    # ---------------------------------------------------------------- messages

    def _post(self, call: ApiCall, _: re.Match[str]) -> Any:
        """Post a message. With a nonce of the last few minutes, return its message instead of posting another."""
        return self._posting.known(call) or self._posting.note(call, self._forward(call))

    def _edit_channel(self, call: ApiCall, match: re.Match[str]) -> Any:
        return self._archived.reopen(call, match) or self._forward(call)

    def _reacted(self, call: ApiCall, match: re.Match[str]) -> list[JSON]:
        """The people who reacted with an emoji, ordered by id, one page; with `type` 1 those who gave a super reaction."""
        after, limit = int(call.params.get("after", 0)), min(int(call.params.get("limit", 25)), _MOST_PEOPLE)
        is_burst, normal = call.params.get("type") == "1", self._forward(call)
        found = self._world.burst_users_json(int(match["message"]), unquote(match["emoji"])) if is_burst else normal
        people = sorted(found, key=lambda user: int(user["id"]))
        return [user for user in people if int(user["id"]) > after][:limit]

    def _refresh_links(self, call: ApiCall, _: re.Match[str]) -> JSON:
        """Sign links to attachments again, also of deleted messages. Links to other hosts are returned unchanged."""
        links = call.fields.get("attachment_urls")
        if not isinstance(links, list) or not 1 <= len(links) <= _MOST_LINKS:
            raise invalid_form(f"attachment_urls: Must be between 1 and {_MOST_LINKS} in length.")
        return {"refreshed_urls": [{"original": link, "refreshed": self._world.refresh_link(str(link))} for link in links]}

    # ------------------------------------------------------------ interactions

    def _callback(self, call: ApiCall, match: re.Match[str]) -> Any:
        record = self._world.interaction(int(match[1]))
        if record is None or record.token != match[2]:
            raise DiscordApiError(404, 10062, "Unknown interaction")
        self._check_answer(record, call.fields)
        given = self._forward(call)
        self._interactions.answered(record)
        return given if call.params.get("with_response", "").lower() in _TRUE else None

    def _check_answer(self, record: Interaction, body: JSON) -> None:
        kind, data = body.get("type"), body.get("data") or {}
        allowed = _ANSWERS[InteractionType(record.type)] - (set() if record.source_message_id else {6, 7})
        if kind not in allowed:
            raise invalid_form(f"type: an answer of type {kind} does not fit this interaction")
        choices = data.get("choices") or []
        if len(choices) > 25 or not all(1 <= len(str(choice.get("name", ""))) <= 100 for choice in choices):
            raise invalid_form("data.choices: at most 25, with names of 1 to 100 characters")

    def _webhook(self, call: ApiCall, match: re.Match[str]) -> Any:
        """Messages of an interaction. An expired token answers 401, an unknown one 404."""
        record = self._world.interaction_by_token(match["token"])
        if record is not None and (self._world.has_expired(record) or self._faults.has_expired(record)):
            raise DiscordApiError(401, 50027, "Invalid Webhook Token")
        return self._forward(call)


def _limits(call: ApiCall) -> dict[str, str]:
    """Rate limit headers of a bucket that is never exhausted."""
    bucket = re.sub(r"\d+|(?<=/webhooks/)[^/]+/[^/]+", "x", call.line)
    return {
        "X-RateLimit-Bucket": f"{zlib.crc32(bucket.encode()):08x}",
        "X-RateLimit-Limit": "50",
        "X-RateLimit-Remaining": "49",
        "X-RateLimit-Reset-After": "1.0",
        "X-RateLimit-Reset": f"{time.time() + 1:.3f}",
    }
