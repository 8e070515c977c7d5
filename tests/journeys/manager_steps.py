"""Steps of journeys with managers and moderators: subcommands, panels, guild rules, the audit log."""

from __future__ import annotations

from typing import Any

import pytest

from bot.app import App
from bot.domain.actor import Actor
from bot.domain.guild.document import Policy, changed
from bot.domain.job import ReplyTarget
from bot.domain.moderation.audit import AuditLine
from bot.domain.money.accounts import AccountRef, member_account
from bot.domain.money.quota import EMPTY, MICRO
from bot.domain.request import Request
from bot.store.moderation import audit_log
from bot.store.money import transfers
from sandbox.person import Message, Person
from tests.env.jobs import request


async def private_reply(person: Person, words: str, channel: str = "studio") -> Message:
    """The ephemeral message to this member that contains these words."""
    return await person.message(lambda m: m.ephemeral and words in m.text, channel)


async def admin(person: Person, command: str, words: str, /, **values: Any) -> Message:
    """Run a subcommand of /imageadmin and wait for its answer."""
    await person.slash(f"imageadmin {command}", **values)
    return await private_reply(person, words)


async def updated(person: Person, panel: Message, words: str) -> Message:
    """The panel, once it contains these words."""
    return await person.message(lambda m: m.id == panel.id and words in m.text)


async def request_of(app: App, actor: Actor, person: Person) -> Request:
    """A request by this actor from the guild of this person."""
    place = ReplyTarget(user_id=actor.user_id, channel_id=int(person.channel("studio")), guild_id=guild_of(person))
    return await request(app.services, place, actor=actor)


def guild_of(person: Person) -> int:
    return int(person.hello["guild"]["id"])


async def grant(app: App, person: Person, amount: int) -> None:
    """Grant a member credits, which they may also give to others."""
    account = AccountRef(name=member_account(guild_of(person), int(person.id)), fills=EMPTY)
    await app.store.write(transfers.grant, to=account, amount=amount * MICRO, key=f"grant {person.id} {amount}", now=0)


async def granted_left(app: App, person: Person) -> float:
    """What is left of granted and given credits."""
    account = AccountRef(name=member_account(guild_of(person), int(person.id)), fills=EMPTY)
    return round((await app.services.pricing.statement_of(account)).available / MICRO, 2)


async def rules_of(app: App, person: Person) -> Policy:
    return (await app.services.guilds.settings(guild_of(person))).policy


async def change_rules(app: App, **changes: Any) -> None:
    """Change the rules of the bot's guild, as a settings file would."""
    await app.services.guilds.change_policy(app.client.guilds[0].id, lambda rules: changed(rules, changes), actor_id=None)


async def audit_lines(app: App, person: Person) -> list[AuditLine]:
    """The guild's audit lines, newest first."""
    return await app.store.read(audit_log.latest, guild_of(person))


async def open_to_everybody(app: App, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Offer these commands to every member, as the settings of a Discord server can."""
    for command in app.client.tree.get_commands():
        if command.name in names:
            monkeypatch.setattr(command, "default_permissions", None)
    await app.client.tree.sync()
