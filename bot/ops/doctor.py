"""`python -m bot doctor`: looks at everything the bot stands on, and says what each finding means and what to do."""

from __future__ import annotations

import asyncio
import ipaddress
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from bot.core.config import Settings
from bot.core.errors import DatabaseInUse, EaselError, ProviderAccount, ProviderError
from bot.core.log import Redactor
from bot.media.addresses import is_public
from bot.ops import doctor_images
from bot.ops.findings import Finding, Found, Mark, some
from bot.ops.portal import NEEDED, PERMISSIONS, Place, Portal
from bot.providers.moderations import moderations_of
from bot.store import kv
from bot.store.engine.opening import open_store

_LIMIT_S = 30.0  # for one check
_PLACES_MAX = 25  # servers that are looked at


@dataclass(frozen=True, kw_only=True)
class _Bag:
    """What the checks work with."""

    settings: Settings
    portal: Portal
    session: aiohttp.ClientSession


Check = Callable[[_Bag], Awaitable[Iterable[Found]]]


async def examine(settings: Settings, *, show: Callable[[Finding], object], limit_s: float = _LIMIT_S) -> bool:
    """Make every check, show the findings in the order of the table, and return whether nothing is bad."""
    redact = Redactor(settings.secrets)
    fine = True
    async with _bag(settings) as bag:
        tasks = [(what, asyncio.create_task(_make(check, bag, limit_s), name=f"check {what}")) for what, check in CHECKS]
        for what, task in tasks:
            for mark, text in await task:
                fine = fine and mark is not Mark.BAD
                show(Finding(mark=mark, what=what, text=redact(text)))
    return fine


@asynccontextmanager
async def _bag(settings: Settings) -> AsyncIterator[_Bag]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session, Portal.open(settings) as portal:
        yield _Bag(settings=settings, portal=portal, session=session)


async def _make(check: Check, bag: _Bag, limit_s: float) -> Iterable[Found]:
    """One check; whatever stops it is a finding too."""
    try:
        async with asyncio.timeout(limit_s):
            return await check(bag)
    except EaselError as error:
        return [(Mark.BAD, error.sentence)]
    except TimeoutError:
        return [(Mark.BAD, f"no answer within {limit_s:g} s.")]


# --- the checks --------------------------------------------------------------------------------------------------------


async def _settings(bag: _Bag) -> Iterable[Found]:
    given = sorted(name.upper() for name in bag.settings.model_fields_set)
    found = [(Mark.OK, f"they can all be read; given are {', '.join(given)}.")]
    asked = [("MODERATIONS_URL", bag.settings.moderations_url)] if bag.settings.moderations_url else []
    for name, value in (("DISCORD_API_URL", bag.settings.discord_api_url), *doctor_images.addresses(bag.settings), *asked):
        host = urlsplit(value).hostname or ""
        if value.startswith("http://") and not await _is_here(host):
            found.append((Mark.WARN, f"{name} is plain http, so what is sent to {host}, secrets too, can be read on its way; use https."))
    return found


async def _database(bag: _Bag) -> Iterable[Found]:
    path = await asyncio.to_thread(_missing_file, bag.settings.database)
    if path is not None:
        return [await asyncio.to_thread(_may_be_made, path)]
    try:
        async with open_store(bag.settings.database, migrate=False) as store:
            await store.write(kv.forget, "doctor", 0)  # takes nothing away, but only a database that takes writes allows it
            return [(Mark.OK, f"it can be read and written, at schema {store.migration.after}.")]
    except DatabaseInUse:
        return [(Mark.OK, "a running bot holds it, so it was left alone.")]


async def _token(bag: _Bag) -> Iterable[Found]:
    user, application = await asyncio.gather(bag.portal.me(), bag.portal.application())
    return [(Mark.OK, f"Discord knows it: {user.username}, application {application.name} ({application.id}).")]


async def _intents(bag: _Bag) -> Iterable[Found]:
    flags = (await bag.portal.application()).flags
    states = [f"{name} {'on' if flags & bits else 'off'}" for name, bits in _INTENT_FLAGS.items()]
    return [(Mark.OK, f"{', '.join(states)}; Easel needs none of these.")]


async def _commands(bag: _Bag) -> Iterable[Found]:
    names = await bag.portal.command_names((await bag.portal.application()).id)
    if not names:
        return [(Mark.WARN, "none are registered yet; the first `python -m bot run` does it, or `python -m bot sync`.")]
    return [(Mark.OK, f"{len(names)} are registered.")]


async def _permissions(bag: _Bag) -> Iterable[Found]:
    user, guilds = await asyncio.gather(bag.portal.me(), bag.portal.guilds())
    if not guilds:
        return [(Mark.WARN, "the bot is in no server yet; `python -m bot invite` prints the address that brings it to one.")]
    found: list[Found] = []
    for guild in guilds[:_PLACES_MAX]:
        found += _rights(await bag.portal.place(guild.id, user.id))
    if len(guilds) > _PLACES_MAX:
        found.append((Mark.OK, f"{len(guilds) - _PLACES_MAX} more servers were not looked at."))
    return found


