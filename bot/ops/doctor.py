"""`python -m bot doctor`: check everything that the bot depends on, and say for each finding what it means and what to do."""

from __future__ import annotations

import asyncio
import ipaddress
import os
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from bot.core import private_files
from bot.core.config import Settings
from bot.core.errors import DatabaseInUse, EaselError, ImageError, ProviderAccount, ProviderError, StartError
from bot.core.log import Redactor
from bot.media.addresses import AddressRules, HostNotListed, is_public
from bot.ops import doctor_images
from bot.ops.findings import Finding, Severity, bad, ok, some, warn
from bot.ops.portal import PERMISSIONS, GuildReport, Portal
from bot.providers.factory import UNKNOWN_API, image_apis_of, result_rules
from bot.providers.moderations import moderations_of
from bot.store import delivery, kv
from bot.store.engine.opening import open_store, read_once
from bot.store.money import audit

_LIMIT_S = 30.0  # for one check
_GUILDS_MAX = 25  # servers whose permissions are checked
_FEW_STARTS = 10  # connections to the gateway that are left today

Check = Callable[[Settings, aiohttp.ClientSession], Awaitable[Iterable[Finding]]]
Show = Callable[[Finding], object]


async def examine(settings: Settings, *, show: Show, limit_s: float = _LIMIT_S) -> bool:
    """Run every check at the same time, show the findings in the order of `CHECKS`, and return whether none is bad."""
    redact = Redactor(settings.secrets)
    fine = True
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        tasks = {name: asyncio.create_task(_run(check, settings, session, limit_s), name=f"check {name}") for name, check in CHECKS}
        for name, task in tasks.items():
            for finding in await task:
                fine = fine and finding.severity is not Severity.BAD
                show(replace(finding, check=name, text=redact(finding.text)))
    return fine


async def examine_ledger(settings: Settings, *, show: Show) -> bool:
    """Show a line for each discrepancy in the ledger, or one that says what was read, and return whether there is none.

    It works beside a running bot. Raises `StartError`.
    """
    proof = await read_once(settings.database, audit.prove)
    counted = f"{proof.accounts} accounts, {proof.lines} lines and {proof.images} images"
    fine = ok(f"{counted} were read, and every credit is accounted for.")
    for finding in [bad(sentence) for sentence in proof.wrong] or [fine]:
        show(replace(finding, check="ledger"))
    return not proof.wrong


async def _run(check: Check, settings: Settings, session: aiohttp.ClientSession, limit_s: float) -> Iterable[Finding]:
    """One check. If an error or the time limit ends it, that is its finding."""
    try:
        async with asyncio.timeout(limit_s):
            return await check(settings, session)
    except EaselError as error:
        return [bad(error.sentence)]
    except TimeoutError:
        return [bad(f"no answer within {limit_s:g} s.")]


# --- the checks --------------------------------------------------------------------------------------------------------


async def _settings(settings: Settings, _: aiohttp.ClientSession) -> Iterable[Finding]:
    given = sorted(name.upper() for name in settings.model_fields_set)
    findings = [ok(f"they can all be read; given are {', '.join(given)}.")]
    moderations = [("MODERATIONS_URL", settings.moderations_url)] if settings.moderations_url else []
    for name, value in (("DISCORD_API_URL", settings.discord_api_url), *doctor_images.addresses(settings), *moderations):
        host = urlsplit(value).hostname or ""
        if value.startswith("http://") and not await _is_local(host):
            findings.append(warn(f"{name} is plain http, so what is sent to {host}, secrets too, can be read on its way; use https."))
    return findings


async def _limits(settings: Settings, _: aiohttp.ClientSession) -> Iterable[Finding]:
    whole, server = settings.monthly_limit_usd, settings.monthly_limit_usd_per_server
    servers = "every server" if settings.servers == "any" else f"{len(settings.servers)} servers"
    cost = f"images cost you at most ${whole:,.2f} a month in all and ${min(whole, server):,.2f} for each server"
    may = ", ".join(settings.managers_may_set) or "nothing"
    return [ok(f"{cost}; the bot works in {servers}, whose managers may set: {may}.")]


