"""Guild settings: an invalid part falls back to its default, and every change is written to the audit log."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, insert

from bot.core.errors import InvalidRequest
from bot.domain.guild.document import Policy, changed
from bot.domain.guild.settings import STARTING_PRESETS, GuildSettings
from bot.domain.moderation.audit import AuditAction
from bot.store import documents
from bot.store.engine.base import Store
from bot.store.moderation import audit_log
from bot.store.tables import guilds

GUILD, MANAGER, NOW = 7, 9, 1_000


def put(conn: Connection, settings: dict[str, Any]) -> None:
    conn.execute(insert(guilds).values(guild_id=GUILD, settings=settings, updated_at=0))


async def policy_of(store: Store) -> Policy:
    return (await store.read(documents.guild_settings, GUILD)).policy


async def test_only_an_invalid_section_falls_back(store: Store) -> None:
    await store.write(put, {"policy": {"pause": {"on": True}, "gallery": {"stars": "many"}, "flags": {"quorum": 5}}, "presets": []})
    settings = await store.read(documents.guild_settings, GUILD)
    assert settings.policy == changed(Policy(), {"pause": {"on": True}, "flags": {"quorum": 5}})
    assert settings.presets == ()


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ({"prompts": {"block": {"words": ["gore", "*", "b*d"]}}}, {"prompts": {"block": {"words": ["gore"]}}}),
        ({"prompts": {"block": {"patterns": ["(", "b[a4]d"]}}}, {"prompts": {"block": {"patterns": ["b[a4]d"]}}}),
        ({"channels": {"allowed": ["5", "x"]}}, {"channels": {"allowed": ["5"]}}),
        ({"everyone": {"models": ["a", ""]}}, {"everyone": {"models": ["a"]}}),
        ({"roles": {"77": {"max_count": 2, "private": "perhaps"}, "x": {}}}, {"roles": {"77": {"max_count": 2}}}),
        ({"roles": {"77": {"purse": {}, "max_count": 2}}}, {"roles": {"77": {"max_count": 2}}}),
        ({"forgotten": 1, "usd_per_month": 5}, {"usd_per_month": 5}),
        ({"strikes": {"ladder": [{"points": 3, "hours": 2}, {"points": 1, "hours": 1}]}, "pause": {"on": True}}, {"pause": {"on": True}}),
    ],
    ids=str,
)
async def test_only_the_invalid_values_of_a_section_are_left_out(store: Store, kept: dict[str, Any], expected: dict[str, Any]) -> None:
    """A pattern that a newer RE2 refuses must not remove the whole list."""
    await store.write(put, {"policy": kept})
    assert await policy_of(store) == changed(Policy(), expected)


@pytest.mark.parametrize("kept", [{"policy": 3}, {"policy": []}, [], {"presets": 3}], ids=str)
async def test_a_fully_invalid_document_falls_back_to_the_initial_settings(store: Store, kept: Any) -> None:
    await store.write(put, kept)
    settings = await store.read(documents.guild_settings, GUILD)
    assert (settings.policy, settings.presets) == (Policy(), STARTING_PRESETS)


async def test_the_audit_log_has_a_line_for_a_change_and_none_without_a_change(store: Store) -> None:
    def paused(settings: GuildSettings) -> GuildSettings:
        return settings.model_copy(update={"policy": changed(settings.policy, {"pause": {"on": True}})})

    for _time in range(2):
        await store.write(documents.change_guild_settings, GUILD, paused, NOW, actor_id=MANAGER)
    (line,) = await store.read(audit_log.latest, GUILD)
    assert (line.action, line.actor_id, line.at) == (AuditAction.SETTINGS, MANAGER, NOW)
    assert line.details == {"changes": [{"path": "pause.on", "was": False, "now": True}]}


async def test_a_refused_change_has_no_line(store: Store) -> None:
    def refused(_settings: GuildSettings) -> GuildSettings:
        raise InvalidRequest("no")

    with pytest.raises(InvalidRequest):
        await store.write(documents.change_guild_settings, GUILD, refused, NOW, actor_id=MANAGER)
    assert await store.read(audit_log.latest, GUILD) == []
