"""The doctor's checks of Discord: the token, and what the bot may do and has registered there. All of them use one login."""

from __future__ import annotations

from collections.abc import Iterable

import aiohttp
from yarl import URL

from bot.core.settings.complaints import Need
from bot.ops.examination import Examination
from bot.ops.findings import Finding, bad, ok, some, warn
from bot.ops.portal import PERMISSIONS, GuildReport

_GUILDS_MAX = 25  # servers whose permissions are checked
_FEW_STARTS = 10  # connections to the gateway that are left today


async def check_token(examination: Examination) -> Iterable[Finding]:
    if examination.lacks(Need.DISCORD):
        return [bad(Need.DISCORD)]
    portal = await examination.login()
    application = portal.application
    return [ok(f"Discord accepts it: {portal.user.name}, application {application.name} ({application.id}).")]


async def check_intents(examination: Examination) -> Iterable[Finding]:
    flags = (await examination.portal()).application.flags
    granted = {  # the limited form is that of bots in few servers
        "message content": flags.gateway_message_content or flags.gateway_message_content_limited,
        "server members": flags.gateway_guild_members or flags.gateway_guild_members_limited,
        "presence": flags.gateway_presence or flags.gateway_presence_limited,
    }
    states = [f"{name} {'on' if is_on else 'off'}" for name, is_on in granted.items()]
    wanted = examination.settings.message_content_intent
    if wanted and not granted["message content"]:
        return [bad("MESSAGE_CONTENT_INTENT needs the message content intent; turn it on at the Bot page of your application.")]
    return [ok(f"{', '.join(states)}; Easel needs {'only message content' if wanted else 'none of these'}.")]


async def check_commands(examination: Examination) -> Iterable[Finding]:
    commands = await (await examination.portal()).commands()
    if not commands:
        return [warn("none are registered yet; the first `python -m bot run` does it, or `python -m bot sync`.")]
    return [ok(f"{len(commands)} are registered.")]


async def check_permissions(examination: Examination) -> Iterable[Finding]:
    portal, servers = await examination.portal(), examination.settings.servers
    guild_ids = await portal.guild_ids()
    if not guild_ids:
        return [warn("the bot is in no server yet; `python -m bot invite` prints the link that adds it to one.")]
    findings = [_judge_guild(await portal.report(guild_id)) for guild_id in guild_ids[:_GUILDS_MAX]]
    others = [] if servers == "any" else [str(guild_id) for guild_id in guild_ids if guild_id not in servers]
    if others:
        findings.append(warn(f"the bot is in servers that SERVERS does not name, and does nothing there: {some(others)}."))
    if len(guild_ids) > _GUILDS_MAX:
        findings.append(ok(f"{len(guild_ids) - _GUILDS_MAX} more servers were not checked."))
    return findings


async def check_gateway(examination: Examination) -> Iterable[Finding]:
    settings = examination.settings
    starts = await (await examination.portal()).session_starts()
    name = "DISCORD_GATEWAY_URL" if settings.is_given("DISCORD_GATEWAY_URL") else "Discord's gateway"
    try:
        async with examination.session.ws_connect(URL(settings.discord_gateway_url).update_query(v="10", encoding="json")) as socket:
            hello = await socket.receive_json()
    except (aiohttp.ClientError, OSError, TypeError, ValueError):
        return [bad(f"{name} does not answer as Discord does; check for a proxy or firewall that blocks WebSockets.")]
    if not isinstance(hello, dict) or hello.get("op") != 10:
        return [bad(f"{name} answers, but not as Discord's gateway does; check for a proxy in between.")]
    judge = ok if starts.remaining > _FEW_STARTS else warn
    return [judge(f"it answers; {starts.remaining} of {starts.total} starts are left today.")]


def _judge_guild(report: GuildReport) -> Finding:
    if report.missing:
        effects = "; ".join(PERMISSIONS[name] for name in report.missing)
        return warn(f"{report.name}: {effects}. Give the bot's role these permissions, or invite it again with `python -m bot invite`.")
    if report.restricted_channels:
        names = some([f"#{name}" for name in report.restricted_channels])
        return warn(f"{report.name}: permissions are missing in {names}; images that take over 15 minutes are sent by DM there.")
    return ok(f"{report.name}: the bot has every permission that it needs.")