async def _database(settings: Settings, _: aiohttp.ClientSession) -> Iterable[Finding]:
    path = await asyncio.to_thread(_missing_file, settings.database)
    if path is not None:
        return [await asyncio.to_thread(_can_be_created, path)]
    try:
        async with open_store(settings.database, migrate=False) as store:
            await store.write(kv.forget, "doctor", 0)  # deletes nothing, but fails where the database cannot be written
            findings = [ok(f"it can be read and written, at schema {store.migration.after}.")]
            return findings + await asyncio.to_thread(_privacy, settings.data_dir)
    except DatabaseInUse:
        return [ok("a running bot holds it, so it was left alone.")]


async def _token(settings: Settings, _: aiohttp.ClientSession) -> Iterable[Finding]:
    async with Portal.open(settings) as portal:
        application = portal.application
        return [ok(f"Discord knows it: {portal.user.name}, application {application.name} ({application.id}).")]


async def _intents(settings: Settings, _: aiohttp.ClientSession) -> Iterable[Finding]:
    async with Portal.open(settings) as portal:
        flags = portal.application.flags
    granted = {  # the limited form is that of bots in few servers
        "message content": flags.gateway_message_content or flags.gateway_message_content_limited,
        "server members": flags.gateway_guild_members or flags.gateway_guild_members_limited,
        "presence": flags.gateway_presence or flags.gateway_presence_limited,
    }
    states = [f"{name} {'on' if is_on else 'off'}" for name, is_on in granted.items()]
    return [ok(f"{', '.join(states)}; Easel needs none of these.")]


async def _commands(settings: Settings, _: aiohttp.ClientSession) -> Iterable[Finding]:
    async with Portal.open(settings) as portal:
        commands = await portal.commands()
    if not commands:
        return [warn("none are registered yet; the first `python -m bot run` does it, or `python -m bot sync`.")]
    return [ok(f"{len(commands)} are registered.")]


async def _permissions(settings: Settings, _: aiohttp.ClientSession) -> Iterable[Finding]:
    async with Portal.open(settings) as portal:
        guild_ids = await portal.guild_ids()
        findings = [_judge_guild(await portal.report(guild_id)) for guild_id in guild_ids[:_GUILDS_MAX]]
    others = [] if settings.servers == "any" else [str(guild_id) for guild_id in guild_ids if guild_id not in settings.servers]
    if others:
        findings.append(warn(f"the bot is in servers that SERVERS does not name, and does nothing there: {some(others)}."))
    if not guild_ids:
        return [warn("the bot is in no server yet; `python -m bot invite` prints the address that adds it to one.")]
    if len(guild_ids) > _GUILDS_MAX:
        findings.append(ok(f"{len(guild_ids) - _GUILDS_MAX} more servers were not checked."))
    return findings


async def _gateway(settings: Settings, session: aiohttp.ClientSession) -> Iterable[Finding]:
    async with Portal.open(settings) as portal:
        starts = await portal.session_starts()
    address = URL(settings.discord_gateway_url).update_query(v="10", encoding="json")
    try:
        async with session.ws_connect(address) as socket:
            hello = await socket.receive_json()
    except (aiohttp.ClientError, OSError, TypeError, ValueError) as error:
        return [bad(f"DISCORD_GATEWAY_URL does not answer as Discord does ({type(error).__name__}); is a proxy in between?")]
    if not isinstance(hello, dict) or hello.get("op") != 10:
        return [bad("DISCORD_GATEWAY_URL answers, but not as Discord's gateway does.")]
    judge = ok if starts.remaining > _FEW_STARTS else warn
    return [judge(f"it answers; {starts.remaining} of {starts.total} starts are left today.")]


async def _moderations(settings: Settings, session: aiohttp.ClientSession) -> Iterable[Finding]:
    endpoint = moderations_of(settings, session)
    if endpoint is None:
        return [ok("not used, because there is no MODERATIONS_URL.")]
    try:
        scores = await endpoint.check_text("a red fox in the snow")
    except ProviderAccount as error:
        return [bad(f"{error.sentence} Check MODERATIONS_URL, MODERATIONS_KEY and MODERATIONS_MODEL.")]
    except ProviderError as error:
        return [warn(f"{error.sentence} Until it answers, servers that use it do what their managers chose for this case.")]
    return [ok(f"it answers, with {len(scores.by_category)} categories; each server's managers decide whether it is used there.")]


