"""People: names, membership, roles and permissions."""

from __future__ import annotations

from datetime import datetime, timedelta

import discord
from simcord.backend import serializers
from simcord.backend.models import Guild, Role

from sandbox.discord.wire import JSON, RefusedError
from sandbox.discord.world.channels import SHOWN_PERMISSIONS, permission_flag
from sandbox.discord.world.engine import Engine
from sandbox.discord.world.initial_state import ABOUT_PEOPLE, ABOUT_ROLES, BotGuild

_COLOURS = ("#4f6d8f", "#a8701f", "#5b7a4a", "#8a5a83", "#b0553f", "#3f7f7a", "#6d63a8", "#7d6b4f")
_BOT_COLOUR = "#e8734a"
_LOCALES = frozenset(locale.value for locale in discord.Locale)
_DEFAULT_MEMBERSHIP_DAYS = 400
_MAX_MEMBERSHIP_DAYS = 3000
_ACCOUNT_BEFORE = timedelta(days=30)  # the account of a new member is this much older than the membership


class WorldMembers:
    """Methods on behalf of people raise `RefusedError` with a sentence."""

    def __init__(self, engine: Engine, bot_guild: BotGuild) -> None:
        self._engine = engine
        self._bot_guild = bot_guild
        self._people: list[int] = []
        self._locales: dict[int, str] = {}
        self._closed: set[int] = set()  # people who do not accept direct messages from the bot

    # ---------------------------------------------------------------- membership

    def create_initial(self, name: str, *, moderator: bool) -> int:
        """Create a person of the initial world, whose id is the same after every start. Returns the id."""
        user = self._engine.make_user(name)
        self._add_member(user.id, self._engine.clock.now(), moderator=moderator)
        return user.id

    def join(self, name: str, *, moderator: bool, days: int | None = None) -> int:
        """Add a new person, or one who had left, with a DM channel with the bot. Returns the id."""
        name = name.strip()
        if not 1 <= len(name) <= 32:
            raise RefusedError("A name has 1 to 32 characters.")
        if days is not None and not 0 <= days <= _MAX_MEMBERSHIP_DAYS:
            raise RefusedError(f"days is a number from 0 to {_MAX_MEMBERSHIP_DAYS}.")
        known = self._named(name)
        if known is not None and (known == self._engine.bot_user.id or self.is_member(known)):
            raise RefusedError(f"There is already somebody called {name}.")
        since = self._engine.clock.now() - timedelta(days=days if days is not None else (0 if known else _DEFAULT_MEMBERSHIP_DAYS))
        user_id = known or self._engine.make_user_of(since - _ACCOUNT_BEFORE, name).id
        self._add_member(user_id, since, moderator=moderator)
        return user_id

    def leave(self, user_id: int) -> None:
        if not self.is_member(user_id):
            raise RefusedError("You have left the server already.")
        self._engine.remove_member(self._guild.id, user_id)

    def _add_member(self, user_id: int, since: datetime, *, moderator: bool) -> None:
        roles = [self._bot_guild.moderators.id] if moderator else []
        if user_id not in self._people:
            self._people.append(user_id)
        member = self._engine.add_member(self._guild.id, user_id, roles=roles)
        member.joined_at = since.isoformat()
        joined = {**serializers.member_payload(self._engine, self._guild, member), "guild_id": str(self._guild.id)}
        self._engine.emit("GUILD_MEMBER_ADD", joined)
        self._engine.get_dm_channel(user_id)

    # ------------------------------------------------------------------- changes

    def give_role(self, name: str, role_name: str, *, on: bool) -> None:
        user_id, role = self.find(name), self._role(role_name)
        if not self.is_member(user_id):
            raise RefusedError(f"{name} is no member of the server.")
        change = self._engine.add_member_role if on else self._engine.remove_member_role
        change(self._guild.id, user_id, role.id)

    def delete_role(self, role_name: str) -> None:
        """Delete a role, which its members lose."""
        self._engine.delete_role(self._guild.id, self._role(role_name).id)

    def remove_bot(self) -> None:
        """Remove the bot from its server: it loses its access, and people can use it there through their own installation only."""
        if not self.is_member(self._engine.bot_user.id):
            raise RefusedError("The bot is not on the server.")
        del self._guild.members[self._engine.bot_user.id]
        self._engine.emit("GUILD_DELETE", {"id": str(self._guild.id)})
        self._engine.out_of_reach.update(self._places())

    def invite_bot(self) -> None:
        """Invite the bot again, with the same role."""
        if self.is_member(self._engine.bot_user.id):
            raise RefusedError("The bot is on the server already.")
        self._engine.add_member(self._guild.id, self._engine.bot_user.id, roles=[self._bot_guild.bot_role.id])
        self._engine.out_of_reach.difference_update(self._places())
        joined = dict(serializers.guild_create_payload(self._engine, self._guild))
        joined.pop("unavailable", None)  # so Discord tells a new server from one that was not available
        self._engine.emit("GUILD_CREATE", joined)

    def _places(self) -> set[int]:
        return {self._guild.id, *self._guild.channel_ids, *self._guild.thread_ids}

    def permit_bot(self, permission: str, *, on: bool) -> None:
        """Change what the bot's own role allows in the whole server."""
        flag, role = permission_flag(permission), self._bot_guild.bot_role
        self._engine.edit_role(self._guild.id, role.id, {"permissions": role.permissions | flag if on else role.permissions & ~flag})

    def set_locale(self, user_id: int, locale: str) -> None:
        self._locales[user_id] = _known(locale)

    def set_guild_locale(self, locale: str) -> None:
        """Set the language of the server."""
        self._engine.edit_guild(self._guild.id, {"preferred_locale": _known(locale)})

    def set_dms(self, user_id: int, *, on: bool) -> None:
        (self._closed.discard if on else self._closed.add)(user_id)

    # ------------------------------------------------------------------- reading

    @property
    def everybody(self) -> list[int]:
        return list(self._people)

    def find(self, key: str) -> int:
        """The id of a person, given by id or name."""
        for user_id in self._people:
            if key.lower() in (str(user_id), self._engine.users[user_id].name.lower()):
                return user_id
        raise RefusedError(f"Nobody here is called {key}.")

    def is_member(self, user_id: int) -> bool:
        return user_id in self._guild.members

    def locale(self, user_id: int) -> str:
        return self._locales.get(user_id, discord.Locale.american_english.value)

    def accepts_dms(self, user_id: int) -> bool:
        return user_id not in self._closed

    def may(self, user_id: int, permission: str) -> bool:
        """Whether a person has a permission in the whole server."""
        return self.is_member(user_id) and bool(self._engine.compute_permissions(self._guild.id, user_id) & permission_flag(permission))

    def bot_may(self) -> list[str]:
        """The permissions that the bot's role and @everyone give it in the whole server."""
        return [name for name in SHOWN_PERMISSIONS if self.may(self._engine.bot_user.id, name)]

    def list_json(self) -> list[JSON]:
        return [self.person_json(user_id) for user_id in (*self._people, self._engine.bot_user.id)]

    def person_json(self, user_id: int) -> JSON:
        """A person as in PROTOCOL.md."""
        user, member = self._engine.users[user_id], self._guild.members.get(user_id)
        return {
            "id": str(user.id),
            "name": user.name,
            "about": ABOUT_PEOPLE.get(user.name, ""),
            "avatar": user.avatar,
            "colour": _BOT_COLOUR if user.bot else _COLOURS[self._people.index(user.id) % len(_COLOURS)],
            "moderator": not user.bot and self.may(user_id, "manage_messages"),
            "manages": not user.bot and self.may(user_id, "manage_guild"),
            "bot": user.bot,
            "member": member is not None,
            "roles": [str(role_id) for role_id in member.role_ids] if member else [],
            "locale": self.locale(user_id),
            "dms": self.accepts_dms(user_id),
        }

    def roles_json(self) -> list[JSON]:
        """The server's roles except @everyone."""
        roles = sorted(self._guild.roles.values(), key=lambda role: -role.position)
        return [_role_view(role) for role in roles if role.id != self._guild.id]

    def user_json(self, user_id: int) -> JSON:
        return dict(serializers.user_payload(self._engine.get_user(user_id)))

    def knows(self, user_id: int) -> bool:
        return user_id in self._engine.users

    def member_json(self, user_id: int, guild_id: int | None) -> JSON | None:
        """A member object without its user, `None` for a person who is not a member."""
        guild = self._engine.guilds.get(guild_id or 0)
        if guild is None or (member := guild.members.get(user_id)) is None:
            return None
        return dict(serializers.member_payload(self._engine, guild, member, with_user=False))

    def role_json(self, role_id: int, guild_id: int | None) -> JSON | None:
        guild = self._engine.guilds.get(guild_id or 0)
        role = guild.roles.get(role_id) if guild else None
        return None if role is None else dict(serializers.role_payload(role))

    # ------------------------------------------------------------------- helpers

    @property
    def _guild(self) -> Guild:
        return self._bot_guild.guild

    def _named(self, name: str) -> int | None:
        everybody = (*self._people, self._engine.bot_user.id)
        return next((i for i in everybody if self._engine.users[i].name.lower() == name.lower()), None)

    def _role(self, name: str) -> Role:
        for role in self._guild.roles.values():
            if role.name.lower() == name.lower() and not role.managed and role.id != self._guild.id:
                return role
        raise RefusedError(f"There is no role called {name} to give.")


def _role_view(role: Role) -> JSON:
    return {
        "id": str(role.id),
        "name": role.name,
        "about": ABOUT_ROLES.get(role.name, ""),
        "colour": f"#{role.color:06x}" if role.color else None,
    }


def _known(locale: str) -> str:
    if locale not in _LOCALES:
        raise RefusedError(f"Discord has no language {locale}.")
    return locale
