"""`python -m bot doctor`: check everything that the bot depends on, and say for each finding what it means and what to do."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from yarl import URL

from bot.core import private_files
from bot.core.config import Settings, SettingsReport
from bot.core.errors import DatabaseInUse, EaselError, ImageError, ProviderAccount, ProviderError, StartError
from bot.core.log import Redactor
from bot.core.settings.complaints import NO_SETTINGS, Need
from bot.media.addresses import AddressRules, HostNotListed, is_public
from bot.ops import doctor_backup, doctor_discord, doctor_images
from bot.ops.examination import Examination
from bot.ops.findings import Finding, NotCheckedError, Severity, bad, ok, skip, some, warn
from bot.providers.factory import UNKNOWN_API, image_apis_of, result_rules
from bot.providers.moderations import moderations_of
from bot.store import delivery, kv
from bot.store.engine import sqlite_check
from bot.store.engine.opening import open_store, read_once, sqlite_file
from bot.store.money import audit

_LIMIT_S = 30.0  # for one check

Check = Callable[[Examination], Awaitable[Iterable[Finding]]]
Show = Callable[[Finding], object]


async def examine(given: SettingsReport, *, show: Show, limit_s: float = _LIMIT_S) -> bool:
    """Run every check at the same time, show the findings in the order of `CHECKS`, and return whether none is bad."""
    redact = Redactor(given.settings.secrets)
    fine = True
    async with Examination.open(given) as examination:
        tasks = {name: asyncio.create_task(_run(check, examination, limit_s), name=f"check {name}") for name, check in CHECKS}
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


async def _run(check: Check, examination: Examination, limit_s: float) -> Iterable[Finding]:
    """One check. If an error or the time limit ends it, that is its finding."""
    try:
        async with asyncio.timeout(limit_s):
            return await check(examination)
    except NotCheckedError as reason:
        return [skip(str(reason))]
    except EaselError as error:
        return [bad(error.sentence)]
    except TimeoutError:
        return [bad(f"no answer within {limit_s:g} s.")]


# --- the checks --------------------------------------------------------------------------------------------------------


async def _settings(examination: Examination) -> Iterable[Finding]:
    given, settings = examination.given, examination.settings
    findings = [bad(sentence) for sentence in (*given.wrong, *([NO_SETTINGS] if given.is_first_start else []))]
    findings += [warn(sentence) for sentence in given.warnings]
    if not any(finding.severity is Severity.BAD for finding in findings):
        names = ", ".join(sorted(name.upper() for name in settings.model_fields_set))
        findings.append(ok(f"all of them are valid; set are {names}." if names else "none are set."))
    moderations = [("MODERATIONS_URL", settings.moderations_url)] if settings.moderations_url else []
    findings += _proxy(settings, [url for _, url in (*doctor_images.addresses(settings), *moderations)])
    for name, value in (("DISCORD_API_URL", settings.discord_api_url), *doctor_images.addresses(settings), *moderations):
        host = urlsplit(value).hostname or ""
        if value.startswith("http://") and not await _is_local(host):
            findings.append(warn(f"{name} is plain http, so everything that is sent to {host}, even secrets, can be read; use https."))
    return findings


def _proxy(settings: Settings, urls: Iterable[str]) -> list[Finding]:
    """Which services are called through the proxy."""
    proxies = settings.proxies
    if not proxies.https_proxy:
        return []
    hosts = {urlsplit(url).netloc: bool(proxies.proxy_for(url)) for url in urls}
    through, direct = (sorted(host for host, is_through in hosts.items() if is_through is wanted) for wanted in (True, False))
    if not through:
        return [warn("HTTPS_PROXY is used for no service; it is only for https addresses that NO_PROXY does not name.")]
    others = f" Called without it: {some(direct)}, and Discord." if direct else " Discord is called without it."
    return [ok(f"{some(through)}: called through the proxy {proxies.shown}.{others}")]


async def _limits(examination: Examination) -> Iterable[Finding]:
    settings = examination.settings
    whole, server = settings.monthly_limit_usd, settings.monthly_limit_usd_per_server
    count = len(settings.servers)
    servers = "every server" if settings.servers == "any" else f"{count} server{'s' if count > 1 else ''}"
    cost = f"images cost you at most ${whole:,.2f} a month in all and ${min(whole, server):,.2f} for each server"
    may = ", ".join(settings.managers_may_set) or "nothing"
    return [ok(f"{cost}; the bot works in {servers}, whose managers may set: {may}.")]


async def _database(examination: Examination) -> Iterable[Finding]:
    settings = examination.settings
    path = await asyncio.to_thread(_missing_file, settings.database)
    if path is not None:
        return [await asyncio.to_thread(_can_be_created, path)]
    try:
        async with open_store(settings.database, migrate=False) as store:
            await store.write(kv.forget, "doctor", 0)  # deletes nothing, but fails where the database cannot be written
            findings = [ok(f"it can be read and written, at schema {store.migration.after}.")]
            return findings + await asyncio.to_thread(_privacy, settings.data_dir)
    except DatabaseInUse:
        return [await asyncio.to_thread(_in_use, sqlite_file(settings.database))]


async def _image_apis(examination: Examination) -> Iterable[Finding]:
    if examination.lacks(Need.IMAGES):
        return [bad(Need.IMAGES)]
    failures = await doctor_images.check_last_failures(examination.settings)
    return [*doctor_images.judge(examination.settings, await examination.apis()), *failures]


async def _event_stream(examination: Examination) -> Iterable[Finding]:
    return await doctor_images.check_event_stream(examination.settings, examination.session, await examination.apis())


async def _moderations(examination: Examination) -> Iterable[Finding]:
    endpoint = moderations_of(examination.settings, examination.session)
    if endpoint is None:
        return [ok("not used, because there is no MODERATIONS_URL.")]
    try:
        scores = await endpoint.check_text("a red fox in the snow")
    except ProviderAccount as error:
        return [bad(f"{error.sentence} Check MODERATIONS_URL, MODERATIONS_KEY and MODERATIONS_MODEL.")]
    except ProviderError as error:
        return [warn(f"{error.sentence} Until it answers, each server that uses it does what its managers chose for this case.")]
    return [ok(f"it answers, with {len(scores.by_category)} categories; each server's managers decide whether it is used there.")]


async def _hosts(examination: Examination) -> Iterable[Finding]:
    settings = examination.settings
    apis = [urlsplit(address).netloc for _, address in doctor_images.addresses(settings)]
    results = ", ".join(dict.fromkeys(("each image API's own hosts", *settings.result_hosts, *apis)))
    findings = [ok(f"images are downloaded from {results}; reference images from {', '.join(settings.discord_cdn_hosts)}.")]
    findings += [
        bad(f"images from {api} wait at {host}, which is none of its hosts; if it is right, add it to RESULT_HOSTS.")
        for api, host in await _refused_hosts(settings)
    ]
    for setting, hosts in (("DISCORD_CDN_HOSTS", settings.discord_cdn_hosts), ("RESULT_HOSTS", settings.result_hosts)):
        unknown = [host for host in hosts if "*" not in host and not await _resolve(urlsplit(f"//{host}").hostname or host)]
        if unknown and settings.is_given(setting):
            findings.append(bad(f"{setting} names {some(unknown)}, which this machine can't find; check the spelling and the DNS."))
        elif unknown and await examination.is_logged_in():
            findings.append(bad(f"this machine can't find {some(unknown)}; check its DNS."))
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
    ("backups", doctor_backup.check_backups),
    ("Discord token", doctor_discord.check_token),
    ("intents", doctor_discord.check_intents),
    ("commands", doctor_discord.check_commands),
    ("permissions", doctor_discord.check_permissions),
    ("gateway", doctor_discord.check_gateway),
    ("image APIs", _image_apis),
    ("event stream", _event_stream),
    ("moderations", _moderations),
    ("image hosts", _hosts),
)


# --- their parts -------------------------------------------------------------------------------------------------------


def _missing_file(database: str) -> Path | None:
    """The file of an SQLite database that does not exist yet."""
    path = Path(database.removeprefix("sqlite:///")).expanduser()
    return path if database.startswith("sqlite:") and not path.exists() else None


def _in_use(file: Path | None) -> Finding:
    """Of a database that a running bot uses; its file can be checked all the same."""
    if file is None:
        return ok("a running bot uses it, so it was not checked.")
    try:
        checked = sqlite_check.quick_check(file)
    except sqlite3.OperationalError as error:
        return warn(f"a running bot uses it, and its file could not be checked ({error}).")
    if checked.faults:
        return bad(sqlite_check.damaged(file, checked.faults[0]).sentence)
    return ok(f"a running bot uses it{', and its file is undamaged' if checked.is_complete else ''}.")


def _privacy(folder: Path) -> list[Finding]:
    """What other users of this machine can reach."""
    if not folder.exists() or not private_files.is_open_to_others(folder):
        return []
    return [warn(f"other users of this machine can enter {folder.absolute()}, which contains prompts and images; run `chmod 700` on it.")]


def _can_be_created(path: Path) -> Finding:
    folder = next(folder for folder in path.absolute().parents if folder.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return bad(f"{path} does not exist, and {folder} cannot be written to; check DATA_DIR and who owns it.")
    return ok(f"{path} does not exist yet; the first start creates it.")


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