async def _hosts(settings: Settings, _: aiohttp.ClientSession) -> Iterable[Finding]:
    own = ", ".join(dict.fromkeys(urlsplit(address).netloc for _, address in doctor_images.addresses(settings)))
    results = ", and from ".join(filter(None, ("each image API's own hosts", ", ".join(settings.result_hosts))))
    findings = [ok(f"results are fetched from {results}, and from {own}; references from {', '.join(settings.discord_cdn_hosts)}.")]
    findings += [
        bad(f"results of {api} wait at {host}, which is none of its hosts; if it is right, add it to RESULT_HOSTS.")
        for api, host in await _refused_hosts(settings)
    ]
    for setting, hosts in (("DISCORD_CDN_HOSTS", settings.discord_cdn_hosts), ("RESULT_HOSTS", settings.result_hosts)):
        unknown = [host for host in hosts if "*" not in host and not await _resolve(urlsplit(f"//{host}").hostname or host)]
        if unknown:
            findings.append(bad(f"{setting} names {', '.join(unknown)}, which this machine cannot find; check the spelling and the DNS."))
    return findings


async def _refused_hosts(settings: Settings) -> list[tuple[str, str]]:
    """The image APIs and hosts of results that wait because no setting lists their hosts; none if the database cannot be read now."""
    rules = result_rules(image_apis_of(settings), more_hosts=settings.result_hosts)
    try:
        links = await read_once(settings.database, delivery.waiting_links)
    except StartError:  # the check of the database says why
        return []
    refused = [(api, url) for api, url in links if _is_unlisted(rules.get(api, rules[UNKNOWN_API]), url)]
    return sorted({(api, URL(url).host or "") for api, url in refused})


def _is_unlisted(rules: AddressRules, url: str) -> bool:
    try:
        rules.check(url)
    except HostNotListed:
        return True
    except ImageError:
        return False
    return False


CHECKS: tuple[tuple[str, Check], ...] = (
    ("settings", _settings),
    ("limits", _limits),
    ("database", _database),
    ("Discord token", _token),
    ("intents", _intents),
    ("commands", _commands),
    ("permissions", _permissions),
    ("gateway", _gateway),
    ("image APIs", doctor_images.check_apis),
    ("event stream", doctor_images.check_event_stream),
    ("moderations", _moderations),
    ("image hosts", _hosts),
)


# --- their parts -------------------------------------------------------------------------------------------------------


def _judge_guild(report: GuildReport) -> Finding:
    if report.missing:
        effects = "; ".join(PERMISSIONS[name] for name in report.missing)
        return warn(f"{report.name}: {effects}. Give the bot's role these permissions, or invite it again with `python -m bot invite`.")
    if report.restricted_channels:
        names = some([f"#{name}" for name in report.restricted_channels])
        told = f"fine, but permissions are missing in {names}; images that take over 15 minutes go to direct messages there."
        return warn(f"{report.name}: {told}")
    return ok(f"{report.name}: everything that is needed.")


def _missing_file(database: str) -> Path | None:
    """The file of an SQLite database that does not exist yet."""
    path = Path(database.removeprefix("sqlite:///")).expanduser()
    return path if database.startswith("sqlite:") and not path.exists() else None


def _privacy(folder: Path) -> list[Finding]:
    """What other users of this machine can reach."""
    if not folder.exists() or not private_files.is_open_to_others(folder):
        return []
    return [warn(f"other users of this machine can enter {folder.absolute()}, which holds prompts and images: chmod 700 it.")]


def _can_be_created(path: Path) -> Finding:
    folder = next(folder for folder in path.absolute().parents if folder.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return bad(f"{path} is not there, and {folder} cannot be written to; check DATA_DIR and who owns it.")
    return ok(f"{path} is not there yet; the first start creates it.")


async def _resolve(host: str) -> list[str]:
    """The IP addresses of a host; empty if it has none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None)
    except OSError:
        return []
    return [str(address[0]).partition("%")[0] for _, _, _, _, address in found]


async def _is_local(host: str) -> bool:
    """Whether a host is on this machine or this network."""
    addresses = [ipaddress.ip_address(each) for each in await _resolve(host)]
    return bool(addresses) and not any(is_public(each) for each in addresses)