async def _gateway(bag: _Bag) -> Iterable[Found]:
    limit = (await bag.portal.gateway()).session_start_limit
    address = URL(bag.settings.discord_gateway_url).update_query(v="10", encoding="json")
    try:
        async with bag.session.ws_connect(address) as socket:
            hello = await socket.receive_json()
    except (aiohttp.ClientError, OSError, TypeError, ValueError) as error:
        return [(Mark.BAD, f"DISCORD_GATEWAY_URL does not answer as Discord does ({type(error).__name__}); is a proxy in between?")]
    if not isinstance(hello, dict) or hello.get("op") != 10:
        return [(Mark.BAD, "DISCORD_GATEWAY_URL answers, but not with Discord's greeting.")]
    mark = Mark.OK if limit.remaining > 10 else Mark.WARN
    return [(mark, f"it greets us; {limit.remaining} of {limit.total} starts are left today.")]


async def _image_apis(bag: _Bag) -> Iterable[Found]:
    return await doctor_images.look_at_apis(bag.settings, bag.session)


async def _event_stream(bag: _Bag) -> Iterable[Found]:
    return await doctor_images.look_at_stream(bag.settings, bag.session)


async def _moderations(bag: _Bag) -> Iterable[Found]:
    endpoint = moderations_of(bag.settings, bag.session)
    if endpoint is None:
        return [(Mark.OK, "not used, because there is no MODERATIONS_URL.")]
    try:
        scores = await endpoint.check_text("a red fox in the snow")
    except ProviderAccount as error:
        return [(Mark.BAD, f"{error.sentence} Check MODERATIONS_URL, MODERATIONS_KEY and MODERATIONS_MODEL.")]
    except ProviderError as error:
        away = "servers that use it go by what their managers chose for that time"
        return [(Mark.WARN, f"{error.sentence} Until it answers, {away}.")]
    return [(Mark.OK, f"it answers, with {len(scores.by_category)} categories; each server's managers decide whether it is used there.")]


async def _hosts(bag: _Bag) -> Iterable[Found]:
    settings = bag.settings
    own = ", ".join(dict.fromkeys(urlsplit(address).netloc for _, address in doctor_images.addresses(settings)))
    results = f"only {', '.join(settings.result_hosts)}" if settings.result_hosts else "any public https address that an image API names"
    found = [(Mark.OK, f"results are fetched from {results}, and from {own}; references from {', '.join(settings.discord_cdn_hosts)}.")]
    named = {"DISCORD_CDN_HOSTS": settings.discord_cdn_hosts, "RESULT_HOSTS": settings.result_hosts}
    for setting, hosts in named.items():
        unknown = [host for host in hosts if not await _addresses(_name(host))]
        if unknown:
            found.append(
                (Mark.BAD, f"{setting} names {', '.join(unknown)}, which this machine cannot find; check the spelling and the DNS.")
            )
    return found


CHECKS: tuple[tuple[str, Check], ...] = (
    ("settings", _settings),
    ("database", _database),
    ("Discord token", _token),
    ("intents", _intents),
    ("commands", _commands),
    ("permissions", _permissions),
    ("gateway", _gateway),
    ("image APIs", _image_apis),
    ("event stream", _event_stream),
    ("moderations", _moderations),
    ("picture hosts", _hosts),
)


# --- their parts -------------------------------------------------------------------------------------------------------

# Flags of an application whose intents are on, also in their form for small bots.
# Source: https://discord.com/developers/docs/resources/application#application-object-application-flags
_INTENT_FLAGS = {"message content": 1 << 18 | 1 << 19, "server members": 1 << 14 | 1 << 15, "presence": 1 << 12 | 1 << 13}


def _rights(place: Place) -> list[Found]:
    """What is missing in one server, and what that means."""
    missing = [permission for permission in PERMISSIONS if not place.everywhere & permission.bit]
    if missing:
        meanings = "; ".join(f"without {permission.name} {permission.without}" for permission in missing)
        return [(Mark.WARN, f"{place.name}: {meanings}. Give the bot's role these rights, or invite it anew with `python -m bot invite`.")]
    narrow = [f"#{name}" for name, rights in place.channels if rights & NEEDED != NEEDED]
    if narrow:
        told = f"fine, but the rules of {some(narrow)} take rights away; late pictures go to direct messages there."
        return [(Mark.WARN, f"{place.name}: {told}")]
    return [(Mark.OK, f"{place.name}: everything that is needed.")]


def _missing_file(database: str) -> Path | None:
    """Where an SQLite database will be, if it is not there yet."""
    path = Path(database.removeprefix("sqlite:///")).expanduser()
    return path if database.startswith("sqlite:") and not path.exists() else None


def _may_be_made(path: Path) -> Found:
    folder = next(folder for folder in path.absolute().parents if folder.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return Mark.BAD, f"{path} is not there, and {folder} cannot be written to; check DATA_DIR and who owns it."
    return Mark.OK, f"{path} is not there yet; the first start makes it."


def _name(host: str) -> str:
    return urlsplit(f"//{host}").hostname or host


async def _addresses(host: str) -> list[str]:
    """The numbers behind a name; empty where there are none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None)
    except OSError:
        return []
    return [str(address[0]).partition("%")[0] for _, _, _, _, address in found]


async def _is_here(host: str) -> bool:
    """Whether a host is on this machine or this network."""
    addresses = [ipaddress.ip_address(each) for each in await _addresses(host)]
    return bool(addresses) and not any(is_public(each) for each in addresses)
